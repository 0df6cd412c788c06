"""Memory of large bodies goes back to the system."""

import asyncio
import gc
import sys
import threading

import psutil
import pytest

from serve_app.edge.memory import LARGE, LargeBodies

PIECES = 2000  # of 60 kB: too small to be mapped one by one, 120 MB together


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's arenas")
def test_what_was_freed_in_pieces_goes_back_some_time_after_a_large_body() -> None:
    async def held_mib() -> list[float]:
        gc.collect()
        process, found = psutil.Process(), []

        def fill() -> None:
            pieces = [b"x" * (60_000 + n % 7) for n in range(PIECES)]
            pinned.extend(pieces[::100])  # among them, so that no arena shrinks by itself
            del pieces
            found.append(process.memory_info().rss / 1e6)

        pinned: list[bytes] = []
        bodies = LargeBodies(after_s=0.05)
        for size in (LARGE - 1, LARGE):
            thread = threading.Thread(target=fill)
            thread.start()
            thread.join()
            bodies.came(size)
            if (task := bodies._task) is not None:
                await asyncio.wait_for(task, 10)
            found.append(process.memory_info().rss / 1e6)
        return found

    after_a_small_one, still, after_a_large_one, at_last = asyncio.run(held_mib())
    assert still == pytest.approx(after_a_small_one, abs=10)
    assert at_last < after_a_large_one - 60
