"""`Stage`: run the work of a stage on a short recording in the replica's event loop, and on a long one in a thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import TypeVar

from deployments.serve.stage_metrics import StageClock
from ecg.record import EcgRecord

T = TypeVar("T")
#: Thirty seconds of twelve leads at 1,000 Hz: the work holds up the event loop, and with it the health checks, for some
#: tens of milliseconds. So many seconds of 64 leads at 4,000 Hz would hold it up for half a second each.
SHORT_S, SHORT_LEAD_S, SHORT_VALUES = 30.0, 360.0, 360_000


class Stage:
    """Where a stage works, and for how long: its times are in ``ecg_stage_latency_ms`` under its name.

    With `in_turn` the event loop turns before each recording, so that whatever else it has to do (a question for the
    health of the process) waits for one recording and not for all that have come.
    """

    def __init__(self, name: str, in_turn: bool = False) -> None:
        self._name = name
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._turn = asyncio.Lock() if in_turn else None
        self._clock = StageClock()

    async def run(self, work: Callable[[EcgRecord], T], record: EcgRecord) -> T:
        """`work(record)`, in a thread for a long or large recording only.

        For a short one, passing Python's lock between a thread and the event loop costs more than the loop's waiting
        (docs/decisions/0030).
        """
        lead_s = len(record.leads) * record.duration_s
        if record.duration_s <= SHORT_S and lead_s <= SHORT_LEAD_S and record.signal.size <= SHORT_VALUES:
            async with self._turn or nullcontext():
                if self._turn is not None:
                    await asyncio.sleep(0)
                with self._clock.time(self._name):
                    return work(record)
        with self._clock.time(self._name):
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, record)
