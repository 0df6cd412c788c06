"""The launcher is killed: nothing of the service is left. One whole service for each signal, as small as it can be."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from benchmarks.service import free_port
from serve_app.keeper import descendants
from tests.e2e.conftest import ROOT

LIMIT_S = 300  # as in conftest.py: the start of Ray takes minutes on a busy machine


def listening(pids: list[int]) -> set[int]:
    """Ports that these processes listen on."""
    found = set()
    for pid in pids:
        try:
            found |= {
                c.laddr.port for c in psutil.Process(pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN
            }
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.skipif(
    "ECG_SIGNAL_TESTS" not in os.environ,
    reason="a second whole service beside that of the other tests is too much for two cores; say ECG_SIGNAL_TESTS=1",
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda number: number.name)
def test_a_launcher_that_ends_leaves_no_process_and_no_port(
    number: signal.Signals, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """SIGINT ends the service of all other tests, in `conftest.py`."""
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip(f"this run ignores {number.name}, as under nohup, and so does a launcher that it starts")
    port = free_port()
    command = [sys.executable, "-m", "serve_app", "--weights", "small", "--port", str(port)]
    environment = os.environ | {"ECG_DATA_DIR": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        launcher = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment)
    request.addfinalizer(launcher.kill)  # a failed test leaves no service, either
    deadline = time.monotonic() + LIMIT_S
    answer = None
    while answer != 200:  # SIGKILL comes when the service is up, when there is most to leave behind
        assert launcher.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() < deadline, (tmp_path / "log").read_text()
        time.sleep(0.3)
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=10).status_code
        except httpx.HTTPError:
            continue
    ports: set[int] = set()
    while port not in ports:  # HAProxy is replaced by another when a replica comes
        assert time.monotonic() < deadline
        pids = descendants(launcher.pid)
        processes = [psutil.Process(pid) for pid in pids]
        ports = listening(pids)
    folder = Path(next(p for p in processes if "serve_app.keeper" in p.cmdline()).cmdline()[4])
    assert folder.is_dir()
    assert port in ports
    assert len(processes) > 8
    launcher.send_signal(number)
    launcher.wait(LIMIT_S)
    deadline = time.monotonic() + LIMIT_S
    while left := [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    open_now = {c.laddr.port for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert ports & open_now == set()
    assert not folder.exists()
