"""`Graph`: the deployments working together on one recording."""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from ray.serve.handle import DeploymentHandle

from deployments.serve.admission import AdmissionLimit
from deployments.serve.graph_metrics import GraphMetrics
from deployments.serve.measure import Measure
from deployments.serve.model_state import ModelState
from deployments.serve.model_watch import ModelWatch
from deployments.serve.preprocess import Preprocess
from deployments.serve.ray_errors import as_ecg_error, is_queue_full, is_replica_lost
from ecg.errors import EcgError, ModelError, ModelNotReady, UnusableRecording
from ecg.models.cards import cards_at
from ecg.models.contract import ModelResult
from ecg.pipeline import WITHOUT_MODELS, Examination
from ecg.record import EcgRecord
from ecg.report import Report
from ecg.report.analysis import assemble, check_takable, may_be_absent, wanted

#: How long an answer waits for a model that it can be given without.
ABSENT_AFTER_S = 30.0
logger = logging.getLogger("ray.serve")


@dataclass(frozen=True)
class Handles:
    """The working deployments.

    `models` are by reference of their card (`ecg.models.cards.card_at`), in the order of the answer. What has no
    deployment of its own (`preprocess`, `measure`) is done where the graph is called.
    """

    preprocess: DeploymentHandle | None
    models: Mapping[str, DeploymentHandle]
    measure: DeploymentHandle | None
    #: Not asked anything; named here so that it is deployed with the others.
    rollout: DeploymentHandle | None = None


