"""The graph over handles of one process: how much it lets in."""

import asyncio
from typing import Any

import numpy as np
import pytest

from deployments.serve.graph import Graph, Handles
from deployments.serve.model_state import ModelState
from ecg.errors import ModelNotReady, Overloaded
from ecg.models.contract import ModelIdentity, ModelResult
from ecg.pipeline import WITHOUT_MODELS, Examination, examine
from ecg.record import EcgRecord
from tests.deployments.fakes import handle

CLINICAL = frozenset({"clinical"})


async def examined(record: EcgRecord, findings: bool, features: bool) -> Examination:
    return examine(record, findings, features)


class HeldModel:
    """A model that answers when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.go_on = asyncio.Event()

    async def state(self) -> ModelState:
        return ModelState("ready")

    async def infer(self, segments: Any) -> ModelResult:
        self.asked += 1
        await self.go_on.wait()
        nothing = np.zeros(768, np.float32)
        return ModelResult(ModelIdentity("w", False, "b", "p"), np.zeros(17, np.float32), nothing, nothing)

    async def is_asked(self, times: int) -> None:
        while self.asked < times:
            await asyncio.sleep(0.001)


def graph_of(model: HeldModel, most_with_models: int) -> Graph:
    models = handle(state=model.state, infer=model.infer)
    return Graph(Handles(None, {"clinical": models, "features": models}, handle(examine=examined)), most_with_models)


def test_no_more_wait_for_the_models_than_are_let_in(sinus: EcgRecord) -> None:
    async def scenario() -> None:
        model = HeldModel()
        graph = graph_of(model, 1)
        first = asyncio.ensure_future(graph.report(sinus, CLINICAL))
        await model.is_asked(1)
        with pytest.raises(Overloaded):
            await graph.report(sinus, CLINICAL)
        assert (
            await graph.report(sinus, WITHOUT_MODELS)
        ).analysis.examination.measurements.heart_rate.value is not None
        model.go_on.set()
        assert "clinical" in (await first).analysis.results
        assert "clinical" in (await graph.report(sinus, CLINICAL)).analysis.results

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_an_answer_that_needs_a_model_not_ready_is_refused_before_any_work(sinus: EcgRecord) -> None:
    async def state() -> ModelState:
        return ModelState("loading")

    async def worked(*_: object) -> None:
        raise AssertionError("the recording was worked on")

    async def scenario() -> None:
        models = handle(state=state, infer=worked)
        graph = Graph(Handles(handle(prepare=worked), {"clinical": models, "features": models}, handle(examine=worked)))
        with pytest.raises(ModelNotReady):
            await graph.report(sinus, CLINICAL)

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_of_one_who_goes_nothing_is_examined_any_more(sinus: EcgRecord) -> None:
    ended: list[str] = []

    async def examine_slowly(*_: object) -> Examination:
        try:
            return await asyncio.Event().wait()  # type: ignore[return-value]
        except asyncio.CancelledError:
            ended.append("examination")
            raise

    async def scenario() -> None:
        model = HeldModel()
        models = handle(state=model.state, infer=model.infer)
        graph = Graph(Handles(None, {"clinical": models, "features": models}, handle(examine=examine_slowly)))
        gone = asyncio.ensure_future(graph.report(sinus, CLINICAL))
        await model.is_asked(1)
        gone.cancel()
        await asyncio.wait({gone})
        await asyncio.sleep(0)
        assert ended == ["examination"]

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_one_who_goes_makes_room(sinus: EcgRecord) -> None:
    async def scenario() -> None:
        model = HeldModel()
        graph = graph_of(model, 1)
        gone = asyncio.ensure_future(graph.report(sinus, CLINICAL))
        await model.is_asked(1)
        gone.cancel()
        await asyncio.wait({gone})
        model.go_on.set()
        assert "clinical" in (await graph.report(sinus, CLINICAL)).analysis.results

    asyncio.run(asyncio.wait_for(scenario(), 60))
