"""A service laid out as on a cluster: the inbox in an application of its own, a PostgreSQL, traces to a collector.

The inbox grows with its backlog, neither application takes the other with it, and both come back when all of Ray ends.
Started as a user starts it.
"""

import os
import random
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from benchmarks.chaos import FAULTS, Place
from benchmarks.service import Server, free_ports, started, wait_until
from ecg.cardioai.receiver import Receiver
from ecg.record import EcgRecord
from ecg.simulation import Scenario, simulate
from ecg.store.database import open_database
from serve_app.early import LONGEST_S, SPREAD_S
from serve_app.environment import fast_plane_available, ray_environment
from serve_app.haproxy import RETRY_AFTER_S, STARTING
from tests.builders.postgres import Cluster, find_binaries
from tests.e2e.collector import Collector, collecting
from tests.e2e.conftest import ROOT
from tests.e2e.payloads import as_npy
from tests.e2e.test_inbox_route import body_of, result_of

LIMIT_S = 120
until = partial(wait_until, limit_s=LIMIT_S)
SECRET = "canary-of-a-trace"
BACKLOG = 60  # of which each replica takes ten: all three are needed


@dataclass(frozen=True)
class Apart:
    """The running service, its store, and where changes to it are sent."""

    client: httpx.Client
    server: Server
    store: Cluster
    config: dict[str, Any]
    address: str
    folder: Path
    waiting: list[str]
    collector: Collector

    def deploy(self, config: dict[str, Any]) -> None:
        """As an operator does."""
        file = self.folder / "changed.yaml"
        file.write_text(yaml.safe_dump(config))
        command = [str(Path(sys.executable).parent / "serve"), "deploy", str(file), "--address", self.address]
        subprocess.run(command, env=os.environ | ray_environment(), capture_output=True, check=True, timeout=LIMIT_S)

    def replicas(self, name: str) -> set[int]:
        """Process ids of the replicas of `application:deployment`."""
        found = set()
        for process in self.server.tree():
            try:
                if next(iter(process.cmdline()), "").startswith(f"ray::ServeReplica:{name}"):
                    found.add(process.pid)
            except psutil.Error:
                continue
        return found


def two_applications(port: int, store: str) -> dict[str, Any]:
    """One machine's file with the inbox apart, as in config/cpu.yaml, and quicker to grow."""
    config = yaml.safe_load((ROOT / "config/local.yaml").read_text())
    config["http_options"]["port"] = port
    (service,) = config["applications"]
    service["args"] |= dict.fromkeys(("clinical_weights", "feature_weights"), "stand-in") | {
        "inbox_application": "inbox"
    }
    service["deployments"] = [each for each in service["deployments"] if each["name"] != "Inbox"]
    apart = yaml.safe_load((ROOT / "config/cpu.yaml").read_text())["applications"][1]
    (inbox,) = apart["deployments"]
    apart["args"]["inbox_url"] = store
    inbox["ray_actor_options"] = {"num_cpus": 0.1}
    soon = {"min_replicas": 1, "initial_replicas": 1, "max_replicas": 3, "upscale_delay_s": 0, "look_back_period_s": 2}
    inbox["autoscaling_config"] |= soon | {"metrics_interval_s": 0.5}
    inbox["autoscaling_config"]["policy"]["policy_kwargs"] = {"recordings_each": 10}
    config["applications"].append(apart)
    return dict(config)


def keep(store: str, record: EcgRecord, count: int) -> list[str]:
    """Record ids of as many recordings that are put into a store, as a receiver on a bus does."""
    ids = [str(uuid.uuid4()) for _ in range(count)]
    engine = open_database(store)
    with Receiver(engine) as receiver:
        for record_id in ids:
            receiver.accept(body_of(record, record_id), "bus", None, None)
    engine.dispose()
    return ids


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    if find_binaries() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    folder = tmp_path_factory.mktemp("apart")
    port, deploy_port = free_ports(2)
    with Cluster() as store, collecting() as collector, pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        environment.setenv("ECG_TRACED_SHARE", "0")  # only those whose head asks for it
        waiting = keep(store.url, simulate(Scenario()).record, BACKLOG)
        config = two_applications(port, store.url)
        path = folder / "apart.yaml"
        path.write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "serve_app", "--config", str(path), "--deploy-port", str(deploy_port)]
        with (
            started(command, port, "/health", b'"status":"ready"') as server,
            httpx.Client(base_url=server.url, timeout=60) as client,
        ):
            address = f"http://127.0.0.1:{deploy_port}"
            yield Apart(client, server, store, config, address, folder, waiting, collector)


def test_it_grows_with_its_backlog_and_each_recording_has_one_result(apart: Apart) -> None:
    most = 0

    def done() -> bool:
        nonlocal most
        most = max(most, len(apart.replicas("inbox:Inbox")))
        return apart.client.get("/data/v1/stats").json()["results"] >= BACKLOG

    until(done, lambda: "the backlog was not worked off")
    assert most == 3
    assert {result_of(apart.client, record_id)["state"] for record_id in apart.waiting} == {"done"}
    assert apart.client.get("/data/v1/stats").json()["results"] == BACKLOG


