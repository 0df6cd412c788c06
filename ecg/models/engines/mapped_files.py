"""Memory of files that are mapped into this process."""

import ctypes
import mmap
from pathlib import Path

_MAPS = Path("/proc/self/maps")


def give_back(folder: Path) -> None:
    """Let go of the pages of files in a folder that are mapped for reading; what is read again comes back by itself.

    A compiled graph has copies of the weights in an order of its own, and keeps the file mapped from which it made
    them: 310 MB of ECG-FM that nobody reads. Nothing happens where the system has no ``/proc``.
    """
    if not _MAPS.exists():
        return
    libc = ctypes.CDLL(None)
    beginning = f"{folder.resolve()}/"
    for line in _MAPS.read_text().splitlines():
        span, permissions, _, _, _, path = (*line.split(maxsplit=5), "")[:6]
        if path.startswith(beginning) and "w" not in permissions:
            begin, end = (int(edge, 16) for edge in span.split("-"))
            libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), mmap.MADV_DONTNEED)
