"""One real service for the whole suite: `python -m serve_app` with the stand-in models, as a user starts it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 180


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


@pytest.fixture(scope="session")
def service(launcher_log: Path) -> Iterator[httpx.Client]:
    """A client of the running service."""
    log = launcher_log
    port = free_port()
    environment = os.environ | {"ECG_DATA_DIR": str(log.parent / "data")}
    command = [sys.executable, "-m", "serve_app", "--weights", "stand-in", "--port", str(port)]
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
