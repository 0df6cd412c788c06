"""`ModelRunner`: one model behind a batching queue; bound once for each card."""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.serve.batching import Batcher, Segments
from deployments.serve.drift import Baseline, Drift
from deployments.serve.model_metrics import ModelMetrics
from deployments.serve.model_state import ModelConfig, ModelState
from deployments.serve.priority import give_way
from deployments.serve.stage_metrics import StageClock
from ecg.errors import EcgError, MalformedInput, ModelError, ModelNotReady
from ecg.models.calibration import Calibration
from ecg.models.cards import card_at
from ecg.models.contract import Array, EngineOptions, LoadedModel, ModelIdentity, ModelOutput, ModelResult
from ecg.models.result import infer

#: A pass of the largest batch takes some ten seconds on a slow processor; one that takes so long never ends.
STUCK_S = 60.0
#: So many batches in a row that fail altogether are no poisoned recordings: the engine is broken, or its GPU is gone.
FAILED_BATCHES = 3
FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 300.0
#: How long the first load of another model goes before this one's, at most.
_LONGEST_QUEUE_S = 1800.0
#: Ray forgets a gauge that is not set again within some 25 seconds.
_SAY_EVERY_S = 5.0
logger = logging.getLogger("ray.serve")


class _Replaced(Exception):
    """Ends the thread of a load whose configuration has been replaced meanwhile."""


