"""The seam between Ray's errors and the client: which are asked again, which are a refusal, which are our fault."""

import asyncio
import pickle
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayActorError, RayTaskError
from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError

from benchmarks.service import free_port
from deployments.serve.graph import Graph, Handles
from deployments.serve.model_state import ModelState
from deployments.serve.ray_errors import as_ecg_error
from ecg.errors import EcgError, MissingLeads, Overloaded
from ecg.models.cards import card_at
from ecg.models.contract import ModelIdentity, ModelResult
from ecg.pipeline import examine
from ecg.record import EcgRecord
from tests.deployments.fakes import handle

NO_MODEL = frozenset({"measurements", "quality"})
SECRET = "/srv/app/model.py line 12 at 10.0.0.7"


def wrapped(error: Exception) -> Exception:
    """As Ray gives it to the caller: of the cause's class and of its own, with the other side's traceback as text."""
    return RayTaskError("infer", f"Traceback: {SECRET}", error).as_instanceof_cause()  # type: ignore[no-any-return]


def status(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), SECRET)


LOST: dict[str, Callable[[], Exception]] = {
    "actor died": ActorDiedError,
    "actor unavailable": lambda: ActorUnavailableError("gone", b"0" * 16),
    "actor error": RayActorError,
    "replica unavailable": lambda: ReplicaUnavailableError("Measure#1"),
    "in another process": lambda: wrapped(ActorDiedError()),
    "grpc unavailable": lambda: status(grpc.StatusCode.UNAVAILABLE),
    "grpc cancelled": lambda: status(grpc.StatusCode.CANCELLED),
    "grpc reset": lambda: status(grpc.StatusCode.INTERNAL),
}


def test_an_error_of_ours_comes_out_of_the_other_process_as_it_is() -> None:
    crossed = wrapped(pickle.loads(pickle.dumps(MissingLeads("Missing leads.", "leads", ["V1"], ["I"]))))
    refusal = as_ecg_error(crossed)
    assert type(refusal) is MissingLeads
    assert (refusal.field, refusal.expected, refusal.got) == ("leads", ["V1"], ["I"])
    assert SECRET not in str(refusal)


def test_a_full_queue_is_said_to_be_full() -> None:
    for error in (BackPressureError(5, 4), wrapped(BackPressureError(5, 4))):
        refusal = as_ecg_error(error)
        assert isinstance(refusal, Overloaded)
        assert "limit" in refusal.message


@pytest.mark.parametrize("name", [*LOST, "not deployed"])
def test_a_part_that_is_gone_is_said_to_come_again(name: str) -> None:
    unavailable = DeploymentUnavailableError(DeploymentID("Measure", "ecg"))
    refusal = as_ecg_error(LOST[name]() if name in LOST else unavailable)
    assert isinstance(refusal, Overloaded)
    assert "restarted" in refusal.message
    assert refusal.retry_after_s == 5
    assert SECRET not in refusal.message


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SECRET),
        wrapped(ValueError(SECRET)),
        RuntimeError(SECRET),
        status(grpc.StatusCode.RESOURCE_EXHAUSTED),  # a message larger than the limit is larger the next time, too
        status(grpc.StatusCode.UNIMPLEMENTED),
    ],
    ids=repr,
)
def test_a_fault_of_this_program_is_no_refusal(error: Exception) -> None:
    assert as_ecg_error(error) is None


def test_what_grpc_says_of_a_closed_port_is_a_lost_replica() -> None:
    port = free_port()

    async def call() -> bytes:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            return bytes(await channel.unary_unary("/a/b")(b"", timeout=5))

    with pytest.raises(grpc.RpcError) as raised:
        asyncio.run(call())
    assert isinstance(as_ecg_error(raised.value), Overloaded)


class Part:
    """A part of the graph that raises what it is given, in order, and then works."""

    def __init__(self, work: Callable[..., Any], *errors: Exception) -> None:
        self._work = work
        self._errors = list(errors)
        self.asked = 0

    async def __call__(self, *args: Any) -> Any:
        self.asked += 1
        if self._errors:
            raise self._errors.pop(0)
        return self._work(*args)


def inference(segments: Any) -> ModelResult:
    embedding = np.zeros(768, np.float32)
    return ModelResult(ModelIdentity("w", False, "b", "p"), np.zeros(17, np.float32), embedding, embedding)


async def ready() -> ModelState:
    return ModelState("ready")


def segments_of(record: EcgRecord, card: str) -> Any:
    return card_at(card).preparation.prepare(record)


def graph_of(measure: Part, model: Part | None = None) -> Graph:
    models = handle(state=ready, infer=model or Part(inference))
    return Graph(
        Handles(handle(prepare=Part(segments_of)), {"clinical": models, "features": models}, handle(examine=measure))
    )


def ask(graph: Graph, record: EcgRecord, include: frozenset[str] = NO_MODEL) -> Any:
    return asyncio.run(asyncio.wait_for(graph.report(record, include), 60))


@pytest.mark.parametrize("name", LOST)
def test_a_lost_replica_is_made_good_by_another(name: str, sinus: EcgRecord) -> None:
    measure = Part(examine, LOST[name]())
    assert ask(graph_of(measure), sinus).analysis.examination.measurements.heart_rate.value is not None
    assert measure.asked == 2


def test_replicas_that_are_lost_again_and_again_are_a_refusal_and_not_asked_for_ever(sinus: EcgRecord) -> None:
    measure = Part(examine, *[ActorDiedError() for _ in range(5)])
    with pytest.raises(Overloaded):
        ask(graph_of(measure), sinus)
    assert measure.asked == 2


@pytest.mark.parametrize("error", [BackPressureError(5, 4), wrapped(MissingLeads("Missing leads.")), ValueError("x")])
def test_what_another_replica_would_say_too_is_not_asked_again(error: Exception, sinus: EcgRecord) -> None:
    measure = Part(examine, error)
    expected: type[Exception] = ValueError if type(error) is ValueError else EcgError
    with pytest.raises(expected):
        ask(graph_of(measure), sinus)
    assert measure.asked == 1


def test_a_model_that_is_lost_is_asked_again_too(sinus: EcgRecord) -> None:
    model = Part(inference, ActorDiedError())
    assert "clinical" in ask(graph_of(Part(examine), model), sinus, frozenset({"clinical"})).analysis.results
    assert model.asked == 2