class Graph:
    """The working deployments, and what is known of the models among them. The only place that waits for them."""

    def __init__(self, handles: Handles, most_with_models: int | None = None) -> None:
        #: For recordings that a model is asked about: the next one waits for all that are in here.
        self._limit = AdmissionLimit(most_with_models, "The models are at their limit; try again shortly.", "models")
        self._metrics = GraphMetrics()
        self._handles = handles
        #: Of each model by name.
        self.cards = cards_at(handles.models)
        self._references = dict(zip(self.cards, handles.models, strict=True))
        self._models = dict(zip(self.cards, handles.models.values(), strict=True))
        #: The parts that an answer can have.
        self.parts = frozenset(self.cards) | WITHOUT_MODELS
        self._prepare_here = Preprocess() if handles.preprocess is None else None
        self._examine_here = Measure()
        self.models = {name: ModelWatch(handle) for name, handle in self._models.items()}

    async def report(self, record: EcgRecord, include: frozenset[str] | None = None, limited: bool = True) -> Report:
        """The `Report` of a recording, with all parts when `include` is None; not `limited`, it never finds no place.

        Every refusal of a deployment arrives as an `EcgError`.

        A model that is not asked for is not run, but every part needs the examination: a recording of poor
        quality gets no probabilities, and half of the features are measured. Raises `UnusableRecording` when a model
        was asked for and the recording cannot be prepared, and what `ecg.report.analysis.assemble` raises.
        """
        include = self.parts if include is None else include
        try:
            with self._limit.place() if limited and not include <= WITHOUT_MODELS else nullcontext():
                try:
                    report = await self._report(record, include)
                except Exception as error:
                    if not is_replica_lost(error):
                        raise
                    # The stages are pure: another replica may answer the same.
                    report = await self._report(record, include, again=True)
            self._metrics.answered(report, "clinical" in include)
            return report
        except Exception as error:
            self._metrics.refused(error)
            refusal = as_ecg_error(error)
            if refusal is None or refusal is error:
                raise
            raise refusal from None

    async def require(self, include: frozenset[str]) -> None:
        """Raise `ModelNotReady` when a model without which no report of `include` is given cannot answer yet."""
        for name in wanted(include, self.cards):
            if not may_be_absent(name, include, self.cards):
                check_ready(name, await self.models[name].ready_or_state())

    async def document(self, record: EcgRecord) -> bytes:
        """The report as JSON, for a recording that came without a caller to ask: the models answer when they can.

        The inbox has one recording after another analysed and takes nobody's place, so that it is not limited.
        A recording that no model takes (leads missing, too short) is measured, and a warning says why.
        """
        include = self.parts
        try:
            check_takable(record, include, self.cards)
        except UnusableRecording as error:
            include = WITHOUT_MODELS
            record = replace(record, notes=(*record.notes, f"No model output: {error.message}"))
        return (await self.report(record, include, limited=False)).to_json()

    async def _report(self, record: EcgRecord, include: frozenset[str], again: bool = False) -> Report:
        start = time.perf_counter()
        # Here, so that a refusal is this caller's own error and not one from another process.
        outcomes = check_takable(record, include, self.cards)
        asked = [name for name in wanted(include, self.cards) if name not in outcomes]
        # Before the work here, which may hold up the loop for longer than an answer about a model is waited for.
        states = await asyncio.gather(*(self.models[name].ready_or_state() for name in asked))
        for name, state in zip(asked, states, strict=True):
            if not may_be_absent(name, include, self.cards):
                check_ready(name, state)  # before the work of an answer that will not be given
        segments = self._prepared(record, asked)
        # The models first: where the examination is done here, they work meanwhile.
        inferences = [
            asyncio.ensure_future(self._infer(name, state, segments[self.cards[name].preparation.name], include))
            for name, state in zip(asked, states, strict=True)
        ]
        examination = asyncio.ensure_future(self._examined(record, "clinical" in include, "features" in include))
        try:
            answers = await asyncio.gather(*inferences, return_exceptions=True)
            (examined,) = await asyncio.gather(examination, return_exceptions=True)
        finally:
            examination.cancel()  # of a caller who has gone: it would wait in the queue beyond every limit
        for name, answer in zip(asked, answers, strict=True):
            if isinstance(answer, Exception) and may_be_absent(name, include, self.cards):
                outcomes[name] = _why_absent(name, answer, again)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                outcomes[name] = answer
        if isinstance(examined, BaseException):
            raise examined
        return Report(assemble(record, include, examined, outcomes, time.perf_counter() - start, self.cards))

    def _prepared(self, record: EcgRecord, asked: list[str]) -> dict[str, Any]:
        """Segments to come, by name of their preparation, made once for all models that take them.

        A future of this process, or a deployment's response, which goes to the models without passing through here.
        """
        coming: dict[str, Any] = {}
        for name in asked:
            preparation, reference = self.cards[name].preparation.name, self._references[name]
            if preparation in coming:
                continue
            if self._prepare_here is not None:
                coming[preparation] = asyncio.ensure_future(self._prepare_here.prepare(record, reference))
            elif self._handles.preprocess is not None:
                coming[preparation] = self._handles.preprocess.prepare.remote(record, reference)
        return coming

    async def _examined(self, record: EcgRecord, findings: bool, features: bool) -> Examination:
        if self._handles.measure is not None:
            return await self._handles.measure.examine.remote(record, findings, features)  # type: ignore[no-any-return]
        return await self._examine_here.examine(record, findings, features)

    async def _infer(self, name: str, state: ModelState, segments: Any, include: frozenset[str]) -> ModelResult:
        check_ready(name, state)
        if isinstance(segments, asyncio.Future):  # made here
            segments = await segments
        answer = self._models[name].infer.remote(segments)
        if not may_be_absent(name, include, self.cards):
            return await answer  # type: ignore[no-any-return]
        async with asyncio.timeout(ABSENT_AFTER_S):
            return await answer  # type: ignore[no-any-return]


def _why_absent(name: str, error: Exception, again: bool) -> EcgError:
    """Why the answer is given without a model that it can be given without.

    Raises the error of a replica that was lost, unless this is the second attempt, and of a queue that is full: whoever
    asked can come again and get the whole.
    """
    if is_queue_full(error) or (is_replica_lost(error) and not again):
        raise error
    refusal = as_ecg_error(error)
    if refusal is not None:
        return refusal
    if isinstance(error, TimeoutError):
        return ModelError(f"the model did not answer within {ABSENT_AFTER_S:g} s.", name)
    logger.error("the %s model failed", name, exc_info=error)
    return ModelError("the model failed.", name)


def check_ready(part: str, state: ModelState) -> None:
    """Raise `ModelNotReady` for a model that cannot answer yet."""
    if state.state != "ready":
        raise ModelNotReady(state.detail or f"The {part} model is still loading.", part, "ready", state.state)
