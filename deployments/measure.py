"""`Measure`: intervals, quality and rule findings."""

import asyncio

from deployments.stage_metrics import StageClock
from ecg.pipeline import Examination, examine
from ecg.record import EcgRecord


class Measure:
    """Everything that needs no model, in a thread: a long recording must not hold up health checks."""

    def __init__(self) -> None:
        self._clock = StageClock()

    async def examine(self, record: EcgRecord) -> Examination:
        """Measurements, quality and findings; see `ecg.pipeline.examine`."""
        with self._clock.time("measure"):
            return await asyncio.to_thread(examine, record)
