"""What the ingress knows about a model that answers late, never, or with an error."""

import asyncio

import pytest
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError

from deployments.serve.model_state import ModelState
from deployments.serve.model_watch import ModelWatch
from tests.deployments.fakes import handle, run_at_once


class Model:
    """Answers `state` after a delay; None: never."""

    def __init__(self, delay_s: float | None = 0.0, state: str = "ready") -> None:
        self.delay_s = delay_s
        self.known = state
        self.error: Exception | None = None
        self.asked = 0

    async def state(self) -> ModelState:
        self.asked += 1
        if self.delay_s is None:
            await asyncio.Event().wait()
        await asyncio.sleep(self.delay_s or 0)
        if self.error:
            raise self.error
        return ModelState(self.known)  # type: ignore[arg-type]


def watch(model: Model) -> ModelWatch:
    return ModelWatch(handle(state=model.state))


def now() -> float:
    return asyncio.get_running_loop().time()


def test_an_answer_is_remembered_for_a_second() -> None:
    async def scenario() -> tuple[int, int]:
        model = Model()
        watched = watch(model)
        for _ in range(10):
            assert (await watched.state()).state == "ready"
        within = model.asked
        await asyncio.sleep(1.5)
        await watched.state()
        return within, model.asked

    assert run_at_once(scenario()) == (1, 2)


def test_a_late_answer_is_not_waited_for_but_taken_when_it_comes() -> None:
    async def scenario() -> tuple[str, float, str, int]:
        model = Model(delay_s=2.0)
        watched = watch(model)
        start = now()
        first = await watched.state()
        waited = now() - start
        await asyncio.sleep(2.0)
        return first.state, waited, (await watched.state()).state, model.asked

    first, waited, later, asked = run_at_once(scenario())
    assert (first, later, asked) == ("waiting", "ready", 1)
    assert waited == pytest.approx(0.25, abs=0.1)


def test_a_model_that_was_ready_and_falls_silent_is_believed_for_a_while_and_no_longer() -> None:
    async def scenario() -> tuple[str, str, int]:
        model = Model()
        watched = watch(model)
        await watched.state()
        model.delay_s = None
        await asyncio.sleep(2)
        states = [(await watched.state()).state]
        await asyncio.sleep(10)
        assert (await watched.state()).state == states[0]
        await asyncio.sleep(6)
        states.append((await watched.state()).state)
        return states[0], states[1], model.asked

    # Once all of them, and once any of them when that has taken too long.
    assert run_at_once(scenario()) == ("ready", "waiting", 3)


@pytest.mark.parametrize("error", [ActorDiedError(), BackPressureError(3, 2)], ids=repr)
def test_a_question_that_fails_is_asked_again(error: Exception) -> None:
    async def scenario() -> tuple[ModelState, str, int]:
        model = Model()
        model.error = error
        watched = watch(model)
        refused = await watched.state()
        model.error = None
        await asyncio.sleep(1.5)
        return refused, (await watched.state()).state, model.asked

    refused, later, asked = run_at_once(scenario())
    assert (refused.state, later, asked) == ("waiting", "ready", 2)
    assert type(error).__name__ in (refused.detail or "")


def test_many_who_ask_at_once_ask_the_model_once() -> None:
    async def scenario() -> int:
        model = Model(delay_s=0.1)
        watched = watch(model)
        await asyncio.gather(*(watched.state() for _ in range(50)))
        return model.asked

    assert run_at_once(scenario()) == 1


def test_a_model_that_was_ready_is_not_asked_by_every_request() -> None:
    async def scenario() -> tuple[int, str]:
        model = Model()
        watched = watch(model)
        await watched.ready_or_state()
        model.known = "failed"
        await asyncio.sleep(5)
        return model.asked, (await watched.ready_or_state()).state

    assert run_at_once(scenario()) == (1, "ready")
