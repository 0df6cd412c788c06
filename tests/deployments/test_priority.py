"""A model's passes give way to the rest of the service, and nothing else does."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from deployments.cohort.stages import ModelStage
from deployments.serve.batching import Batcher
from deployments.serve.priority import give_way
from ecg.models import resolve_weights
from tests.deployments.niceness import needs_niceness, new_threads, of_this_thread

pytestmark = needs_niceness


def test_the_thread_and_those_it_starts_give_way_and_no_other():
    def inside() -> list[int]:
        before = of_this_thread()
        give_way()
        with ThreadPoolExecutor(1) as further:
            return [before, of_this_thread(), further.submit(of_this_thread).result()]

    before = of_this_thread()
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(inside).result() == [before, 5, 5]
    assert of_this_thread() == before


def test_a_thread_that_gives_way_more_goes_on_so():
    def inside() -> int:
        os.setpriority(os.PRIO_PROCESS, 0, 19)
        give_way()
        return of_this_thread()

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(inside).result() == 19


def test_where_the_system_forbids_it_nothing_changes(monkeypatch: pytest.MonkeyPatch):
    def forbid(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbid)
    before = of_this_thread()
    give_way()
    assert of_this_thread() == before


def test_passes_of_a_replica_give_way_and_its_event_loop_does_not():
    seen: list[int] = []

    def forward(recordings: list[np.ndarray]) -> list[object]:
        seen.append(of_this_thread())
        return [None for _ in recordings]

    before = of_this_thread()
    asyncio.run(Batcher(forward, 8).submit(np.zeros((1, 12, 2500), np.float32)))
    assert seen == [5]
    assert of_this_thread() == before


def test_passes_of_a_cohort_job_give_way():
    weights = resolve_weights("stand-in", "finetuned")
    before = of_this_thread()
    with new_threads() as begun:
        stage = ModelStage("clinical", "stand-in", weights.identifier, 1, 16)
    assert 5 in begun, stage
    assert of_this_thread() == before
