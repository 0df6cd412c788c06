"""An application that cannot be built, started as a user starts it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import yaml

from benchmarks.service import free_port
from tests.e2e.conftest import ROOT, START_LIMIT_S

BUILDER = """
def build(args):
    raise ImportError("the part that was not installed")
"""


def test_the_terminal_says_why_and_where_the_log_is_and_nothing_stays(tmp_path: Path) -> None:
    (tmp_path / "unbuildable.py").write_text(BUILDER)
    config = yaml.safe_load((ROOT / "config/local.yaml").read_text())
    config["http_options"]["port"] = port = free_port()
    config["applications"][0]["import_path"] = "unbuildable:build"
    path = tmp_path / "service.yaml"
    path.write_text(yaml.safe_dump(config))
    places = {"ECG_DATA_DIR": str(tmp_path / "data"), "ECG_LOG_DIR": str(tmp_path / "logs")}
    done = subprocess.run(
        [sys.executable, "-m", "serve_app", "--config", str(path)],
        cwd=ROOT,
        env=os.environ | places | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=START_LIMIT_S,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "the service was not started: " in done.stderr
    assert "the part that was not installed" in done.stderr
    assert "Traceback" not in done.stderr
    (log,) = (tmp_path / "logs").iterdir()
    assert str(log) in done.stderr
    assert "the part that was not installed" in log.read_text()  # kept, with the whole of it
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
