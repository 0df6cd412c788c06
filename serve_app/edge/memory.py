"""The memory of large bodies, given back to the system."""

import asyncio
import ctypes
import gc
import sys

#: A body of so many bytes leaves enough behind to look after it.
LARGE = 8 << 20
#: After a large body: soon, and once more when no request that had one can still be at work.
SOON_S, LATE_S = 20.0, 150.0


class LargeBodies:
    """Has free memory given back `soon_s` after a large body came, and again `late_s` after the last one.

    Each time holds the process for about 0.1 s, while Python's garbage is collected.

    glibc keeps what was freed in pieces, in an arena of 64 MB for each of several threads: 280 MB of two processes that
    had read a hundred bodies of 60 MB. Where there is another C library nothing happens.
    """

    def __init__(self, soon_s: float = SOON_S, late_s: float = LATE_S) -> None:
        self._soon_s, self._late_s = soon_s, late_s
        self._came = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def came(self, size: int) -> None:
        """A body took `size` bytes of memory; called in the event loop."""
        if size < LARGE:
            return
        if self._task is None or self._task.done() or self._task.get_loop().is_closed():
            self._came = asyncio.Event()
            self._task = asyncio.create_task(self._give_back())
        self._came.set()

    async def _give_back(self) -> None:
        while True:
            self._came.clear()
            await asyncio.sleep(self._soon_s)  # not from the last body on: under a steady stream that would never be
            await asyncio.to_thread(trim)
            try:
                await asyncio.wait_for(self._came.wait(), self._late_s - self._soon_s)
            except TimeoutError:
                await asyncio.to_thread(trim)
                if not self._came.is_set():
                    return


def trim() -> None:
    """Give back every free page of this process that its C library holds."""
    gc.collect()  # a refusal holds the frames it came through, and those the body, in a circle
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
