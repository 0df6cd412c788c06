"""A real Prometheus over the running service: every panel of the dashboards has data, and no alert in health."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import yaml

from ecg.record import EcgRecord
from monitoring.dashboards import DASHBOARDS
from tests.e2e.conftest import ROOT, free_port
from tests.e2e.payloads import as_json
from tests.e2e.test_inbox_route import body_of

#: Scrapes and Ray's own reports come every few seconds; a rate needs two of them.
WATCHED_S = 60.0
#: What one machine has none of: GPUs, scaling, a change of weights in the time watched, a baseline, a cohort job.
ABSENT = {
    "models": {"Loading or changing weights", "GPU in use", "GPU memory"},
    "service": {"Replicas wanted"},
    "content": {"Distance of the embeddings from the baseline"},
    "cohort": {panel["title"] for panel in DASHBOARDS["cohort"]["panels"]},
}


@pytest.fixture
def prometheus(service: httpx.Client, launcher_log: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a Prometheus with the shipped rules that scrapes the service every two seconds."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("prometheus is not installed: apt-get install prometheus")
    deadline = time.monotonic() + 60
    while len(targets := re.findall(r"^metrics.*: http://(\S+)/metrics", launcher_log.read_text(), re.MULTILINE)) < 2:
        assert time.monotonic() < deadline, launcher_log.read_text()
        time.sleep(0.2)
    config = {
        "global": {"scrape_interval": "2s", "evaluation_interval": "2s"},
        "rule_files": [str(ROOT / "monitoring/alerts.yaml")],
        "scrape_configs": [
            {"job_name": "ecg-serve-workers", "static_configs": [{"targets": targets}]},
            {
                "job_name": "ecg-serve-inbox",
                "metrics_path": "/data/v1/metrics",
                "static_configs": [{"targets": [service.base_url.netloc.decode()]}],
            },
        ],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        binary,
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            deadline = time.monotonic() + 60
            while not _is_ready(client):
                assert process.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.2)
            yield client
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").status_code == 200
    except httpx.HTTPError:
        return False


def use(service: httpx.Client, record: EcgRecord, number: int) -> None:
    """One of everything that a panel counts."""
    assert service.post("/analyze", **as_json(record)).status_code == 200
    line = as_json(record)["content"]
    bulk = service.post("/analyze/bulk", content=line, headers={"Content-Type": "application/x-ndjson"})
    assert bulk.status_code == 200
    assert service.post("/data/v1", content=body_of(record, f"watched-{number}")).status_code == 200
    if number == 0:
        unknown = orjson.loads(body_of(record, "unknown")) | {"version": "99"}
        service.post("/data/v1", content=orjson.dumps(unknown))


def values(prometheus: httpx.Client, expression: str) -> list[str]:
    answer: dict[str, Any] = prometheus.get(
        "/api/v1/query", params={"query": expression.replace("$__rate_interval", "1m")}
    ).json()
    assert answer["status"] == "success", (expression, answer)
    return [series["value"][1] for series in answer["data"]["result"]]


def test_every_panel_has_data_and_no_alert_begins(
    service: httpx.Client, prometheus: httpx.Client, sinus: EcgRecord
) -> None:
    """An alert that waits for minutes before it fires is pending at once, so a minute tells as much as ten."""
    begun, number = time.monotonic(), 0
    while time.monotonic() - begun < WATCHED_S:
        use(service, sinus, number)
        number += 1
    empty = {
        (name, panel["title"])
        for name, dashboard in DASHBOARDS.items()
        for panel in dashboard["panels"]
        if panel["title"] not in ABSENT.get(name, set())
        and not any(value != "NaN" for target in panel["targets"] for value in values(prometheus, target["expr"]))
    }
    assert empty == set()
    alerts = prometheus.get("/api/v1/alerts").json()["data"]["alerts"]
    assert [(alert["labels"]["alertname"], alert["state"]) for alert in alerts] == []
