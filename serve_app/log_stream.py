"""`python -m serve_app.log_stream FOLDER`: every line that Serve's processes log into a folder, on standard output.

Ray Serve writes its JSON lines to a file for each replica, proxy and controller; a container that runs this beside them
gives them to `kubectl logs`. It needs nothing but the standard library, and waits for a folder that is not there yet.
"""

import sys
import time
from pathlib import Path
from typing import BinaryIO

EVERY_S = 0.5
#: What is read of one file before the others get their turn, and the longest line.
MOST_BYTES = 1 << 20


class Followed:
    """One log file, read line by line, also after Ray has renamed it and begun another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._inode: int | None = None
        self._rest = b""

    def new_lines(self) -> bytes:
        """The whole lines that were written since the last call."""
        inode = _inode(self._path)
        if inode is None or inode == self._inode:
            return self._read(MOST_BYTES)
        lines = self._read(-1)  # what is left of the file that was renamed
        self.close()
        self._file, self._inode = self._path.open("rb"), inode
        return lines + self._read(MOST_BYTES)

    def rest(self) -> bytes:
        """What was read and is no whole line, for when nobody will end it."""
        rest, self._rest = self._rest, b""
        return rest

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _read(self, most_bytes: int) -> bytes:
        if self._file is None:
            return b""
        whole, newline, self._rest = (self._rest + self._file.read(most_bytes)).rpartition(b"\n")
        return whole + newline if len(self._rest) < MOST_BYTES else whole + newline + self.rest() + b"\n"


class Stream:
    """All files of a folder whose name ends with `.log`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Path, Followed] = {}

    def new_lines(self) -> bytes:
        """The whole lines that were written since the last call, file by file."""
        lines = b""
        for path in sorted(self._folder.glob("*.log")):
            lines += self._files.setdefault(path, Followed(path)).new_lines()
        return lines

    def close(self) -> None:
        """Let go of all files."""
        for file in self._files.values():
            file.close()


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:  # renamed this moment; the next one is there at the next look
        return None


def main() -> None:
    """Stream until the process is ended."""
    stream = Stream(Path(sys.argv[1]))
    while True:
        if lines := stream.new_lines():
            sys.stdout.buffer.write(lines)
            sys.stdout.buffer.flush()
        else:
            time.sleep(EVERY_S)


if __name__ == "__main__":
    main()
