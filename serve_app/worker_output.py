"""What Ray's workers print, in the driver's own log: a thread instead of Ray's log monitor, a process of 60 MB."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from serve_app.log_stream import EVERY_S, Followed

#: A worker's own output, and what the two programs say that Ray itself runs on a node.
FILES = ("worker-*.out", "worker-*.err", "raylet.err", "gcs_server.err")
#: Lines by which a worker tells whose output follows; the job is the same for all.
_ACTOR, _TASK, _JOB = ":actor_name:", ":task_name:", ":job_id:"
#: Before what the raylet wants a driver to print.
_MESSAGE = ":info_message:"


class WorkerOutput:
    """The new lines of a session's folder of logs, each with the actor or task and the process before it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Path, Followed] = {}
        self._names: dict[Path, str] = {}
        #: Files of workers that are gone, of which all was read.
        self._done: set[Path] = set()

    def new_lines(self) -> Iterator[list[str]]:
        """What was written since the last call, file by file, without empty lines."""
        found = {path for pattern in FILES for path in self._folder.glob(pattern)}
        for path in sorted(found - self._done):
            gone = _gone(path)  # asked first: what is read after it is all there will be
            file = self._files.setdefault(path, Followed(path))
            written = file.new_lines()
            if gone and not written:
                written = file.rest()
                file.close()
                del self._files[path]
                self._done.add(path)
            if lines := self._lines(path, written):
                yield lines

    def last_lines(self) -> Iterator[list[str]]:
        """What is left when nobody writes any more: whole lines and others."""
        while parts := list(self.new_lines()):
            yield from parts
        for path, file in self._files.items():
            if lines := self._lines(path, file.rest()):
                yield lines

    def close(self) -> None:
        """Let go of all files."""
        for file in self._files.values():
            file.close()

    def _lines(self, path: Path, written: bytes) -> list[str]:
        lines = []
        for line in written.decode(errors="replace").split("\n"):
            shown = line.rstrip("\r").rpartition("\r")[2].removeprefix(_MESSAGE)  # a bar of progress: as it ended
            if shown.startswith((_ACTOR, _TASK)):
                self._names[path] = shown.rpartition(":")[2]
            elif shown and not shown.startswith(_JOB):
                lines.append(f"({self._source(path)}) {shown}")
        return lines

    def _source(self, path: Path) -> str:
        pid = _pid(path)
        return path.stem if pid is None else f"{self._names.get(path, 'worker')} pid={pid}"


def _pid(path: Path) -> int | None:
    """The process that writes it; None for those of Ray's own programs."""
    number = path.stem.rpartition("-")[2]
    return int(number) if path.name.startswith("worker-") and number.isdecimal() else None


def _gone(path: Path) -> bool:
    if (pid := _pid(path)) is None:
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False


@contextmanager
def worker_output_repeated(folder: Path) -> Iterator[None]:
    """Within it a thread prints what the workers do; at the end it stops, and the rest is printed."""
    output, ended = WorkerOutput(folder), threading.Event()

    def say(parts: Iterator[list[str]]) -> bool:
        """Whether there was something. A file that cannot be read now, or a full disk, is tried again later."""
        said = False
        with suppress(OSError):
            for lines in parts:
                # In one write: the process's own lines, by which the launcher knows why it failed, go to the same file.
                sys.stderr.write("\n".join(lines) + "\n")
                sys.stderr.flush()
                said = True
        return said

    def repeat() -> None:
        while not ended.is_set():
            if not say(output.new_lines()):
                ended.wait(EVERY_S)

    thread = threading.Thread(target=repeat, name="worker output", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        say(output.last_lines())
        output.close()