class WatchedModel:
    """A model that says since when it has been in a forward pass."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        #: By `time.monotonic`; None between two passes.
        self.pass_began: float | None = None

    @property
    def identity(self) -> ModelIdentity:
        """That of the model."""
        return self._model.identity

    @property
    def note(self) -> str | None:
        """That of the model."""
        return self._model.note

    @property
    def calibration(self) -> Calibration | None:
        """That of the model, which one of another package need not have."""
        return getattr(self._model, "calibration", None)

    def __call__(self, segments: Array) -> ModelOutput:
        """What the model says of the segments."""
        self.pass_began = time.monotonic()
        try:
            return self._model(segments)
        finally:
            self.pass_began = None


class ModelRunner:
    """Loads one model and runs it on batches of recordings, off the event loop.

    A replica whose weights are on this machine loads them before it takes requests. One that has to download answers
    `state` meanwhile and refuses `infer` with `ModelNotReady`. A load that fails is tried again, later each time.

    Parameters
    ----------
    card
        Reference of the model's card (`ecg.models.cards.card_at`).
    settings
        Fields of `ModelConfig` that hold as long as `user_config` does not name them.
    after
        The deployment whose first load goes before this one's: on a new machine the clinical model gets the network
        and the processor to itself.
    """

    def __init__(
        self, card: str, settings: Mapping[str, Any] | None = None, after: DeploymentHandle | None = None
    ) -> None:
        self._card = card_at(card)
        self._settings = dict(settings or {})
        self._after = after
        self._name = self._card.name
        #: What is being loaded, was loaded last, or failed to load.
        self._wanted: ModelConfig | None = None
        #: What the model that answers was loaded with.
        self._loaded: ModelConfig | None = None
        self._model: WatchedModel | None = None
        self._state = ModelState("waiting")
        self._failure: str | None = None
        self._loading: asyncio.Task[None] | None = None
        self._saying: asyncio.Task[None] | None = None
        self._metrics = ModelMetrics(self._name)
        self._batcher = Batcher(self._forward, ModelConfig.max_batch_segments, self._metrics)
        self._clock = StageClock()
        self._drift: Drift | None = None
        self._metrics.say(self._state)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take a new configuration: the settings, with `user_config` over them.

        While an older model answers this returns at once, because Serve sends a replica no requests until it has
        returned; the new weights are loaded beside the old ones, make a first pass, and are then swapped in. If they
        do not load, the old ones go on answering, `state` says so, and loading is tried again.

        Raises `ModelError` when the model must load and does not, and there is no older one.
        """
        config, wanted = ModelConfig(**self._settings | user_config), self._wanted
        self._batcher.max_segments = config.max_batch_segments
        self._drift = await asyncio.to_thread(_drift_from, config.baseline)
        if self._saying is None:
            self._saying = asyncio.create_task(self._keep_saying())
        if wanted is not None and config.loads_as(wanted) and self._failure is None:
            return
        self._wanted = config
        if self._loading is not None:
            self._loading.cancel()  # its thread goes on until it next tells its progress
        if self._loaded is not None and config.loads_as(self._loaded):
            self._failure = None
            self._is_ready()
            return
        attempted = asyncio.Event()
        self._loading = asyncio.create_task(self._load(config, attempted))
        if self._model is not None:
            self._say(config, ModelState("loading", step="waiting for its turn"))
            return
        if config.must_load or not await self._must_wait(config):
            await attempted.wait()
        if config.must_load and self._model is None:
            self._loading.cancel()
            raise ModelError(f"The {self._name} model cannot be loaded: {self._failure}", "weights")

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
        result = await self._batcher.submit(segments)
        if self._drift is not None and result.identity.weights == self._drift.weights:
            self._drift.add(result.embedding)
        return result

    def check_health(self) -> None:
        """Raise when Serve should replace this replica: its engine hangs or fails, or nothing loads the model."""
        began = self._model.pass_began if self._model is not None else None
        if began is not None and time.monotonic() - began > STUCK_S:
            raise RuntimeError(f"a forward pass has not ended within {STUCK_S:g} s")
        if self._batcher.failed_in_a_row >= FAILED_BATCHES:
            raise RuntimeError(f"{self._batcher.failed_in_a_row} batches in a row have failed")
        if self._model is None and self._loading is not None and self._loading.done():
            raise RuntimeError(f"the model is not loaded, and nothing loads it: {self._failure}")

    def _forward(self, recordings: list[Segments]) -> list[ModelResult]:
        if self._model is None:
            raise ModelNotReady("the model is still loading.", self._name)
        with self._clock.time(f"{self._name}_forward"):
            return infer(self._model, recordings, self._batcher.max_segments, self._card.labels)

    async def _keep_saying(self) -> None:
        while True:
            self._metrics.say(self._state)
            if self._drift is not None:
                self._metrics.drift(self._drift.distance())
            await asyncio.sleep(_SAY_EVERY_S)

    async def _must_wait(self, config: ModelConfig) -> bool:
        """Whether loading takes so long that the replica should answer `state` meanwhile."""
        return await self._queued_behind() or await asyncio.to_thread(self._card.needs_download, config.weights)

    async def _queued_behind(self) -> bool:
        """Whether the model that goes first is still loading; a deployment that does not answer may be."""
        if self._after is None:
            return False
        try:
            async with asyncio.timeout(1.0):
                first: ModelState = await self._after.state.remote()
        except (TimeoutError, RayError, RayServeException):
            return True
        return first.state in ("waiting", "loading")

    async def _load(self, config: ModelConfig, attempted: asyncio.Event) -> None:
        """Load until it succeeds; `attempted` is set after the first attempt."""
        try:
            clock = asyncio.get_running_loop().time
            queued_until = clock() + _LONGEST_QUEUE_S
            while not config.must_load and clock() < queued_until and await self._queued_behind():
                await asyncio.sleep(0.2)
            delay_s = FIRST_RETRY_S
            while not await self._attempt(config):
                attempted.set()
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, LONGEST_RETRY_S)
        finally:
            attempted.set()

    async def _attempt(self, config: ModelConfig) -> bool:
        """Whether the model could be loaded; if not, the state says why, and an older model goes on answering."""
        self._say(config, ModelState("loading", step="looking for the weights"))
        try:
            model = await asyncio.to_thread(self._load_model, config)
        except EcgError as error:
            self._failure = error.message
        except Exception as error:
            logger.exception("loading the %s model failed", self._name)
            self._failure = f"{type(error).__name__} while loading; the log has the details"
        else:
            self._model, self._loaded, self._failure = WatchedModel(model), config, None
            self._is_ready()
            return True
        self._say(config, ModelState("failed", detail=self._failure))
        return False

    def _is_ready(self) -> None:
        """Set the state to that of the model that answers."""
        if self._model is not None:
            identity = self._model.identity
            named = (identity.weights, identity.trained, identity.backend, identity.precision)
            self._state = ModelState("ready", *named, detail=self._model.note)
            self._metrics.say(self._state)

    def _load_model(self, config: ModelConfig) -> LoadedModel:
        give_way()  # the engine's own threads begin here

        def progress(step: str, done: int, total: int | None) -> None:
            if config is not self._wanted:
                raise _Replaced
            self._say(config, ModelState("loading", step=step, done_bytes=done, total_bytes=total))

        weights = self._card.resolve(config.weights, progress)
        progress("compiling", 0, None)
        # Both models run at once: with every processor for each of them, they wait for one another's threads.
        threads = config.threads or max(1, (os.cpu_count() or 1) // 2)
        model = self._card.load(weights, EngineOptions(config.backend, config.precision, threads))
        # The first pass allocates and compiles, and is made before anybody waits for it.
        check_output(model(np.zeros((1, *self._card.preparation.sample_shape), np.float32)))
        return model

    def _say(self, config: ModelConfig, state: ModelState) -> None:
        """Set the state, unless another configuration has come meanwhile: its thread cannot be stopped."""
        if config is not self._wanted:
            return
        if self._model is None:
            self._state = state
        else:
            change: Literal["loading", "failed"] = "failed" if state.state == "failed" else "loading"
            told = f"other weights: {change}, {state.detail or state.step}"
            self._state = replace(self._state, detail=told, change=change)
            self._metrics.say(self._state)


def _drift_from(baseline: str | None) -> Drift | None:
    """None without a baseline, or with one that cannot be read, for which no model is kept from answering."""
    if baseline is None:
        return None
    try:
        return Drift(Baseline.read(Path(baseline)))
    except MalformedInput as error:
        logger.error("%s (%s)", error, baseline)
        return None


def check_output(output: ModelOutput) -> None:
    """Raise `ModelError` for a model whose output holds a value that is no number."""
    for name, values in (("logits", output.logits), ("embedding", output.embedding)):
        if values is not None and not np.isfinite(values).all():
            raise ModelError(f"the {name} of the first pass are not finite.", "weights")