def test_a_store_that_is_down_takes_nothing_else_with_it(apart: Apart, sinus: EcgRecord) -> None:
    ingress, inbox = apart.replicas("ecg:Ingress"), apart.replicas("inbox:Inbox")
    apart.store.kill()
    until(lambda: _status(apart.client, "/data/v1/stats") == 503, lambda: "nobody said that the store is away")
    assert apart.client.post("/analyze", **as_npy(sinus)).status_code == 200
    apart.store.start()
    until(lambda: _status(apart.client, "/data/v1/stats") == 200, lambda: "the store was not found again")
    assert (apart.replicas("ecg:Ingress"), bool(apart.replicas("inbox:Inbox") & inbox)) == (ingress, True)


def test_a_trace_shows_a_request_in_every_deployment_and_nothing_of_what_was_sent(
    apart: Apart, sinus: EcgRecord
) -> None:
    trace_id, caller = uuid.uuid4().hex, uuid.uuid4().hex[:16]
    headers = {"traceparent": f"00-{trace_id}-{caller}-01"}
    request = as_npy(sinus)
    answer = apart.client.post("/analyze", **request | {"headers": request["headers"] | headers})
    assert answer.status_code == 200
    damaged = headers | {"Content-Type": "application/json", "tracestate": f"ecg={SECRET}"}
    body = b'{"messageId": "' + SECRET.encode() + b'"}'
    assert apart.client.post("/data/v1", content=body, headers=damaged).status_code == 400  # raised by the inbox

    def named() -> dict[str, Any]:
        return {span.name: span for span in apart.collector.spans(trace_id)}

    wanted = {
        f"replica_handle_request {name}"
        for name in ("Ingress __call__", "ClinicalModel infer", "FeatureModel infer", "Inbox accept")
    }
    until(lambda: wanted <= set(named()), lambda: f"spans are missing: {sorted(named())}")
    found = named()
    spans = {span.span_id: span for span in apart.collector.spans(trace_id)}
    ingress = next(s for s in spans.values() if "Ingress" in s.name and s.parent_span_id.hex() == caller)
    for model in ("ClinicalModel infer", "FeatureModel infer"):
        call = spans[found[f"replica_handle_request {model}"].parent_span_id]
        assert call.name == f"route_to_replica {model}"
        assert ingress.start_time_unix_nano <= call.start_time_unix_nano <= ingress.end_time_unix_nano
    assert [event.name for event in found["replica_handle_request Inbox accept"].events] == ["exception"]
    assert not any(SECRET.encode() in body for body in apart.collector.bodies)


def test_recordings_wait_while_the_service_is_not_deployed(apart: Apart, sinus: EcgRecord) -> None:
    inbox = apart.replicas("inbox:Inbox")
    alone = apart.config | {"applications": [{**apart.config["applications"][1]}]}
    apart.deploy(alone)
    until(lambda: not apart.replicas("ecg:"), lambda: "the service was not taken away")
    (record_id,) = keep(apart.store.url, sinus, 1)

    def kept() -> Any:
        engine = open_database(apart.store.url)
        question = "SELECT state, reason, attempts, refusals FROM recordings WHERE record_id = %s"
        with engine.connect() as connection:
            found = connection.exec_driver_sql(question, (record_id,)).one()
        engine.dispose()
        return found

    until(lambda: kept().refusals > 1, lambda: f"the recording did not wait: {kept()}")
    state, reason, attempts, refusals = kept()
    assert (state, attempts - refusals <= 1) == ("ready", True), reason  # one at most met a replica that ended
    apart.deploy(apart.config)
    until(lambda: apart.replicas("ecg:Ingress") != set(), lambda: "the service did not come back")
    until(lambda: _status(apart.client, "/health/ready") == 200, lambda: "the service was not ready again")
    assert result_of(apart.client, record_id)["state"] == "done"
    assert apart.replicas("inbox:Inbox") & inbox  # it was not started again with the service


def test_a_service_that_ends_is_started_again_and_says_when_to_come_back(apart: Apart, sinus: EcgRecord) -> None:
    """All of Ray ends with the process that keeps its state. A recording that waits meanwhile is not lost."""
    if not fast_plane_available():
        pytest.skip("there is no HAProxy for this system: nobody answers while the service starts")
    place = Place(apart.server, apart.folder / "apart.yaml", apart.address, apart.folder)
    FAULTS["state of Ray killed"](place, random.Random(0))
    (record_id,) = keep(apart.store.url, sinus, 1)
    told: list[int] = []

    def refused() -> bool:
        with suppress(httpx.HTTPError):
            answer = apart.client.post("/analyze", **as_npy(sinus))
            if answer.status_code == 503 and answer.text == STARTING:
                told.append(int(answer.headers["Retry-After"]))
        return any(wait_s > RETRY_AFTER_S for wait_s in told)  # which it says where nobody knows

    until(refused, lambda: f"nobody said how long the service takes to start: {told}")
    assert max(told) <= LONGEST_S + SPREAD_S
    until(lambda: _status(apart.client, "/health/ready") == 200, lambda: "the service did not come back")
    assert apart.client.post("/analyze", **as_npy(sinus)).status_code == 200
    assert result_of(apart.client, record_id)["state"] == "done"


def _status(client: httpx.Client, path: str) -> int:
    try:
        return client.get(path).status_code
    except httpx.HTTPError:
        return 0
