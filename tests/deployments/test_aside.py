"""Where a stage works: short recordings in the event loop, long ones beside it."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from deployments.aside import SHORT_S, aside
from ecg.record import EcgRecord


@pytest.fixture
def thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="stage")


def recording(seconds: float) -> EcgRecord:
    samples = np.zeros((1, round(seconds * 100)), np.float32)
    return EcgRecord(samples, ("I",), 100.0, "mV")


def test_a_short_recording_is_worked_on_where_it_came(thread: ThreadPoolExecutor) -> None:
    names = asyncio.run(aside(thread, lambda _: threading.current_thread().name, recording(SHORT_S)))
    assert names == threading.current_thread().name


def test_a_long_recording_leaves_the_event_loop_free(thread: ThreadPoolExecutor) -> None:
    async def both() -> str:
        let_go = threading.Event()

        def work(record: EcgRecord) -> str:
            assert let_go.wait(60)
            return f"{threading.current_thread().name} {record.duration_s:g}"

        working = asyncio.ensure_future(aside(thread, work, recording(SHORT_S + 1)))
        await asyncio.sleep(0)  # the loop turns while the work waits
        let_go.set()
        return await working

    assert asyncio.run(both()) == f"stage_0 {SHORT_S + 1:g}"
