"""One real service for the whole suite: `python -m serve_app` with the stand-in models, as a user starts it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from benchmarks.service import free_port

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 300  # with a second try of Ray's first node, which a busy machine needs now and then


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


@pytest.fixture(scope="session")
def temporary_files() -> Iterator[Path]:
    """The service's own folder of temporary files, Ray's session among them; 39 letters at most (docs/settings.md)."""
    folder = Path(tempfile.mkdtemp(prefix="ecg-e2e-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Deployed:
    """What the service was started with, where `serve deploy` reaches it, and where it may leave files."""

    config: Path
    address: str
    temporary_files: Path

    @property
    def data(self) -> Path:
        """The folder of the store."""
        return self.config.parent / "data"

    @property
    def logs(self) -> Path:
        """The folder of what Ray and Serve say."""
        return self.config.parent / "logs"


def folder_of_launcher(deployed: Deployed) -> Path:
    """The folder in which the launcher has its configuration and HAProxy's."""
    (keeper,) = [child for child in launcher_of(deployed).children() if "serve_app.keeper" in child.cmdline()]
    return Path(keeper.cmdline()[4])


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
def deployed(launcher_log: Path, temporary_files: Path) -> Deployed:
    """The Serve file of the service: that of one machine, with the readiness of a cluster, and the stand-in models."""
    config = yaml.safe_load((ROOT / "config/local.yaml").read_text())
    config["http_options"]["port"] = free_port()
    (application,) = config["applications"]
    application["args"] |= {"clinical_weights": "stand-in", "feature_weights": "stand-in", "models_must_load": True}
    rollout = {"name": "Rollout", "health_check_period_s": 1, "ray_actor_options": {"num_cpus": 0.1}}
    application["deployments"].append(rollout)
    path = launcher_log.parent / "service.yaml"
    path.write_text(yaml.safe_dump(config))
    return Deployed(path, f"http://127.0.0.1:{free_port()}", temporary_files)


@pytest.fixture(scope="session")
def service(launcher_log: Path, deployed: Deployed) -> Iterator[httpx.Client]:
    """A client of the running service."""
    log = launcher_log
    port = yaml.safe_load(deployed.config.read_text())["http_options"]["port"]
    folders = {"ECG_DATA_DIR": deployed.data, "ECG_LOG_DIR": deployed.logs, "TMPDIR": deployed.temporary_files}
    environment = os.environ | {name: str(folder) for name, folder in folders.items()}
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
