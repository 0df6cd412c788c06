"""A model deployment when things go wrong: weights that do not load, passes that fail or hang, neighbours that are ill.

In one process, without a cluster: Serve calls the same methods of the same class.
"""

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from deployments.serve import model as model_module
from deployments.serve.batching import Batcher
from deployments.serve.model import FAILED_BATCHES, ModelRunner
from deployments.serve.model_state import ModelConfig, ModelState
from ecg.errors import CheckpointRejected, ModelError, ModelNotReady
from ecg.models.cards import card_at
from ecg.models.contract import Array, EngineOptions
from ecg.models.result import infer
from ecg.record import EcgRecord
from tests.deployments.fakes import handle
from tests.flaky_model import POISON, attempts, failures, hold, loading
from tests.third_model import REFERENCE, SAMPLES

FLAKY = "tests.flaky_model:CARD"


@pytest.fixture(autouse=True)
def unharmed(monkeypatch: pytest.MonkeyPatch) -> None:
    failures.clear()
    attempts.clear()
    hold.clear()
    loading.clear()
    monkeypatch.setattr(model_module, "FIRST_RETRY_S", 0.01)  # as in production, only sooner


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(scenario(), 60)

    asyncio.run(bounded())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def segments(value: float = 0.5, n: int = 1) -> Array:
    return np.full((n, 1, SAMPLES), value, np.float32)


def test_a_model_that_must_load_and_does_not_fails_its_deployment() -> None:
    async def scenario() -> None:
        runner = ModelRunner(REFERENCE)
        with pytest.raises(ModelError, match="There are no such weights"):
            await runner.reconfigure({"weights": "/nowhere", "must_load": True})
        assert (await runner.state()).state == "failed"

    run(scenario)


def test_without_that_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "FIRST_RETRY_S", 3600.0)

    async def scenario() -> None:
        failures.append(CheckpointRejected("It is damaged."))
        runner = ModelRunner(FLAKY)
        await runner.reconfigure({})
        state = await runner.state()
        assert (state.state, state.detail) == ("failed", "It is damaged.")
        with pytest.raises(ModelNotReady, match="damaged"):
            await runner.infer(segments())
        runner.check_health()  # it will be tried again

    run(scenario)


def test_a_load_that_fails_is_tried_again() -> None:
    async def scenario() -> None:
        failures.extend([CheckpointRejected("It is damaged."), OSError("/secret/path"), MemoryError()])
        runner = ModelRunner(FLAKY)
        await runner.reconfigure({})
        await until(lambda: runner._state.state == "ready")
        assert len(attempts) == 4
        assert (await runner.infer(segments())).identity.weights == "third/auto"

    run(scenario)


def test_a_swap_that_fails_keeps_the_old_model_even_when_models_must_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "FIRST_RETRY_S", 3600.0)

    async def scenario() -> None:
        runner = ModelRunner(FLAKY)
        await runner.reconfigure({"must_load": True})
        failures.append(CheckpointRejected("It is damaged."))
        await runner.reconfigure({"weights": "small", "must_load": True})
        await until(lambda: runner._state.change == "failed")
        state = await runner.state()
        assert (state.state, state.weights) == ("ready", "third/auto")
        assert "damaged" in str(state.detail)
        runner.check_health()
        await runner.reconfigure({"weights": "small", "must_load": True})  # given again, it is tried again
        await until(lambda: runner._state.weights == "third/small")
        state = await runner.state()
        assert (state.change, state.detail) == (None, None)
        count = len(attempts)
        await runner.reconfigure({"weights": "small", "must_load": True, "max_batch_segments": 3})
        assert len(attempts) == count  # nothing but the batch size is another

    run(scenario)


def test_a_change_does_not_keep_requests_waiting() -> None:
    """Serve sends a replica nothing until `reconfigure` has returned; a lone one would be missed while it loads."""

    async def scenario() -> None:
        runner = ModelRunner(FLAKY)
        await runner.reconfigure({})
        loading.set()
        try:
            await asyncio.wait_for(runner.reconfigure({"weights": "small"}), 5)
            await until(lambda: runner._state.change == "loading")
            assert (await runner.infer(segments())).identity.weights == "third/auto"
        finally:
            loading.clear()
        await until(lambda: runner._state.weights == "third/small")
        assert (await runner.infer(segments())).identity.weights == "third/small"

    run(scenario)


def test_going_back_after_a_failed_change_loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "FIRST_RETRY_S", 3600.0)

    async def scenario() -> None:
        runner = ModelRunner(FLAKY)
        await runner.reconfigure({})
        failures.append(CheckpointRejected("It is damaged."))
        await runner.reconfigure({"weights": "small"})
        await until(lambda: runner._state.change == "failed")
        count = len(attempts)
        await runner.reconfigure({})
        state = await runner.state()
        assert (state.state, state.weights, state.change, state.detail) == ("ready", "third/auto", None, None)
        assert len(attempts) == count
        runner.check_health()

    run(scenario)


def test_what_the_configuration_does_not_name_is_as_in_the_settings() -> None:
    async def scenario() -> None:
        runner = ModelRunner(FLAKY, {"weights": "small", "must_load": True})
        await runner.reconfigure({})
        assert (await runner.state()).weights == "third/small"
        failures.append(CheckpointRejected("It is damaged."))
        other = ModelRunner(FLAKY, {"weights": "small", "must_load": True})
        with pytest.raises(ModelError):
            await other.reconfigure({"max_batch_segments": 2})

    run(scenario)


