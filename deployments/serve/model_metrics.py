"""`ModelMetrics`: what a model replica reports of its model and its batches."""

from ray.serve.metrics import Gauge, Histogram

from deployments.serve.model_state import ModelState


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

    def batch(self, segments: int) -> None:
        """Count a batch."""
        self._batch_segments.observe(segments, tags={"model": self._model})
