"""An answer with a clinical part is given without the feature model, whatever is wrong with that one."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, RayTaskError
from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from deployments.serve import graph as graph_module
from deployments.serve.graph import Graph, Handles
from ecg.errors import EcgError, ModelNotReady, Overloaded
from ecg.pipeline import examine
from ecg.record import EcgRecord
from ecg.report import Report
from tests.deployments.fakes import handle
from tests.deployments.test_ray_errors import Part, inference, ready

SECRET = "/srv/app/model.py line 12"
BOTH = frozenset({"clinical", "features"})


async def never(*_: Any) -> None:
    await asyncio.Event().wait()


def asked(record: EcgRecord, features: Callable[..., Any], include: frozenset[str] = BOTH) -> Report:
    models = {"clinical": handle(state=ready, infer=Part(inference)), "features": handle(state=ready, infer=features)}
    graph = Graph(Handles(None, models, handle(examine=Part(examine))))
    return asyncio.run(asyncio.wait_for(graph.report(record, include), 60))


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([ModelNotReady("it loads.")], "it loads."),
        ([RuntimeError(SECRET)], "the model failed."),
        ([RayTaskError("infer", SECRET, MemoryError(SECRET)).as_instanceof_cause()], "the model failed."),
        ([ActorDiedError(), ActorDiedError()], "being restarted"),
        ([DeploymentUnavailableError(DeploymentID("FeatureModel", "ecg"))], "being restarted"),
    ],
    ids=["loading", "fault", "out of memory", "lost twice", "not deployed"],
)
def test_the_answer_says_what_it_lacks(sinus: EcgRecord, errors: list[Exception], said: str) -> None:
    report = asked(sinus, Part(inference, *errors))
    (warning,) = (w for w in report.conclusion.warnings if w.startswith("No features"))
    assert said in warning
    assert SECRET not in warning
    assert report.to_dict()["features"] is None
    assert report.to_dict()["labels"] is not None


def test_a_replica_that_is_lost_once_costs_nothing(sinus: EcgRecord) -> None:
    assert asked(sinus, Part(inference, ActorDiedError())).to_dict()["features"] is not None


def test_a_feature_model_that_hangs_is_not_waited_for(sinus: EcgRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_module, "ABSENT_AFTER_S", 0.05)
    assert any("did not answer within" in warning for warning in asked(sinus, never).conclusion.warnings)


def test_a_full_queue_is_a_refusal_so_that_the_client_gets_the_whole_later(sinus: EcgRecord) -> None:
    with pytest.raises(Overloaded):
        asked(sinus, Part(inference, BackPressureError(5, 4)))


@pytest.mark.parametrize("error", [RuntimeError("x"), ModelNotReady("it loads.")])
def test_asked_for_alone_it_is_an_error(sinus: EcgRecord, error: Exception) -> None:
    with pytest.raises(RuntimeError if isinstance(error, RuntimeError) else EcgError):
        asked(sinus, Part(inference, error), frozenset({"features"}))
