"""Parts of the running service are killed under load. `make chaos` does more of it, and measures."""

import random
from pathlib import Path

import httpx
import pytest

from benchmarks.chaos import Clients, Place, bodies, inflict
from benchmarks.service import Server
from tests.e2e.conftest import Deployed, launcher_of


@pytest.mark.parametrize("fault", ["measurement killed", "HAProxy killed"])
def test_answers_stay_right_and_come_again(
    service: httpx.Client, deployed: Deployed, launcher_log: Path, fault: str
) -> None:
    server = Server(str(service.base_url).rstrip("/"), launcher_of(deployed).pid)
    place = Place(server, deployed.config, deployed.address, launcher_log.parent)
    clients = Clients(server.url, bodies())
    try:
        seen = inflict(fault, place, clients, random.Random(0))
    finally:
        clients.stop()
    assert seen["wrong"] == 0
    assert seen["requests"] > seen["failed"]
    if fault == "measurement killed":  # the other replica answers
        assert seen["failed"] == 0
    assert service.get("/health/ready").status_code == 200
