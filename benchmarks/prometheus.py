"""`python -m benchmarks.prometheus [SECONDS]`: a real Prometheus over a running service in health (default 600 s).

Prometheus (Debian package `prometheus`) scrapes the service every two seconds under the shipped rules, while one client
uses everything that the dashboards show. Exit status 1 when a panel has no data or an alert has fired, or is about to.
"""

import argparse
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import yaml

from benchmarks.chaos_load import JSON, bodies, message
from benchmarks.service import ROOT, answers, command, free_port, started, wait_until
from monitoring.dashboards import DASHBOARDS

LIMIT_S = 120.0
#: What one machine in health has none of: GPUs, scaling, a change of weights meanwhile, a baseline, a cohort job.
ABSENT = {
    "models": {"Loading or changing weights", "GPU in use", "GPU memory"},
    "service": {"Replicas wanted"},
    "content": {"Distance of the embeddings from the baseline"},
    "cohort": {panel["title"] for panel in DASHBOARDS["cohort"]["panels"]},
}


def installed() -> str | None:
    """The program, where it is installed."""
    return shutil.which("prometheus")


def targets_of(launcher_log: Path) -> list[str]:
    """Addresses of the metrics of Ray and of HAProxy, which the launcher prints once the service is ready."""

    def found() -> list[str]:
        return re.findall(r"^metrics.*: http://(\S+)/metrics", launcher_log.read_text(), re.MULTILINE)

    wait_until(lambda: len(found()) >= 2, launcher_log.read_text, LIMIT_S)
    return found()


@contextmanager
def scraping(service: str, targets: list[str], folder: Path) -> Iterator[httpx.Client]:
    """A client of a Prometheus that scrapes `targets` and the inbox of `service` (HOST:PORT) every two seconds."""
    config = {
        "global": {"scrape_interval": "2s", "evaluation_interval": "2s"},
        "rule_files": [str(ROOT / "monitoring/alerts.yaml")],
        "scrape_configs": [
            {"job_name": "ecg-serve-workers", "static_configs": [{"targets": targets}]},
            {
                "job_name": "ecg-serve-inbox",
                "metrics_path": "/data/v1/metrics",
                "static_configs": [{"targets": [service]}],
            },
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port, binary = free_port(), installed()
    if binary is None:
        raise FileNotFoundError("prometheus is not installed: apt-get install prometheus")
    options = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([binary, *options], cwd=folder, stdout=log, stderr=log)
    try:

        def said() -> str:
            return (folder / "log").read_text()[-3000:]

        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_until(lambda: answers(f"http://127.0.0.1:{port}/-/ready"), said, LIMIT_S)
            # An alert on series that are not there yet would be pending before the first scrape.
            wait_until(lambda: len(values(client, "up == 1")) == len(targets) + 1, said, LIMIT_S)
            yield client
    finally:
        process.terminate()
        process.wait(60)


def values(prometheus: httpx.Client, expression: str) -> list[str]:
    """The values that an expression has now."""
    parameters = {"query": expression.replace("$__rate_interval", "1m")}
    answer: dict[str, Any] = prometheus.get("/api/v1/query", params=parameters).json()
    if answer["status"] != "success":
        raise ValueError(f"{expression}: {answer}")
    return [series["value"][1] for series in answer["data"]["result"]]


def use(service: httpx.Client, number: int) -> None:
    """One of everything that a panel counts; raises for an answer that is none."""
    body = bodies()[0]
    service.post("/analyze", content=body, headers=JSON).raise_for_status()
    ndjson = {"Content-Type": "application/x-ndjson"}
    service.post("/analyze/bulk", content=body + b"\n", headers=ndjson).raise_for_status()
    service.post("/data/v1?fs=500", content=message(f"watched-{number}"), headers=JSON).raise_for_status()
    if number == 0:  # goes into quarantine
        later = orjson.loads(message("of-a-later-version")) | {"messageVersion": 99}
        service.post("/data/v1?fs=500", content=orjson.dumps(later), headers=JSON).raise_for_status()


def empty_panels(prometheus: httpx.Client) -> list[str]:
    """Panels without a value, but for those of `ABSENT`."""
    return [
        f"{name}: {panel['title']}"
        for name, dashboard in DASHBOARDS.items()
        for panel in dashboard["panels"]
        if panel["title"] not in ABSENT.get(name, set())
        and not any(value != "NaN" for target in panel["targets"] for value in values(prometheus, target["expr"]))
    ]


def alerts(prometheus: httpx.Client) -> list[tuple[str, str]]:
    """Name and state of every alert that fires or is about to."""
    found = prometheus.get("/api/v1/alerts").json()["data"]["alerts"]
    return [(alert["labels"]["alertname"], alert["state"]) for alert in found]


def main() -> int:
    """Exit status 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", nargs="?", type=float, default=600.0, metavar="SECONDS")
    watched_s = parser.parse_args().seconds
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        launcher_log = Path(folder) / "launcher.log"
        with (
            launcher_log.open("wb") as said,
            started(command("small", port), port, "/health", b'"status":"ready"', said) as server,
            scraping(f"127.0.0.1:{port}", targets_of(launcher_log), Path(folder)) as prometheus,
        ):
            with httpx.Client(base_url=server.url, timeout=120) as service:
                begun, number = time.monotonic(), 0
                seen: dict[tuple[str, str], float] = {}
                while (passed := time.monotonic() - begun) < watched_s:
                    use(service, number)
                    number += 1
                    for alert in alerts(prometheus):
                        seen.setdefault(alert, passed)
                    time.sleep(1)
            empty = empty_panels(prometheus)
    print(f"{watched_s:.0f} s, {number} rounds of use; panels without data: {empty or 'none'}")
    print(f"alerts, and when they were first seen (s): {seen or 'none'}")
    return int(bool(empty or seen))


if __name__ == "__main__":
    raise SystemExit(main())
