"""The graph in Ray's local testing mode: no cluster, the same classes and the same builder."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest
from ray import serve
from ray.serve.handle import DeploymentHandle

from deployments.serve.model import ModelRunner
from deployments.serve.model_state import ModelState
from ecg import local
from ecg.errors import ModelNotReady
from ecg.formats import json_body
from ecg.models.contract import EngineOptions
from ecg.record import EcgRecord
from serve_app.settings import AppSettings
from tests.builders.local_service import LocalService, serving
from tests.e2e.payloads import as_json, as_npy
from tests.e2e.test_answers import stable


@pytest.fixture(scope="module", params=[False, True], ids=["preprocess", "inline"])
def graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    settings = AppSettings(
        clinical_weights="stand-in",
        feature_weights="stand-in",
        precision="float32",
        preprocess_inline=request.param,
        inbox_url=f"sqlite:///{tmp_path_factory.mktemp('inbox') / 'inbox.sqlite'}",
    )
    with serving(settings, "local") as started:
        yield started


def test_the_local_graph_answers_as_the_library(graph: LocalService, sinus: EcgRecord) -> None:
    response = graph.post("/analyze", **as_npy(sinus))
    assert response.status_code == 200, response.text
    answer = response.json()
    models = local.load_models("stand-in", options=EngineOptions(precision="float32"))
    assert stable(answer) == stable(orjson.loads(local.run(sinus, models).to_json()))


def test_a_model_that_failed_says_why(sinus: EcgRecord) -> None:
    async def scenario() -> tuple[ModelState, type[Exception] | None]:
        runner = ModelRunner("clinical")
        await runner.reconfigure({"weights": "/nowhere/model.pt"})
        state = await runner.state()
        try:
            await runner.infer(np.zeros((1, 12, 2500), np.float32))
        except ModelNotReady as error:
            return state, type(error)
        return state, None

    state, refused = asyncio.run(scenario())
    assert state.state == "failed"
    assert state.detail is not None
    assert "/nowhere" not in state.detail
    assert refused is ModelNotReady


def runner(card: str, weights: str) -> DeploymentHandle:
    """A model deployment that is ready."""
    config = {"weights": weights, "backend": "torch", "precision": "float32"}
    deployment = serve.deployment(ModelRunner, name="Runner", user_config=config)
    handle = serve.run(deployment.bind(card), name=f"runner-{card}", _local_testing_mode=True)
    deadline = time.monotonic() + 300  # only that it ends: a busy machine may take long
    while handle.state.remote().result().state != "ready":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return handle


def test_other_weights_that_cannot_be_loaded_leave_the_present_ones_in_service() -> None:
    handle = runner("features", "stand-in")
    before = handle.state.remote().result()
    handle.reconfigure.remote({"weights": "/nowhere/model.pt", "backend": "torch", "precision": "float32"}).result()
    deadline = time.monotonic() + 300
    while (after := handle.state.remote().result()).change != "failed":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    result = handle.infer.remote(np.zeros((1, 12, 2500), np.float32)).result()
    assert before.state == after.state == "ready"
    assert after.weights == before.weights
    assert "failed" in (after.detail or "")
    assert result.identity.trained is False


def test_recordings_in_one_batch_get_their_own_results() -> None:
    handle = runner("clinical", "stand-in")
    rng = np.random.default_rng(0)
    recordings = [rng.standard_normal((n, 12, 2500)).astype(np.float32) for n in (1, 3, 2, 20)]
    together = [response.result() for response in [handle.infer.remote(segments) for segments in recordings]]
    for segments, result in zip(recordings, together, strict=True):
        alone = handle.infer.remote(segments).result()
        # Another batch size sums in another order: measured up to 5e-6 in float32.
        assert np.allclose(result.scores, alone.scores, atol=5e-5)
        assert np.allclose(result.embedding, alone.embedding, atol=5e-5)


def test_health_in_local_mode(graph: LocalService) -> None:
    assert set(graph.get("/health").json()["models"]) == {"clinical", "features"}


def test_json_is_decoded_beside_the_event_loop(
    graph: LocalService, sinus: EcgRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_loop = []

    class Watched:
        """orjson, remembering whether the thread that parses also runs an event loop."""

        JSONDecodeError = orjson.JSONDecodeError

        @staticmethod
        def loads(data: bytes) -> Any:
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                on_loop.append(False)
            else:
                on_loop.append(True)
            return orjson.loads(data)

    monkeypatch.setattr(json_body, "orjson", Watched)
    response = graph.post("/assess_quality", **as_json(sinus))
    assert response.status_code == 200
    assert set(on_loop) == {False}
