"""`ModelRunner`: one model behind a batching queue; bound once for each card."""

import asyncio
import logging
import os
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from ray.serve.handle import DeploymentHandle
from ray.serve.metrics import Gauge, Histogram

from deployments.serve.batching import Batcher, Segments
from deployments.serve.priority import give_way
from deployments.serve.stage_metrics import StageClock
from ecg.errors import EcgError, MalformedInput, ModelNotReady
from ecg.models.cards import card_at
from ecg.models.contract import EngineOptions, LoadedModel, ModelResult
from ecg.models.result import infer

logger = logging.getLogger("ray.serve")


class _Replaced(Exception):
    """Ends the thread of a load whose configuration has been replaced meanwhile."""


@dataclass(frozen=True)
class ModelConfig(EngineOptions):
    """`user_config` of a model deployment: what a running replica can change without a restart."""

    weights: str = "auto"
    max_batch_segments: int = 16


@dataclass(frozen=True)
class ModelState:
    """How far a model is: the weights in use, progress of what is being done, and why it failed."""

    state: Literal["waiting", "loading", "ready", "failed"]
    weights: str | None = None
    trained: bool | None = None
    backend: str | None = None
    precision: str | None = None
    step: str | None = None
    done_bytes: int | None = None
    total_bytes: int | None = None
    detail: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, with a `progress` part while something is going on."""
        wire = asdict(self)
        progress = {name: wire.pop(name) for name in ("step", "done_bytes", "total_bytes")}
        return wire | {"progress": progress if self.step else None}


class ModelRunner:
    """Loads one model and runs it on batches of recordings, off the event loop.

    A replica whose weights are on this machine loads them before it takes requests. One that has to download answers
    `state` meanwhile and refuses `infer` with `ModelNotReady`. `after` is the deployment whose first load goes before
    this one's: on a new machine the clinical model gets the network and the processor to itself. `card` is the
    reference of the model's card (`ecg.models.cards.card_at`).
    """

    def __init__(self, card: str, after: DeploymentHandle | None = None) -> None:
        self._card = card_at(card)
        self._after = after
        self._name = self._card.name
        #: What is loaded or being loaded; None after a failure, so that the same configuration is tried again.
        self._wanted: ModelConfig | None = None
        self._model: LoadedModel | None = None
        self._state = ModelState("waiting")
        self._loading: asyncio.Task[None] | None = None
        self._batcher = Batcher(self._forward, ModelConfig.max_batch_segments)
        self._clock = StageClock()
        self._batch_segments = Histogram(
            "ecg_batch_segments",
            description="Segments that waited together for one batch",
            boundaries=[1, 2, 4, 8, 16, 32, 64],
            tag_keys=("model",),
        )
        self._ready_gauge = Gauge("ecg_model_ready", description="1 when the model answers", tag_keys=("model",))
        self._ready_gauge.set(0, tags={"model": self._name})

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take a new configuration; other weights are loaded beside the present ones and then swapped in at once."""
        config, wanted = ModelConfig(**user_config), self._wanted
        self._batcher.max_segments = config.max_batch_segments
        if wanted is not None and replace(wanted, max_batch_segments=config.max_batch_segments) == config:
            return
        self._wanted = config
        if self._loading is not None:
            self._loading.cancel()  # its thread goes on until it next tells its progress
        self._loading = asyncio.create_task(self._load(config))
        if not await self._must_wait(config):
            await self._loading

    async def state(self) -> ModelState:
        """How far the model is."""
        return self._state

    async def infer(self, segments: Segments) -> ModelResult:
        """The model's result for one recording, from its segments float32 [segment, lead, sample]."""
        if self._model is None:
            raise ModelNotReady(self._state.detail or "the model is still loading.", self._name)
        shape = self._card.preparation.sample_shape
        if segments.ndim != 3 or segments.shape[0] == 0 or segments.shape[1:] != shape:
            raise MalformedInput("Not segments.", "segments", ["n", *shape], list(segments.shape))
        return await self._batcher.submit(segments)

    def _forward(self, recordings: list[Segments]) -> list[ModelResult]:
        if self._model is None:
            raise ModelNotReady("the model is still loading.", self._name)
        self._batch_segments.observe(sum(map(len, recordings)), tags={"model": self._name})
        with self._clock.time(f"{self._name}_forward"):
            return infer(self._model, recordings, self._batcher.max_segments, self._card.labels)

    async def _must_wait(self, config: ModelConfig) -> bool:
        """Whether loading takes so long that the replica should answer `state` meanwhile."""
        return await self._queued_behind() or await asyncio.to_thread(self._card.needs_download, config.weights)

    async def _queued_behind(self) -> bool:
        if self._after is None:
            return False
        try:
            first: ModelState = await asyncio.wait_for(self._after.state.remote(), timeout=1.0)
        except TimeoutError:
            return True
        return first.state in ("waiting", "loading")

    async def _load(self, config: ModelConfig) -> None:
        while await self._queued_behind():
            await asyncio.sleep(0.2)
        self._say(ModelState("loading", step="looking for the weights"))
        try:
            model = await asyncio.to_thread(self._load_model, config)
        except EcgError as error:
            self._failed(error.message)
            return
        except Exception as error:
            logger.exception("loading the %s model failed", self._name)
            self._failed(f"{type(error).__name__} while loading; the log has the details")
            return
        self._model = model
        identity = model.identity
        self._state = ModelState(
            "ready", identity.weights, identity.trained, identity.backend, identity.precision, detail=model.note
        )
        self._ready_gauge.set(1, tags={"model": self._name})

    def _load_model(self, config: ModelConfig) -> LoadedModel:
        give_way()  # the engine's own threads begin here

        def progress(step: str, done: int, total: int | None) -> None:
            if config is not self._wanted:
                raise _Replaced
            self._say(ModelState("loading", step=step, done_bytes=done, total_bytes=total))

        weights = self._card.resolve(config.weights, progress)
        progress("compiling", 0, None)
        # Both models run at once: with every processor for each of them, they wait for one another's threads.
        threads = config.threads or max(1, (os.cpu_count() or 1) // 2)
        model = self._card.load(weights, EngineOptions(config.backend, config.precision, threads))
        model(np.zeros((1, *self._card.preparation.sample_shape), np.float32))  # the first pass allocates and compiles
        return model

    def _failed(self, detail: str) -> None:
        """A replica with an older model goes on with it; one without says why it cannot answer."""
        self._say(ModelState("failed", detail=detail))
        self._wanted = None

    def _say(self, state: ModelState) -> None:
        if self._model is None:
            self._state = state
        else:
            told = state.detail or state.step
            self._state = replace(self._state, detail=f"other weights: {state.state}, {told}")
