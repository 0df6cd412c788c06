"""Where a stage works: short recordings in the event loop, long ones beside it."""

import asyncio
import threading

import numpy as np
import pytest

from deployments.serve.offload import SHORT_S, Stage
from ecg.record import EcgRecord


@pytest.fixture
def stage() -> Stage:
    return Stage("stage")


def recording(seconds: float, fs_hz: float = 100.0, leads: int = 1) -> EcgRecord:
    samples = np.zeros((leads, round(seconds * fs_hz)), np.float32)
    return EcgRecord(samples, tuple(f"L{number}" for number in range(leads)), fs_hz, "mV")


@pytest.mark.parametrize("short", [recording(SHORT_S), recording(10, 500, 15), recording(SHORT_S, 1000, 12)])
def test_a_short_recording_is_worked_on_where_it_came(stage: Stage, short: EcgRecord) -> None:
    name = asyncio.run(stage.run(lambda _: threading.current_thread().name, short))
    assert name == threading.current_thread().name


@pytest.mark.parametrize("large", [recording(SHORT_S, 4000, 12), recording(SHORT_S, 100, 64)])
def test_a_short_recording_of_many_samples_or_leads_is_not(stage: Stage, large: EcgRecord) -> None:
    assert asyncio.run(stage.run(lambda _: threading.current_thread().name, large)) == "stage_0"


def test_a_long_recording_leaves_the_event_loop_free(stage: Stage) -> None:
    async def both() -> str:
        let_go = threading.Event()

        def work(record: EcgRecord) -> str:
            assert let_go.wait(60)
            return f"{threading.current_thread().name} {record.duration_s:g}"

        working = asyncio.ensure_future(stage.run(work, recording(SHORT_S + 1)))
        await asyncio.sleep(0)  # the loop turns while the work waits
        let_go.set()
        return await working

    assert asyncio.run(both()) == f"stage_0 {SHORT_S + 1:g}"


def test_what_else_the_loop_has_to_do_waits_for_one_recording_only() -> None:
    stage = Stage("stage", in_turn=True)
    done = []

    async def health() -> None:
        done.append("health")

    async def all_at_once() -> None:
        recordings = [asyncio.ensure_future(stage.run(lambda _: done.append("work"), recording(1))) for _ in range(5)]
        await asyncio.sleep(0)  # all have come
        await asyncio.gather(*recordings, asyncio.ensure_future(health()))

    asyncio.run(all_at_once())
    assert done.index("health") <= 2
    assert len(done) == 6
