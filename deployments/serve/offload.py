"""Run a stage on a short recording in the replica's event loop, and on a long one in a thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from ecg.record import EcgRecord

T = TypeVar("T")
#: Thirty seconds of twelve leads at 1,000 Hz: the work holds up the event loop, and with it the health checks, for some
#: tens of milliseconds. So many seconds of 64 leads at 4,000 Hz would hold it up for half a second each.
SHORT_S, SHORT_LEAD_S, SHORT_VALUES = 30.0, 360.0, 360_000


async def run_inline_or_thread(thread: Executor, work: Callable[[EcgRecord], T], record: EcgRecord) -> T:
    """`work(record)`, in `thread` for a long or large recording only.

    For a short one, passing Python's lock between a thread and the event loop costs more than the loop's waiting
    (docs/decisions/0030).
    """
    lead_s = len(record.leads) * record.duration_s
    if record.duration_s <= SHORT_S and lead_s <= SHORT_LEAD_S and record.signal.size <= SHORT_VALUES:
        return work(record)
    return await asyncio.get_running_loop().run_in_executor(thread, work, record)