def test_weights_whose_first_pass_is_not_finite_are_refused() -> None:
    async def scenario() -> None:
        runner = ModelRunner("tests.flaky_model:INFINITE")
        with pytest.raises(ModelError, match="not finite"):
            await runner.reconfigure({"must_load": True})

    run(scenario)


def test_an_older_load_that_still_runs_says_nothing_over_the_newer_one() -> None:
    async def scenario() -> None:
        runner = ModelRunner(FLAKY)
        await runner.reconfigure({"weights": "stand-in"})
        old = ModelConfig(weights="stand-in")  # the thread of a load that was given up has a configuration of its own
        runner._say(old, ModelState("failed", detail="too late"))
        state = await runner.state()
        assert (state.state, state.detail) == ("ready", None)

    run(scenario)


def test_a_pass_that_hangs_and_batches_that_fail_are_ill_health(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        runner = ModelRunner(FLAKY)
        await runner.reconfigure({})
        hold.set()
        answer = asyncio.ensure_future(runner.infer(segments()))
        await until(lambda: runner._model is not None and runner._model.pass_began is not None)
        runner.check_health()  # it may just be slow
        monkeypatch.setattr(model_module, "STUCK_S", 0.0)
        with pytest.raises(RuntimeError, match="has not ended"):
            runner.check_health()
        hold.clear()
        await answer
        runner.check_health()
        for _ in range(FAILED_BATCHES):
            runner.check_health()
            with pytest.raises(FloatingPointError):
                await runner.infer(segments(POISON))
        with pytest.raises(RuntimeError, match="in a row"):
            runner.check_health()
        await runner.infer(segments())
        runner.check_health()

    run(scenario)


def test_a_poisoned_recording_fails_alone() -> None:
    async def scenario() -> None:
        runner = ModelRunner(FLAKY)
        await runner.reconfigure({"max_batch_segments": 64})
        values = [0.1, 0.2, 0.3, POISON, 0.4, 0.5, 0.6, 0.7]
        answers = [asyncio.ensure_future(runner.infer(segments(value, n))) for n, value in enumerate(values, 1)]
        await asyncio.sleep(0)
        assert len(runner._batcher._waiting) == len(values)  # they will be one batch
        for value, result in zip(values, await asyncio.gather(*answers, return_exceptions=True), strict=True):
            if value == POISON:
                assert isinstance(result, FloatingPointError)
            else:
                assert not isinstance(result, BaseException)
                np.testing.assert_allclose(result.embedding, [0.0, value], atol=1e-6)  # each has its own
        runner.check_health()

    run(scenario)


def test_a_refusal_is_not_tried_on_every_half() -> None:
    calls: list[int] = []

    def forward(recordings: list[Array]) -> list[Any]:
        calls.append(len(recordings))
        raise ModelNotReady("it loads.", "x")

    async def scenario() -> None:
        batcher = Batcher(forward, 64)
        outcomes = await asyncio.gather(*(batcher.submit(segments()) for _ in range(4)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {ModelNotReady}
        assert sum(calls) == 4

    run(scenario)


@pytest.mark.parametrize(
    "error", [BackPressureError(1, 1), DeploymentUnavailableError(SimpleNamespace(name="x", app_name="y"))]
)
def test_a_load_waits_for_a_first_model_that_refuses_or_is_gone(error: Exception) -> None:
    async def scenario() -> None:
        states: list[Exception | ModelState] = [error, error, ModelState("loading"), ModelState("ready")]

        async def state() -> ModelState:
            said = states.pop(0) if len(states) > 1 else states[0]
            if isinstance(said, Exception):
                raise said
            return said

        runner = ModelRunner(FLAKY, after=handle(state=state))
        await runner.reconfigure({})
        assert (await runner.state()).state == "waiting"
        await until(lambda: runner._state.state == "ready")
        assert states == [ModelState("ready")]

    run(scenario)


def test_while_it_downloads_it_answers_how_far_it_is() -> None:
    async def scenario() -> None:
        failures.append(OSError("no network yet"))
        runner = ModelRunner("tests.flaky_model:SLOW_DOWNLOAD")
        await runner.reconfigure({})  # returns before anything is loaded
        assert (await runner.state()).state in ("waiting", "loading")
        await until(lambda: runner._state.state == "ready")

    run(scenario)


def test_the_gauges_are_set_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "_SAY_EVERY_S", 0.01)

    async def scenario() -> None:
        runner = ModelRunner(FLAKY)
        said: list[str] = []
        say = runner._metrics.say
        runner._metrics.say = lambda state: (said.append(state.state), say(state))[1]  # type: ignore[method-assign]
        await runner.reconfigure({})
        await until(lambda: said.count("ready") > 3)

    run(scenario)


def test_a_deployment_answers_as_the_model_itself_does(sinus: EcgRecord) -> None:
    """Calibrated where the weights say how, and so silent about labels that were not validated."""
    card = card_at("clinical")
    prepared = card.preparation.prepare(sinus)
    (wanted,) = infer(card.load(card.resolve("small", None), EngineOptions()), [prepared], labels=card.labels)

    async def scenario() -> None:
        runner = ModelRunner("clinical")
        await runner.reconfigure({"weights": "small"})
        answer = await runner.infer(prepared)
        assert (answer.calibrated, wanted.calibrated) == (True, True)
        np.testing.assert_array_equal(answer.scores, wanted.scores)

    run(scenario)
