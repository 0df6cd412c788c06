"""Parts of the running service are killed under load. `make chaos` does more of it, and measures."""

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from benchmarks.chaos import FAULTS, Place
from benchmarks.chaos_load import Clients, bodies, inflict
from benchmarks.service import Server
from tests.e2e.conftest import Deployed, launcher_of


@pytest.fixture(scope="module")
def place(service: httpx.Client, deployed: Deployed, launcher_log: Path) -> Place:
    server = Server(str(service.base_url).rstrip("/"), launcher_of(deployed).pid)
    return Place(server, deployed.config, deployed.address, launcher_log.parent)


@pytest.fixture(scope="module")
def clients(place: Place) -> Iterator[Clients]:
    started = Clients(place.server.url, bodies())
    yield started
    started.stop()


@pytest.mark.parametrize("fault", ["ingress killed", "HAProxy killed", "manager of HAProxy killed"])
def test_no_request_fails_for_good_and_no_answer_is_wrong(place: Place, clients: Clients, fault: str) -> None:
    """A client asks once more, as Retry-After says."""
    seen = inflict(fault, partial(FAULTS[fault], place, random.Random(0)), clients, settle_s=4)
    assert (seen["failed"], seen["wrong"]) == (0, 0)
    assert seen["requests"] > 0
    assert httpx.get(f"{place.server.url}/health/ready").status_code == 200
