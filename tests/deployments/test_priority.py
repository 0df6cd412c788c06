"""A model's passes give way to everything else on the machine."""

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from deployments.batching import Batcher
from deployments.priority import go_last
from serve_app.environment import ray_environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux only")


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_the_thread_and_those_it_starts_go_last_and_no_other():
    def inside() -> list[int]:
        before = niceness()
        go_last()
        with ThreadPoolExecutor(1) as further:
            return [before, niceness(), further.submit(niceness).result()]

    before = niceness()
    with ThreadPoolExecutor(1) as thread:
        first, after, inherited = thread.submit(inside).result()
        assert first == before
        assert after == inherited == max(15, before)
    assert niceness() == before


def test_a_thread_that_is_last_already_may_say_so_again():
    def inside() -> int:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        go_last()
        return niceness()

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(inside).result() == 19


def test_passes_go_last_and_what_else_a_replica_does_does_not():
    seen: list[int] = []

    def forward(recordings: list[np.ndarray]) -> list[object]:
        seen.append(niceness())
        return [None for _ in recordings]

    before = niceness()
    asyncio.run(Batcher(forward, 8).submit(np.zeros((1, 12, 2500), np.float32)))
    assert seen == [max(15, before)]
    assert niceness() == before
    assert ray_environment()["RAY_worker_niceness"] == "0"  # else Ray makes every replica as nice as these
