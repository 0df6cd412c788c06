"""The graph over handles of one process: how much it lets in."""

import asyncio
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from deployments.graph import WITHOUT_MODELS, Graph, Handles
from deployments.model import ModelState
from ecg.errors import Overloaded
from ecg.models.result import ModelIdentity, ModelResult
from ecg.pipeline import examine
from ecg.prepare import prepare
from ecg.record import EcgRecord

CLINICAL = frozenset({"clinical"})


def handle(**methods: Any) -> Any:
    return SimpleNamespace(**{name: SimpleNamespace(remote=method) for name, method in methods.items()})


def test_no_more_wait_for_the_models_than_are_let_in(sinus: EcgRecord) -> None:
    async def scenario() -> None:
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def state() -> ModelState:
            return ModelState("ready")

        async def infer(segments: Any) -> ModelResult:
            asked.set()
            await go_on.wait()
            nothing = np.zeros(768, np.float32)
            return ModelResult(ModelIdentity("w", False, "b", "p"), np.zeros(17, np.float32), nothing, nothing)

        model = handle(state=state, infer=infer)
        graph = Graph(Handles(handle(prepare=prepare), model, model, handle(examine=examine)), most_with_models=1)
        first = asyncio.ensure_future(graph.report(sinus, CLINICAL))
        await asyncio.wait_for(asked.wait(), 30)
        with pytest.raises(Overloaded):
            await graph.report(sinus, CLINICAL)
        assert (await graph.report(sinus, WITHOUT_MODELS)).measurements.heart_rate.value is not None
        go_on.set()
        assert (await first).clinical is not None
        assert (await graph.report(sinus, CLINICAL)).clinical is not None

    asyncio.run(scenario())
