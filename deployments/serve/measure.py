"""`Measure`: intervals, quality and rule findings."""

from functools import partial

from deployments.serve.offload import Stage
from ecg.pipeline import Examination, examine
from ecg.record import EcgRecord


class Measure:
    """Everything that needs no model, one recording at a time: several at once would only pass Python's lock around."""

    def __init__(self) -> None:
        self._stage = Stage("measure", in_turn=True)

    async def examine(self, record: EcgRecord, findings: bool, features: bool = False) -> Examination:
        """What `ecg.pipeline.examine` returns."""
        return await self._stage.run(partial(examine, findings=findings, features=features), record)
