"""`Graph`: the deployments working together on one recording."""

import asyncio
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from ray.serve.handle import DeploymentHandle

from deployments.serve.admission import Room
from deployments.serve.model import ModelState
from deployments.serve.model_watch import ModelWatch
from deployments.serve.preprocess import Preprocess
from deployments.serve.ray_errors import as_ecg_error, is_replica_lost
from ecg.errors import ModelNotReady, UnusableRecording
from ecg.models.ecgfm.preparation import check_preparable
from ecg.models.result import ModelResult
from ecg.pipeline import ALL, MODEL_PARTS
from ecg.record import EcgRecord
from ecg.report import Report
from ecg.report.analysis import Outcome, assemble

WITHOUT_MODELS = frozenset({"measurements", "quality"})


@dataclass(frozen=True)
class Handles:
    """The working deployments; without `preprocess`, segments are made where the graph is called."""

    preprocess: DeploymentHandle | None
    clinical: DeploymentHandle
    features: DeploymentHandle
    measure: DeploymentHandle


class Graph:
    """The working deployments, and what is known of the models among them. The only place that waits for them."""

    def __init__(self, handles: Handles, most_with_models: int | None = None) -> None:
        #: For recordings that a model is asked about: the next one waits for all that are in here.
        self._room = Room(most_with_models, "The models are at their limit; try again shortly.")
        self._handles = handles
        self._models = {"clinical": handles.clinical, "features": handles.features}
        self._prepare_here = Preprocess() if handles.preprocess is None else None
        self.models = {name: ModelWatch(handle) for name, handle in self._models.items()}

    async def report(self, record: EcgRecord, include: frozenset[str] = ALL) -> Report:
        """The `Report` of a recording; every refusal of a deployment arrives as an `EcgError`.

        A model that is not asked for is not run, but every part needs the examination: the clinical part is not given
        for a recording of poor quality, and half of the features are measured. Raises `UnusableRecording` when a model
        was asked for and the recording cannot be prepared, and what `ecg.report.analysis.assemble` raises.
        """
        try:
            with nullcontext() if include <= WITHOUT_MODELS else self._room.place():
                try:
                    return await self._report(record, include)
                except Exception as error:
                    if not is_replica_lost(error):
                        raise
                    # The stages are pure: another replica may answer the same.
                    return await self._report(record, include)
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

    async def _report(self, record: EcgRecord, include: frozenset[str]) -> Report:
        start = time.perf_counter()
        wanted = [name for name in MODEL_PARTS if name in include]
        segments: Any = None
        if wanted:
            check_preparable(record)  # here, so that a refusal is this caller's own error and not another process's
            segments = self._prepared(record)
        examined, *answers = await asyncio.gather(
            self._handles.measure.examine.remote(record, "clinical" in include, "features" in include),
            *(self._infer(name, segments) for name in wanted),
            return_exceptions=True,
        )
        outcomes: dict[str, Outcome] = {}
        for name, answer in zip(wanted, answers, strict=True):
            if isinstance(answer, BaseException) and not isinstance(answer, ModelNotReady):
                raise answer
            outcomes[name] = answer
        if isinstance(examined, BaseException):
            raise examined
        return Report(assemble(record, include, examined, outcomes, time.perf_counter() - start))

    def _prepared(self, record: EcgRecord) -> Any:
        """Segments to come: a future of this process, or a deployment's response, which goes to the models as it is."""
        if self._prepare_here is not None:
            return asyncio.ensure_future(self._prepare_here.prepare(record))
        return self._handles.preprocess.prepare.remote(record)  # type: ignore[union-attr]

    async def _infer(self, name: str, segments: Any) -> ModelResult:
        check_ready(name, await self.models[name].ready_or_state())
        made_here = isinstance(segments, asyncio.Future)
        result: ModelResult = await self._models[name].infer.remote(await segments if made_here else segments)
        return result


def check_ready(part: str, state: ModelState) -> None:
    """Raise `ModelNotReady` for a model that cannot answer yet."""
    if state.state != "ready":
        raise ModelNotReady(state.detail or f"The {part} model is still loading.", part, "ready", state.state)
