"""What a relay run has delivered, kept so that a killed run goes on where it stopped."""

import errno
import fcntl
import os
import threading
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import orjson

from ecg.errors import InconsistentInput, MalformedInput


@dataclass(frozen=True)
class Destination:
    """What a checkpoint belongs to: delivered here is not delivered elsewhere."""

    adapter: str
    name: str
    origin_code: str
    device_code: str


class Checkpoint:
    """One run's progress, a JSON line per delivered message.

    Message ids follow from the run and the message's key, so a message whose acknowledgement was not written down
    before a kill is sent again under its old id and recognised by the receiver. Raises `InconsistentInput` when the
    file belongs to another destination or is in use, `MalformedInput` when it is no checkpoint.
    """

    def __init__(self, path: Path, destination: Destination) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._file = path.open("ab+", buffering=0)
        except OSError as error:
            raise _unusable(path, error) from None
        try:
            self._open(destination)
        except BaseException:
            self._file.close()
            raise

    def _open(self, destination: Destination) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InconsistentInput(f"Another relay uses {self.path}.", "checkpoint") from None
        if os.fstat(self._file.fileno()).st_nlink == 0:
            raise InconsistentInput(f"Another relay has just finished with {self.path}.", "checkpoint")
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]  # a kill can leave half a last line
        if len(whole) < len(content):
            self._file.truncate(len(whole))
        self._done: set[str] = set()
        self.run_id = uuid.uuid4()
        if whole:
            self._resume(whole, destination)
        else:
            self._append({"run": str(self.run_id)} | asdict(destination))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def message_id(self, key: str) -> str:
        """The one id of this message in this run, however often it is sent."""
        return str(uuid.uuid5(self.run_id, key))

    def __contains__(self, key: str) -> bool:
        return key in self._done

    def __len__(self) -> int:
        return len(self._done)

    def mark(self, key: str) -> None:
        """Note a delivery; outlives a kill of this process. Raises `MalformedInput` when it cannot be written."""
        with self._lock:
            self._done.add(key)
            self._append({"done": key})

    def discard(self) -> None:
        """Remove the file: the run is complete, and the next one starts anew."""
        self.path.unlink()

    def _append(self, fields: dict[str, str]) -> None:
        try:
            line = orjson.dumps(fields) + b"\n"
            written = self._file.write(line)
            if written < len(line):  # a disk that has just become full
                self._file.truncate(self._file.tell() - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise _unusable(self.path, error) from None

    def _resume(self, whole: bytes, destination: Destination) -> None:
        try:
            head, *lines = (orjson.loads(line) for line in whole.splitlines())
            self.run_id = uuid.UUID(head.pop("run"))
            self._done = {line["done"] for line in lines}
        except (orjson.JSONDecodeError, ValueError, KeyError, TypeError, AttributeError):
            raise MalformedInput(f"{self.path} is no checkpoint of ecg relay.", "checkpoint") from None
        if head != asdict(destination) and not self._done:
            # Nothing was delivered there, as when the URL was mistyped: nothing can be sent twice.
            self._file.truncate(0)
            self.run_id = uuid.uuid4()
            self._append({"run": str(self.run_id)} | asdict(destination))
            return
        if head != asdict(destination):
            raise InconsistentInput(
                f"{self.path} belongs to a run that delivered {len(self._done)} messages to another destination; "
                "finish that run, remove the file, or name another with --checkpoint.",
                "checkpoint",
                head,
                asdict(destination),
            )


def _unusable(path: Path, error: OSError) -> MalformedInput:
    return MalformedInput(f"{path} cannot be written: {error.strerror}.", "checkpoint", "a writable file")
