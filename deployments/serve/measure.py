"""`Measure`: intervals, quality and rule findings."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from deployments.serve.offload import run_inline_or_thread
from deployments.serve.stage_metrics import StageClock
from ecg.pipeline import Examination, examine
from ecg.record import EcgRecord


class Measure:
    """Everything that needs no model, one recording at a time: several at once would only pass Python's lock around."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="examine")
        self._clock = StageClock()

    async def examine(self, record: EcgRecord, findings: bool, features: bool = False) -> Examination:
        """What `ecg.pipeline.examine` returns."""
        with self._clock.time("measure"):
            return await run_inline_or_thread(
                self._thread, partial(examine, findings=findings, features=features), record
            )
