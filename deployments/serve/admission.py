"""`AdmissionLimit`: a bound on how much is in progress at a time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ray.serve.metrics import Counter, Histogram

from deployments.serve.stage_metrics import LATENCY_BUCKETS_MS
from ecg.errors import Overloaded


class AdmissionLimit:
    """At most `limit` entries at a time, any number when that is None; one more is refused with the words `refusal`.

    `name` is the limit's in the metrics: how long entries last, and how many were refused.
    """

    def __init__(self, limit: int | None, refusal: str, name: str) -> None:
        self._limit = limit
        self._refusal = refusal
        self._in_progress = 0
        self._tags = {"limit": name}
        self._held = Histogram(
            "ecg_admitted_ms",
            description="Time between admission and end, in milliseconds",
            boundaries=LATENCY_BUCKETS_MS,
            tag_keys=("limit",),
        )
        self._refused = Counter(
            "ecg_admission_refusals", description="Refused because a limit was reached", tag_keys=("limit",)
        )

    @contextmanager
    def place(self) -> Iterator[None]:
        """An entry for as long as the body runs. Raises `Overloaded` when the limit is reached."""
        if self._limit is not None and self._in_progress >= self._limit:
            self._refused.inc(tags=self._tags)
            raise Overloaded(self._refusal)
        self._in_progress += 1
        start = time.perf_counter()
        try:
            yield
        finally:
            self._in_progress -= 1
            self._held.observe((time.perf_counter() - start) * 1000, tags=self._tags)
