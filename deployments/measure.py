"""`Measure`: intervals, quality and rule findings."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from deployments.stage_metrics import StageClock
from ecg.pipeline import Examination, examine
from ecg.record import EcgRecord


class Measure:
    """Everything that needs no model, in one thread: not in the event loop, which must answer health checks, and not in
    several, which would pass Python's lock to and fro and each take twice as long."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="examine")
        self._clock = StageClock()

    async def examine(self, record: EcgRecord, findings: bool) -> Examination:
        """Measurements, quality and, if wanted, findings; see `ecg.pipeline.examine`."""
        with self._clock.time("measure"):
            return await asyncio.get_running_loop().run_in_executor(self._thread, examine, record, findings)
