"""`Preprocess`: recording to ECG-FM segments."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from deployments.serve.offload import aside
from deployments.serve.stage_metrics import StageClock
from ecg.models.ecgfm.preparation import prepare
from ecg.record import EcgRecord


class Preprocess:
    """Resampling, standardisation and segmentation."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prepare")
        self._clock = StageClock()

    async def prepare(self, record: EcgRecord) -> NDArray[np.float32]:
        """Segments float32 [segment, 12, 2500]; see `ecg.prepare`."""
        with self._clock.time("prepare"):
            return await aside(self._thread, prepare, record)
