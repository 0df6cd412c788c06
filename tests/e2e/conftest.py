"""One real service for the whole suite: `python -m serve_app` with the stand-in models, as a user starts it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 300  # with a second try of Ray's first node, which a busy machine needs now and then


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_all_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.get("/health").json()["status"] == "ready":
                return
        except (httpx.HTTPError, ValueError, KeyError):
            pass
        time.sleep(0.3)
    pytest.fail(f"the service did not get ready; exit status {process.poll()}\n{log.read_text()[-4000:]}")


@pytest.fixture(scope="session")
def launcher_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the launcher prints."""
    return tmp_path_factory.mktemp("service") / "launcher.log"


@dataclass(frozen=True)
class Deployed:
    """What the service was started with, and where `serve deploy` reaches it."""

    config: Path
    address: str


def launcher_of(deployed: Deployed) -> psutil.Process:
    """The launcher of the service of these tests."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if str(deployed.config) in command and "serve_app" in command:
            found.append(process)
    (launcher,) = found
    return launcher


@pytest.fixture(scope="session")
def deployed(launcher_log: Path) -> Deployed:
    """The Serve file of the service: that of one machine, with the readiness of a cluster, and the stand-in models."""
    config = yaml.safe_load((ROOT / "config/local.yaml").read_text())
    config["http_options"]["port"] = free_port()
    (application,) = config["applications"]
    application["args"] |= {"clinical_weights": "stand-in", "feature_weights": "stand-in", "models_must_load": True}
    rollout = {"name": "Rollout", "health_check_period_s": 1, "ray_actor_options": {"num_cpus": 0.1}}
    application["deployments"].append(rollout)
    path = launcher_log.parent / "service.yaml"
    path.write_text(yaml.safe_dump(config))
    return Deployed(path, f"http://127.0.0.1:{free_port()}")


@pytest.fixture(scope="session")
def service(launcher_log: Path, deployed: Deployed) -> Iterator[httpx.Client]:
    """A client of the running service."""
    log = launcher_log
    port = yaml.safe_load(deployed.config.read_text())["http_options"]["port"]
    environment = os.environ | {"ECG_DATA_DIR": str(log.parent / "data"), "ECG_LOG_DIR": str(log.parent / "logs")}
    deploy_port = deployed.address.rpartition(":")[2]
    command = [sys.executable, "-m", "serve_app", "--config", str(deployed.config), "--deploy-port", deploy_port]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_until_all_ready(client, process, log)
            yield client
    finally:
        process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + 30
        while "stopping" not in log.read_text() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)  # while it stops, that changes nothing
        try:
            process.wait(90)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == 0, log.read_text()[-4000:]
