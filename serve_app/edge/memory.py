"""The memory of large bodies, given back to the system."""

import asyncio
import ctypes
import gc
import sys
from collections.abc import Sequence
from itertools import pairwise

#: A body of so many bytes leaves enough behind to look after it.
LARGE = 8 << 20
#: After the last large body: soon, and once more when no request that had one can still be at work.
AFTER_S = (20.0, 150.0)


class LargeBodies:
    """Has free memory given back at the seconds `after_s` after large bodies, and again as long as more of them come.

    Each time holds the process for about 0.1 s, while Python's garbage is collected.

    glibc keeps what was freed in pieces, in an arena of 64 MB for each of several threads: 280 MB of two processes that
    had read a hundred bodies of 60 MB. Where there is another C library nothing happens.
    """

    def __init__(self, after_s: Sequence[float] = AFTER_S) -> None:
        self._after_s = after_s
        self._came = False
        self._task: asyncio.Task[None] | None = None

    def came(self, size: int) -> None:
        """A body took `size` bytes of memory; called in the event loop."""
        if size < LARGE:
            return
        self._came = True
        if self._task is None or self._task.done() or self._task.get_loop().is_closed():
            self._task = asyncio.create_task(self._give_back())

    async def _give_back(self) -> None:
        while self._came:
            self._came = False
            for earlier, at in pairwise((0.0, *self._after_s)):
                await asyncio.sleep(at - earlier)
                await asyncio.to_thread(trim)
                if self._came:
                    break


def trim() -> None:
    """Give back every free page of this process that its C library holds."""
    gc.collect()  # a refusal holds the frames it came through, and those the body, in a circle
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
