"""Recordings of an inbox whose graph is another application's: its answers, its refusals, and while it is not there."""

import asyncio
from typing import Any

import pytest
from ray.exceptions import ActorDiedError
from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import DeploymentUnavailableError

from deployments.serve.graph_elsewhere import GraphElsewhere
from ecg.errors import AnalysisLost, EcgError, Overloaded, UnusableRecording
from ecg.record import EcgRecord
from ecg.simulation import Scenario, simulate
from tests.deployments.fakes import handle, run_at_once

RECORD = simulate(Scenario()).record
GONE = DeploymentUnavailableError(DeploymentID("Ingress", "ecg"))
HOUR_S = 3600.0


class Ingress:
    """What the ingress of the other application does with a recording, and when it is asked whether it is there."""

    def __init__(self, answer: bytes | Exception, after_s: float, there: list[bool | Exception]) -> None:
        self.answer, self.after_s, self.there = answer, after_s, there
        self.asked, self.ended_early = 0, False

    async def document(self, record: EcgRecord) -> bytes:
        assert record is RECORD
        try:
            await asyncio.sleep(self.after_s)
        except asyncio.CancelledError:
            self.ended_early = True
            raise
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def is_there(self) -> bool:
        said = self.there[min(self.asked, len(self.there) - 1)]
        self.asked += 1
        if isinstance(said, Exception):
            raise said
        if not said:
            await asyncio.sleep(HOUR_S)
        return said


def outcome(ingress: Ingress) -> bytes | Exception:
    async def scenario() -> Any:
        graph = GraphElsewhere(handle(document=ingress.document, is_there=ingress.is_there))
        try:
            return await graph.document(RECORD)
        except EcgError as error:
            await asyncio.sleep(0)
            return error

    return run_at_once(scenario())  # type: ignore[no-any-return]


def test_an_answer_that_comes_soon_asks_for_nothing_else() -> None:
    ingress = Ingress(b"{}", 1.0, [True])
    assert (outcome(ingress), ingress.asked) == (b"{}", 0)


def test_an_answer_is_waited_for_as_long_as_the_other_application_is_there() -> None:
    ingress = Ingress(b"{}", 95.0, [True])
    assert (outcome(ingress), ingress.asked) == (b"{}", 9)


def test_another_replica_that_is_lost_ends_no_analysis() -> None:
    ingress = Ingress(b"{}", 25.0, [ActorDiedError(), True])
    assert (outcome(ingress), ingress.asked) == (b"{}", 2)


@pytest.mark.parametrize("there", [False, GONE])
def test_an_application_that_is_not_there_is_no_fault_of_the_recording(there: bool | Exception) -> None:
    ingress = Ingress(b"{}", HOUR_S, [there])
    assert isinstance(outcome(ingress), Overloaded)  # of which a recording may have thousands
    assert ingress.ended_early


@pytest.mark.parametrize(
    ("raised", "kind"),
    [(GONE, Overloaded), (ActorDiedError(), AnalysisLost), (UnusableRecording("too short"), UnusableRecording)],
)
def test_what_the_graph_raises_is_told_in_the_words_of_this_project(raised: Exception, kind: type[EcgError]) -> None:
    assert type(outcome(Ingress(raised, 0.0, [True]))) is kind
