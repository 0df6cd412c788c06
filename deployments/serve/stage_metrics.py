"""Metrics that every deployment reports the same way, on Ray's metrics port (prefix ``ray_``)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ray.serve.metrics import Histogram

LATENCY_BUCKETS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000]


class StageClock:
    """Records how long a stage takes, in ``ecg_stage_latency_ms`` by stage."""

    def __init__(self) -> None:
        self._latency = Histogram(
            "ecg_stage_latency_ms",
            description="Time a stage takes inside its deployment, in milliseconds",
            boundaries=LATENCY_BUCKETS_MS,
            tag_keys=("stage",),
        )

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Time the body, also when it raises."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._latency.observe((time.perf_counter() - start) * 1000, tags={"stage": stage})
