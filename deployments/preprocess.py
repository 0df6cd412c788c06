"""`Preprocess`: recording to ECG-FM segments."""

import asyncio

import numpy as np
from numpy.typing import NDArray

from deployments.stage_metrics import StageClock
from ecg.prepare import prepare
from ecg.record import EcgRecord


class Preprocess:
    """Resampling, standardisation and segmentation, in a thread: a long recording must not hold up health checks."""

    def __init__(self) -> None:
        self._clock = StageClock()

    async def prepare(self, record: EcgRecord) -> NDArray[np.float32]:
        """Segments float32 [segment, 12, 2500]; see `ecg.prepare`."""
        with self._clock.time("prepare"):
            return await asyncio.to_thread(prepare, record)
