"""The two models called in a row by one process on all processors: what a service is held against."""

import time

from ecg.models import Model, load_model
from ecg.models.ecgfm.preparation import prepare
from ecg.models.result import infer
from ecg.record import EcgRecord


class BareEngine:
    """Both models on one recording's segments, `batch` recordings to a pass."""

    def __init__(self, weights: str, precision: str, record: EcgRecord, batch: int = 8) -> None:
        self.models: list[Model] = [
            load_model(weights, precision=precision, kind=kind)  # type: ignore[arg-type]
            for kind in ("finetuned", "pretrained")
        ]
        self._segments = prepare(record)
        self._batch = batch
        self.latency_s()

    def per_s(self, seconds: float) -> float:
        """Recordings a second."""
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            for model in self.models:
                infer(model, [self._segments] * self._batch)
            done += self._batch
        return done / (time.perf_counter() - start)

    def latency_s(self) -> float:
        """Seconds for one recording through both models."""
        start = time.perf_counter()
        for model in self.models:
            infer(model, [self._segments])
        return time.perf_counter() - start
