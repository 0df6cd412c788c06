"""Memory of large bodies goes back to the system."""

import asyncio
import gc
import gzip
import sys
import threading
import time
from contextlib import nullcontext

import psutil
import pytest
from starlette.requests import Request

from ecg.errors import InputTooLarge, UnknownFormat
from serve_app.edge import bodies, memory
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
        large = LargeBodies(0.05, 0.1)
        for size in (LARGE - 1, LARGE):
            thread = threading.Thread(target=fill)
            thread.start()
            thread.join()
            large.came(size)
            if (task := large._task) is not None:
                await asyncio.wait_for(task, 10)
            found.append(process.memory_info().rss / 1e6)
        return found

    after_a_small_one, still, after_a_large_one, at_last = asyncio.run(held_mib())
    assert still == pytest.approx(after_a_small_one, abs=10)
    assert at_last < after_a_large_one - 60


def test_a_body_that_grows_too_long_counts_as_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(bodies._LARGE_BODIES, "came", sizes.append)
    sent = gzip.compress(bytes(3 * LARGE))

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": sent, "more_body": False}

    request = Request({"type": "http", "headers": [(b"content-encoding", b"gzip")]}, receive)
    with pytest.raises(InputTooLarge):
        asyncio.run(bodies.read_body(request, 2 * LARGE))
    assert sizes == [len(sent), 2 * LARGE]


@pytest.mark.parametrize("encoding", [b"br", b"gzip"])
def test_only_what_was_inflated_counts(encoding: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(bodies._LARGE_BODIES, "came", sizes.append)
    sent = gzip.compress(bytes(1000))

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": sent, "more_body": False}

    request = Request({"type": "http", "headers": [(b"content-encoding", encoding)]}, receive)
    with nullcontext() if encoding == b"gzip" else pytest.raises(UnknownFormat):
        asyncio.run(bodies.read_body(request, LARGE))
    assert sizes == [len(sent), 1000 if encoding == b"gzip" else 0]


@pytest.fixture
def trims(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When memory was given back, in seconds of the clock of loops."""
    times: list[float] = []
    monkeypatch.setattr(memory, "trim", lambda: times.append(time.monotonic()))
    return times


def test_memory_goes_back_again_when_a_slow_request_may_have_ended(trims: list[float]) -> None:
    async def one_body() -> None:
        large = LargeBodies(0.01, 0.02)
        large.came(LARGE)
        assert large._task is not None
        await asyncio.wait_for(large._task, 10)

    asyncio.run(one_body())
    assert len(trims) == 2


def test_a_body_between_the_two_times_is_looked_after_soon(trims: list[float]) -> None:
    async def second_body() -> None:
        large = LargeBodies(0.01, 3600.0)
        for number in (1, 2, 3):
            large.came(LARGE)
            async with asyncio.timeout(10):
                while len(trims) < number:
                    await asyncio.sleep(0.005)
        assert large._task is not None
        large._task.cancel()

    asyncio.run(second_body())
    assert len(trims) == 3
