"""The audit log: who did what to which recording, as a chain of hashes in files that only grow.

Each entry holds the hash of the one before it, over rotations too. A changed, removed or inserted entry breaks the
chain. Removing the *last* entries, or writing the whole chain anew, does not: keep the head that `verify` gives in
another place, and give it to the next `verify`.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import orjson

from ecg.errors import AuditBroken, MalformedInput

START = "0" * 64
MAX_FILE_BYTES = 64 * 2**20
_MAX_TEXT = 128
_TAIL_BYTES = 4096  # an entry has fewer
_ROTATED = re.compile(r"audit-[0-9]{6,}\.jsonl")


@dataclass(frozen=True)
class Head:
    """The end of a chain: how many entries it has and the hash of the last."""

    entries: int
    hash: str


class AuditLog:
    """Appends to ``audit.jsonl`` in a folder that only its owner can read; several processes take turns.

    A file that has grown beyond `max_file_bytes` becomes ``audit-NNNNNN.jsonl``, and the chain goes on in a new one.
    """

    def __init__(self, folder: Path, max_file_bytes: int = MAX_FILE_BYTES) -> None:
        self.folder = folder
        self.max_file_bytes = max_file_bytes
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def append(self, who: str, action: str, subject: str | None = None, outcome: str = "done") -> Head:
        """Note that `who` (a key's id, or a user) did `action` to `subject` (an id); on disk when this returns.

        Nothing of a recording but its id belongs here. Raises `MalformedInput` for anything but short printable text.
        """
        texts = {"who": who, "action": action, "subject": subject, "outcome": outcome}
        for name, text in texts.items():
            if text is not None and not (0 < len(text) <= _MAX_TEXT and text.isprintable()):
                raise MalformedInput("An audit entry holds short printable text.", name, f"1..{_MAX_TEXT} characters")
        lock = os.open(self.folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return self._append(texts)
        finally:
            os.close(lock)

    def _append(self, texts: dict[str, str | None]) -> Head:
        current = self.folder / "audit.jsonl"
        with os.fdopen(os.open(current, os.O_CREAT | os.O_RDWR, 0o600), "r+b") as file:
            _drop_half_a_line(file)
            head = _last(file) or self._last_rotated()
            if file.seek(0, os.SEEK_END) >= self.max_file_bytes:
                return self._rotate(current, texts)
            entry = {"n": head.entries + 1, "time": datetime.now(UTC).isoformat(timespec="milliseconds")} | texts
            digest = entry_hash(head.hash, entry)
            file.write(orjson.dumps(entry | {"previous": head.hash, "hash": digest}) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return Head(head.entries + 1, digest)

    def _rotate(self, current: Path, texts: dict[str, str | None]) -> Head:
        rotated = self._rotated()
        # After the last one and not by their count: where one was moved away, its successors must not be replaced.
        number = _number(rotated[-1]) + 1 if rotated else 1
        current.rename(self.folder / f"audit-{number:06d}.jsonl")
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        return self._append(texts)

    def _last_rotated(self) -> Head:
        rotated = self._rotated()
        if not rotated:
            return Head(0, START)
        with rotated[-1].open("rb") as file:
            return _last(file) or Head(0, START)

    def _rotated(self) -> list[Path]:
        """The files of the chain that are full, oldest first."""
        return sorted(
            (path for path in self.folder.glob("audit-*.jsonl") if _ROTATED.fullmatch(path.name)), key=_number
        )

    def files(self) -> list[Path]:
        """The files of the chain, oldest first."""
        current = self.folder / "audit.jsonl"
        return self._rotated() + ([current] if current.exists() else [])

    def export(self) -> Iterator[bytes]:
        """Every entry as a JSON line, oldest first; half a line that a kill has left is passed over."""
        for path in self.files():
            with path.open("rb") as file:
                yield from (line for line in file if line.endswith(b"\n"))

    def verify(self, known: Head | None = None) -> Head:
        """The chain's head, after every entry was checked.

        `known` is a head from before, which the chain must still hold. Raises `AuditBroken` with the number of the
        first entry that is not as it was written.
        """
        head = Head(0, START)
        holds_known = known is None or known.entries == 0
        for line in self.export():
            number = head.entries + 1
            try:
                entry = orjson.loads(line)
                digest, previous = entry.pop("hash"), entry.pop("previous")
                canonical = orjson.dumps(entry | {"previous": previous, "hash": digest}) + b"\n"
            except (orjson.JSONDecodeError, KeyError, AttributeError, TypeError):
                raise AuditBroken(f"Entry {number} cannot be read.", "entry", "an audit entry", number) from None
            if canonical != line or previous != head.hash or entry.get("n") != number:
                raise AuditBroken(f"Entry {number} does not follow the one before.", "entry", head.hash, number)
            if digest != entry_hash(head.hash, entry):
                raise AuditBroken(f"Entry {number} was changed.", "entry", "the hash of its content", number)
            head = Head(number, digest)
            holds_known = holds_known or head == known
        if not holds_known:
            raise AuditBroken("The chain no longer holds the known entry.", "entry", known.entries if known else 0)
        return head


def entry_hash(previous: str, entry: dict[str, object]) -> str:
    """SHA-256, in hex, over the hash before and the entry's JSON."""
    return hashlib.sha256(previous.encode() + orjson.dumps(entry)).hexdigest()


def _number(rotated: Path) -> int:
    return int(rotated.stem.removeprefix("audit-"))


def _drop_half_a_line(file: BinaryIO) -> None:
    """Cut off what a kill has left of an entry that nobody was told of."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _TAIL_BYTES)
    file.seek(start)
    tail = file.read()
    if tail and not tail.endswith(b"\n"):
        file.truncate(start + tail.rfind(b"\n") + 1)
    file.seek(0, os.SEEK_END)


def _last(file: BinaryIO) -> Head | None:
    """The head that a file's last line makes; None for an empty file."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL_BYTES))
    lines = file.read().splitlines()
    if not lines:
        return None
    try:
        entry = orjson.loads(lines[-1])
        return Head(entry["n"], entry["hash"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise AuditBroken("The last entry cannot be read.", "entry", "an audit entry") from None
