"""Where a stage works: short recordings in the event loop, long ones beside it."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from deployments.serve.offload import SHORT_S, run_inline_or_thread
from ecg.record import EcgRecord


@pytest.fixture
def thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="stage")


def recording(seconds: float, fs_hz: float = 100.0, leads: int = 1) -> EcgRecord:
    samples = np.zeros((leads, round(seconds * fs_hz)), np.float32)
    return EcgRecord(samples, tuple(f"L{number}" for number in range(leads)), fs_hz, "mV")


@pytest.mark.parametrize("short", [recording(SHORT_S), recording(10, 500, 15), recording(SHORT_S, 1000, 12)])
def test_a_short_recording_is_worked_on_where_it_came(thread: ThreadPoolExecutor, short: EcgRecord) -> None:
    name = asyncio.run(run_inline_or_thread(thread, lambda _: threading.current_thread().name, short))
    assert name == threading.current_thread().name


@pytest.mark.parametrize("large", [recording(SHORT_S, 4000, 12), recording(SHORT_S, 100, 64)])
def test_a_short_recording_of_many_samples_or_leads_is_not(thread: ThreadPoolExecutor, large: EcgRecord) -> None:
    assert asyncio.run(run_inline_or_thread(thread, lambda _: threading.current_thread().name, large)) == "stage_0"


def test_a_long_recording_leaves_the_event_loop_free(thread: ThreadPoolExecutor) -> None:
    async def both() -> str:
        let_go = threading.Event()

        def work(record: EcgRecord) -> str:
            assert let_go.wait(60)
            return f"{threading.current_thread().name} {record.duration_s:g}"

        working = asyncio.ensure_future(run_inline_or_thread(thread, work, recording(SHORT_S + 1)))
        await asyncio.sleep(0)  # the loop turns while the work waits
        let_go.set()
        return await working

    assert asyncio.run(both()) == f"stage_0 {SHORT_S + 1:g}"
