"""The launcher: what it refuses before anything starts, and that two services share nothing."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from serve_app.__main__ import _describe, _is_free, _metrics_url, _one_of_several
from serve_app.cluster import processors

ROOT = Path(__file__).resolve().parents[2]


def launch(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "serve_app", *options],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_what_the_replicas_of_a_file_take_of_the_processors() -> None:
    """Replicas that Ray has no room for would be waited for without a word."""
    local = yaml.safe_load((ROOT / "config" / "local.yaml").read_text())
    assert processors(local) == 1.8
    one = {"name": "A", "num_replicas": 3, "ray_actor_options": {"num_cpus": 0.5}}
    scaled = {"name": "B", "num_replicas": "auto", "autoscaling_config": {"min_replicas": 2, "initial_replicas": 4}}
    assert processors({"applications": [{"deployments": [one, scaled]}]}) == 5.5


@pytest.mark.parametrize("ports", [(1111, 2222), (2222, 1111)])
def test_the_metrics_are_those_of_the_last_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ports: tuple[int, int]
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert _metrics_url(7) is None
    for second, port in enumerate(ports):  # begun twice on a machine with few processors
        session = tmp_path / "ray" / f"session_2026-01-01_10-00-0{second}_000000_7"
        session.mkdir(parents=True)
        (session / "metrics_export_port_abc").write_text(str(port))
    assert _metrics_url(7) == f"http://127.0.0.1:{ports[1]}/metrics"


def test_two_services_have_no_port_and_no_file_in_common(tmp_path: Path) -> None:
    held = []
    environments = []
    for name in ("a", "b"):
        environment = _one_of_several(tmp_path / name)
        environments.append(environment)
        # a running service holds its ports
        for key in ("RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT", "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT"):
            held.append(socket.create_server(("127.0.0.1", int(environment[key]))))
    first, second = environments
    for listener in held:
        listener.close()
    own = [key for key in first if "PORT" in key or "SOCKET" in key or "HAPROXY" in key]
    assert "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT" in own
    assert [key for key in own if first[key] == second[key]] == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--port", "0"), "1 to 65535"),
        (("--port", "99999"), "1 to 65535"),
        (("--config", "/nonexistent.yaml"), "not a Serve configuration"),
        (("--config", "LICENSE"), "not a Serve configuration"),
        (("--weights", "/nowhere/at/all"), "There are no weights at /nowhere/at/all"),
        (("--check", "--set", "wieghts=hub"), "wieghts"),
        (("--check", "--set", "max_requests=none"), "max_requests"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_starts(options: tuple[str, ...], told: str) -> None:
    done = launch(*options)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = launch("--port", str(port))
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr


def test_a_data_folder_that_cannot_be_made_is_said() -> None:
    done = launch("--port", "7999", ECG_DATA_DIR="/dev/null/x")
    assert done.returncode == 2
    assert "/dev/null" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_terminal_says_that_a_model_is_untrained() -> None:
    model = {"state": "ready", "weights": "stand-in/1@x", "trained": False, "backend": "b", "precision": "p"}
    told = _describe({"status": "ready", "models": {"clinical": model | {"progress": None, "detail": None}}})
    assert "UNTRAINED" in told


def test_connections_that_have_ended_do_not_hold_a_port() -> None:
    """Whoever closes first waits for a minute in TIME_WAIT; a service that was stopped under traffic has many."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        served, _ = listener.accept()
        served.close()
        assert client.recv(1) == b""
        client.close()
        assert not _is_free(port)
    with socket.socket() as strict, pytest.raises(OSError, match="in use"):
        strict.bind(("127.0.0.1", port))  # the connection is there still
    assert _is_free(port)


def test_make_run_takes_a_port() -> None:
    told = subprocess.run(["make", "-n", "run", "PORT=8123"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "serve_app --port 8123" in told.stdout
