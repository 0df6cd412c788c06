"""Where the work of a stage on one recording is done: in the replica's event loop, or beside it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from ecg.record import EcgRecord

T = TypeVar("T")
#: Up to this length the work holds up the event loop, and with it the health checks, for some tens of milliseconds.
SHORT_S = 30.0


async def aside(thread: Executor, work: Callable[[EcgRecord], T], record: EcgRecord) -> T:
    """`work(record)`, in `thread` for a long recording only: for a short one handing Python's lock to and fro between
    a thread and the event loop costs more than the loop's waiting (docs/decisions/0030)."""
    if record.duration_s <= SHORT_S:
        return work(record)
    return await asyncio.get_running_loop().run_in_executor(thread, work, record)
