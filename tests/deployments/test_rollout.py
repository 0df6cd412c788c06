"""Several replicas of a model seen as one deployment, and the deployment that is ill while a change has failed."""

import asyncio
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from deployments.serve.model_state import ModelState, of_all
from deployments.serve.model_watch import ModelWatch
from deployments.serve.rollout import Rollout
from tests.deployments.fakes import replicated, run_at_once

READY = ModelState("ready", "new@1", True, "torch", "float32")
OLD = ModelState("ready", "old@1", True, "torch", "float32")
KEPT = ModelState("ready", "old@1", True, "torch", "float32", detail="other weights: failed, no file", change="failed")
FAILED = ModelState("failed", detail="no such file")


def replica(said: ModelState | Exception | None) -> dict[str, Any]:
    async def state() -> ModelState:
        if said is None:
            await asyncio.Event().wait()
        if isinstance(said, Exception):
            raise said
        assert said is not None
        return said

    return {"state": state}


def deployment(*said: ModelState | Exception | None) -> Any:
    return replicated(*map(replica, said))


@pytest.mark.parametrize(
    ("states", "state", "change", "detail"),
    [
        ([READY, READY], "ready", None, None),
        ([FAILED, READY], "ready", None, "no such file"),
        ([READY, FAILED], "ready", None, "no such file"),
        ([FAILED, ModelState("loading")], "loading", None, "no such file"),
        ([READY, KEPT], "ready", "failed", "other weights: failed, no file"),
        ([READY, OLD], "ready", None, "replicas answer with different weights: new@1, old@1"),
        ([FAILED], "failed", None, "no such file"),
    ],
)
def test_the_state_of_a_deployment(
    states: list[ModelState], state: str, change: str | None, detail: str | None
) -> None:
    told = of_all(states)
    assert (told.state, told.change, told.detail) == (state, change, detail)
    assert told.replicas is not None
    assert sum(told.replicas.values()) == len(states)


def test_health_is_of_all_replicas_whichever_answers_first() -> None:
    for said in ([FAILED, READY], [READY, FAILED]):
        told = run_at_once(ModelWatch(deployment(*said)).state())
        assert (told.state, told.replicas) == ("ready", {"failed": 1, "ready": 1})


def test_a_replica_that_died_is_none() -> None:
    told = run_at_once(ModelWatch(deployment(ActorDiedError(), READY)).state())
    assert (told.state, told.replicas) == ("ready", {"ready": 1})


def test_a_frozen_replica_does_not_hide_the_others() -> None:
    async def scenario() -> ModelState:
        watch = ModelWatch(deployment(READY, None))
        await watch.state()
        await asyncio.sleep(6)
        return await watch.state()

    told = run_at_once(scenario())
    assert (told.state, told.detail) == ("ready", "one of its replicas does not answer")


@pytest.mark.parametrize(
    ("said", "ill"),
    [
        ([READY, READY], False),
        ([READY, KEPT], True),
        ([ModelState("loading")], False),
        ([FAILED], False),  # its own deployment says so
        ([ActorDiedError()], False),
        ([None, READY], False),
    ],
    ids=str,
)
def test_the_rollout_is_ill_while_a_model_goes_on_with_older_weights(said: list[Any], ill: bool) -> None:
    rollout = Rollout({"clinical": deployment(READY), "features": deployment(*said)})
    if ill:
        with pytest.raises(RuntimeError, match=r"features goes on with old@1: other weights: failed, no file"):
            run_at_once(rollout.check_health())
    else:
        run_at_once(rollout.check_health())
