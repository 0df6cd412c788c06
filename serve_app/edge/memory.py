"""The memory of large bodies, given back to the system."""

import asyncio
import ctypes
import gc
import sys

#: A body of so many bytes leaves enough behind to look after it.
LARGE = 8 << 20
AFTER_S = 20.0


class LargeBodies:
    """Has free memory given back `after_s` after a large body came, and again as long as more of them come.

    glibc keeps what was freed in pieces, in an arena of 64 MB for each of several threads: 280 MB of two processes that
    had read a hundred bodies of 60 MB. Where there is another C library nothing happens.
    """

    def __init__(self, after_s: float = AFTER_S) -> None:
        self._after_s = after_s
        self._came = False
        self._task: asyncio.Task[None] | None = None

    def came(self, size: int) -> None:
        """A body of `size` bytes was read; called in the event loop."""
        if size < LARGE:
            return
        self._came = True
        if self._task is None or self._task.done() or self._task.get_loop().is_closed():
            self._task = asyncio.create_task(self._give_back())

    async def _give_back(self) -> None:
        while self._came:
            self._came = False
            await asyncio.sleep(self._after_s)
            await asyncio.to_thread(trim)


def trim() -> None:
    """Give back every free page of this process that its C library holds."""
    gc.collect()  # a refusal holds the frames it came through, and those the body, in a circle
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
