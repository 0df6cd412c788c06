"""`Graph`: the deployments as the stages of `ecg.pipeline`, for whoever has a recording and wants its report."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import grpc
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from deployments.serve.admission import Room
from deployments.serve.model import ModelState
from deployments.serve.model_watch import ModelWatch
from deployments.serve.preprocess import Preprocess
from ecg.errors import EcgError, ModelNotReady, Overloaded, UnusableRecording
from ecg.models.ecgfm.preparation import check_preparable
from ecg.models.result import ModelResult
from ecg.pipeline import ALL, Stages, compose
from ecg.record import EcgRecord
from ecg.report import Report

#: A replica that died or cannot be reached; over gRPC some of it arrives as gRPC's own error.
_REPLICA_LOST = (RayActorError, grpc.RpcError)
WITHOUT_MODELS = frozenset({"measurements", "quality"})


@dataclass(frozen=True)
class Handles:
    """The working deployments; without `preprocess`, segments are made where the graph is called."""

    preprocess: DeploymentHandle | None
    clinical: DeploymentHandle
    features: DeploymentHandle
    measure: DeploymentHandle


class Graph:
    """The working deployments as stages, and what is known of the two models among them."""

    def __init__(self, handles: Handles, most_with_models: int | None = None) -> None:
        #: For recordings that a model is asked about: the next one waits for all that are in here.
        self._room = Room(most_with_models, "The models are at their limit; try again shortly.")
        self.models = {"clinical": ModelWatch(handles.clinical), "features": ModelWatch(handles.features)}
        self._stages = Stages(
            examine=handles.measure.examine.remote,
            prepare=handles.preprocess.prepare.remote if handles.preprocess else _prepare_here(),
            clinical=_inference("clinical", handles.clinical, self.models["clinical"]),
            features=_inference("features", handles.features, self.models["features"]),
        )

    async def report(self, record: EcgRecord, include: frozenset[str] = ALL) -> Report:
        """The `Report` of a recording; every refusal of a deployment arrives as an `EcgError`."""
        try:
            with nullcontext() if include <= WITHOUT_MODELS else self._room.place():
                try:
                    return await compose(record, self._stages, include)
                except _REPLICA_LOST:  # the stages are pure: another replica may answer the same
                    return await compose(record, self._stages, include)
        except Exception as error:
            refusal = as_ecg_error(error)
            if refusal is None or refusal is error:
                raise
            raise refusal from None

    async def require(self, include: frozenset[str]) -> None:
        """Raise `ModelNotReady` when a model without which no report of `include` is given cannot answer yet."""
        part = "clinical" if "clinical" in include else "features"
        if part in include:
            check_ready(part, await self.models[part].ready_or_state())

    async def document(self, record: EcgRecord) -> bytes:
        """The report as JSON, for a recording that came without a caller to ask: the models answer when they can.

        A recording that no model takes (leads missing, too short) is measured, and a warning says why.
        """
        include = ALL
        try:
            check_preparable(record)
        except UnusableRecording as error:
            include = WITHOUT_MODELS
            record = replace(record, notes=(*record.notes, f"No model output: {error.message}"))
        return (await self.report(record, include)).to_json()


def _prepare_here() -> Callable[[EcgRecord], Any]:
    """Preparation in this process, as a future, which both models can wait for."""
    preprocess = Preprocess()
    return lambda record: asyncio.ensure_future(preprocess.prepare(record))


def _inference(part: str, handle: DeploymentHandle, watch: ModelWatch) -> Callable[[Any], Awaitable[ModelResult]]:
    async def infer(segments: Any) -> ModelResult:
        check_ready(part, await watch.ready_or_state())
        made_here = isinstance(segments, asyncio.Future)
        result: ModelResult = await handle.infer.remote(await segments if made_here else segments)
        return result

    return infer


def check_ready(part: str, state: ModelState) -> None:
    """Raise `ModelNotReady` for a model that cannot answer yet."""
    if state.state != "ready":
        raise ModelNotReady(state.detail or f"The {part} model is still loading.", part, "ready", state.state)


def as_ecg_error(error: BaseException) -> EcgError | None:
    """The `EcgError` behind an exception, also one that crossed processes; None for a fault of ours."""
    if isinstance(error, RayTaskError) and isinstance(error.cause, BaseException):
        error = error.cause  # the wrapper's own text holds paths, addresses and source lines
    if isinstance(error, BackPressureError):
        return Overloaded("The service is at its limit; try again shortly.")
    if isinstance(error, (DeploymentUnavailableError, *_REPLICA_LOST)):
        return Overloaded("A part of the service is being restarted; try again shortly.", retry_after_s=5.0)
    return error if isinstance(error, EcgError) else None
