"""`ModelMetrics`: what a model replica reports of its model and its batches."""

from ray.serve.metrics import Counter, Gauge, Histogram

from deployments.serve.model_state import ModelState
from deployments.serve.stage_metrics import LATENCY_BUCKETS_MS


class ModelMetrics:
    """What a replica reports of its model, set again at every interval, because Ray forgets what is not."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._batch_segments = Histogram(
            "ecg_batch_segments",
            description="Segments that waited together for one batch",
            boundaries=[1, 2, 4, 8, 16, 32, 64],
            tag_keys=("model",),
        )
        self._batch_fill = Histogram(
            "ecg_batch_fill_ratio",
            description="Segments of a batch over the most that it may have",
            boundaries=[0.125, 0.25, 0.5, 0.75, 1.0],
            tag_keys=("model",),
        )
        self._queue_wait = Histogram(
            "ecg_queue_wait_ms",
            description="Time a recording waits in the replica for its pass, in milliseconds",
            boundaries=LATENCY_BUCKETS_MS,
            tag_keys=("model",),
        )
        self._abandoned = Counter(
            "ecg_abandoned_recordings",
            description="Recordings whose caller had gone before their pass",
            tag_keys=("model",),
        )
        self._drift = Gauge(
            "ecg_embedding_drift",
            description="Distance of the embeddings of late from the baseline, in its standard deviations",
            tag_keys=("model",),
        )
        self._ready = Gauge("ecg_model_ready", description="1 when the model answers", tag_keys=("model",))
        self._change_failed = Gauge(
            "ecg_model_change_failed",
            description="1 while weights that were deployed do not load and the older ones answer",
            tag_keys=("model",),
        )
        self._info = Gauge(
            "ecg_model_info",
            description="1, with what is loaded",
            tag_keys=("model", "weights", "trained", "backend", "precision"),
        )

    def say(self, state: ModelState) -> None:
        """Set the gauges."""
        self._ready.set(int(state.state == "ready"), tags={"model": self._model})
        self._change_failed.set(int(state.change == "failed"), tags={"model": self._model})
        if state.state == "ready":
            told = {name: str(getattr(state, name)) for name in ("weights", "trained", "backend", "precision")}
            self._info.set(1, tags={"model": self._model} | told)

    def batch(self, segments: int, most: int) -> None:
        """Count a batch."""
        self._batch_segments.observe(segments, tags={"model": self._model})
        self._batch_fill.observe(segments / most, tags={"model": self._model})

    def drift(self, distance: float | None) -> None:
        """Set the distance from the baseline, where it is known."""
        if distance is not None:
            self._drift.set(distance, tags={"model": self._model})

    def waited(self, seconds: float) -> None:
        """Count how long a recording waited."""
        self._queue_wait.observe(seconds * 1000, tags={"model": self._model})

    def abandoned(self) -> None:
        """Count a recording whose caller has gone."""
        self._abandoned.inc(tags={"model": self._model})
