"""The launcher: what it refuses before anything starts, what it says, and that two services share nothing."""

import argparse
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
import yaml
from ray.exceptions import GetTimeoutError
from ray.serve.schema import ServeDeploySchema
from rich.console import Console

from ecg.errors import MalformedInput, WeightsUnavailable
from ecg.models.hub import FILES
from ecg.models.weights import SMALL, SMALL_NAME
from serve_app import cluster
from serve_app.cluster import cause, follow, processors, start_again_if_need_be
from serve_app.environment import ray_environment
from serve_app.launcher import log_file, watch
from serve_app.launcher.options import only_name, open_to_all, parser, weights_by_model, with_options
from serve_app.launcher.ports import is_free, local_url, one_of_several, place_of_folder, refusal, too_long_for_sockets
from serve_app.launcher.watch import Address, Watch, advice, describe, metrics_url

ROOT = Path(__file__).resolve().parents[2]


def launch(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "serve_app", *options],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_what_the_replicas_of_a_file_take_of_the_processors() -> None:
    """Replicas that Ray has no room for would be waited for without a word."""
    local = yaml.safe_load((ROOT / "config" / "local.yaml").read_text())
    assert processors(local) == 1.6
    one = {"name": "A", "num_replicas": 3, "ray_actor_options": {"num_cpus": 0.5}}
    scaled = {"name": "B", "num_replicas": "auto", "autoscaling_config": {"min_replicas": 2, "initial_replicas": 4}}
    assert processors({"applications": [{"deployments": [one, scaled]}]}) == 5.5


def test_a_proxy_for_the_web_is_not_asked_for_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    """With http_proxy set, as hospitals have it, no deployment reached another."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("https_proxy", "no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("grpc_proxy", ray_environment()["grpc_proxy"])
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            grpc.channel_ready_future(channel).result(timeout=30)
    finally:
        server.stop(None).wait()


@pytest.mark.parametrize("ports", [(1111, 2222), (2222, 1111)])
def test_the_metrics_are_those_of_the_last_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ports: tuple[int, int]
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert metrics_url(7) is None
    for second, port in enumerate(ports):  # begun twice on a machine with few processors
        session = tmp_path / "ray" / f"session_2026-01-01_10-00-0{second}_000000_7"
        session.mkdir(parents=True)
        (session / "metrics_export_port_abc").write_text(str(port))
    assert metrics_url(7) == f"http://127.0.0.1:{ports[1]}/metrics"


def test_two_services_have_no_port_and_no_file_in_common(tmp_path: Path) -> None:
    held = []
    environments = []
    for name in ("a", "b"):
        environment = one_of_several(tmp_path / name)
        environments.append(environment)
        # a running service holds its ports
        for key in ("RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT", "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT"):
            held.append(socket.create_server(("127.0.0.1", int(environment[key]))))
    first, second = environments
    for listener in held:
        listener.close()
    named = ("PORT", "SOCKET", "HAPROXY")
    own = [key for key in first if any(part in key for part in named) and "TIMEOUT" not in key]
    assert "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT" in own
    assert [key for key in own if first[key] == second[key]] == []
    # Linux gives the ports between to any connection that begins, of which a start makes hundreds.
    assert not [key for key in own if key.endswith("_PORT") and 32_768 <= int(first[key]) <= 60_999]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--port", "0"), "1 to 65535"),
        (("--port", "99999"), "1 to 65535"),
        (("--config", "/nonexistent.yaml"), "not a Serve configuration"),
        (("--config", "LICENSE"), "not a Serve configuration"),
        (("--weights", "/nowhere/at/all"), "There are no weights at /nowhere/at/all"),
        (("--weights", "clinical=/nowhere"), "from https://huggingface.co/wanglab/ecg-fm into a folder"),
        (("--host", "0.0.0.0"), "no key is asked for"),
        (("--hub-revision", "../x"), "a branch or tag, or a commit"),
        (("--check", "--set", "wieghts=hub"), "wieghts"),
        (("--check", "--set", "max_requests=none"), "max_requests"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_starts(options: tuple[str, ...], told: str) -> None:
    done = launch(*options)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_half_of_tls_is_refused() -> None:
    done = launch("--port", "7999", ECG_TLS_CERTIFICATE="/nowhere/chain.pem")
    assert (done.returncode, done.stderr) == (2, "ECG_TLS_CERTIFICATE is set and ECG_TLS_KEY is not: TLS needs both.\n")


def test_a_port_in_use_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = launch("--port", str(port))
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr


def test_a_folder_of_temporary_files_with_too_long_a_name_is_said() -> None:
    """Ray's socket would not fit, and it ended in a traceback."""
    with tempfile.TemporaryDirectory(prefix="x" * 100) as folder:
        done = launch("--port", "7999", TMPDIR=folder)
    assert done.returncode == 2
    assert "TMPDIR" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("temporary", "place"), [("/tmp", "/tmp"), ("/var/tmp", "/var/tmp"), ("/home/user/tmp", "/tmp")]
)
def test_haproxys_sockets_fit_whatever_the_folder_of_temporary_files_is_called(
    temporary: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With TMPDIR of ten letters HAProxy ended with "socket path too long": Ray adds the id of the node."""
    monkeypatch.setattr(tempfile, "tempdir", temporary)
    assert place_of_folder("ecg-serve-12345678") == place
    assert too_long_for_sockets(Path(place) / "ecg-serve-12345678") is None
    assert too_long_for_sockets(Path("/home/user/tmp/ecg-serve-12345678")) is not None


def test_a_data_folder_that_cannot_be_made_is_said() -> None:
    done = launch("--port", "7999", ECG_DATA_DIR="/dev/null/x")
    assert done.returncode == 2
    assert "/dev/null" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_terminal_says_that_a_model_is_untrained() -> None:
    model = {"state": "ready", "weights": "stand-in/1@x", "trained": False, "backend": "b", "precision": "p"}
    told = describe({"status": "ready", "models": {"clinical": model | {"progress": None, "detail": None}}})
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
        assert not is_free(port)
    with socket.socket() as strict, pytest.raises(OSError, match="in use"):
        strict.bind(("127.0.0.1", port))  # the connection is there still
    assert is_free(port)


def test_make_run_takes_a_port() -> None:
    told = subprocess.run(["make", "-n", "run", "PORT=8123"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "serve_app --port 8123" in told.stdout


def options(*said: str) -> argparse.Namespace:
    return parser().parse_args(said)


def local_config() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((ROOT / "config" / "local.yaml").read_text())
    return config


def settings_of(*said: str) -> dict[str, Any]:
    settings: dict[str, Any] = with_options(local_config(), options(*said))["applications"][0]["args"]
    return settings


def test_host_and_port_stand_in_the_configuration() -> None:
    http = with_options(local_config(), options("--host", "127.0.0.2", "--port", "7000"))["http_options"]
    assert (http["host"], http["port"]) == ("127.0.0.2", 7000)
    assert local_url("0.0.0.0", 7000) == "http://127.0.0.1:7000"
    assert local_url("127.0.0.2", 7000, tls=True) == "https://127.0.0.2:7000"


def test_a_file_without_an_address_is_served_on_this_machine_alone() -> None:
    """Ray would listen on every address, with the inbox open to the network."""
    config = local_config()
    del config["http_options"]["host"]
    assert with_options(config, options())["http_options"]["host"] == "127.0.0.1"
    del config["http_options"]
    assert with_options(config, options())["http_options"]["host"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("settings", "started"),
    [
        ({"keys_file": "keys.json"}, True),
        ({"oidc": {"issuer": "x"}}, True),
        ({"demo": True}, True),
        ({"demo": "false"}, False),  # a text, which AppSettings takes for no
        ({"demo": False}, False),
        ({}, False),
        (None, False),
    ],
    ids=str,
)
def test_every_application_on_the_network_asks_for_a_key(settings: dict[str, Any] | None, started: bool) -> None:
    guarded = {"name": "first", "args": {"keys_file": "keys.json"}}
    config = {"http_options": {"host": "0.0.0.0"}, "applications": [guarded, {"name": "second", "args": settings}]}
    assert (open_to_all(config) is None) == started
    config["http_options"] = {"host": "127.0.0.1"}
    assert open_to_all(config) is None


def test_the_launcher_calls_the_service_by_a_name_that_it_answers_to() -> None:
    """With `allowed_hosts` alone its own question was refused, and the terminal never said that it was ready."""
    names = {"[ecg.example, b]": "ecg.example", "[a, '*']": None, "null": None}
    for said, name in names.items():
        assert only_name(with_options(local_config(), options("--set", f"allowed_hosts={said}"))) == name
    assert only_name(local_config()) is None


def test_an_address_of_another_machine_is_refused() -> None:
    assert refusal("192.0.2.1", 7999) == "192.0.2.1 is not an address of this machine"  # kept for documents: RFC 5737
    assert "no IPv4 address" in (refusal("no such host", 7999) or "")


def test_weights_may_be_given_for_one_model(tmp_path: Path) -> None:
    file = tmp_path / FILES["finetuned"]
    file.write_bytes(b"x")
    ours = settings_of()
    for said in (f"clinical={file}", str(file), f"clinical={tmp_path}"):
        settings = settings_of("--weights", said)
        assert settings["clinical_weights"] in (str(file), str(tmp_path)), said
        assert settings.get("feature_weights") == ours.get("feature_weights")
    both = settings_of("--weights", f"clinical={file}", "--weights", "features=small")
    assert (both["clinical_weights"], both["feature_weights"]) == (str(file), "small")
    with pytest.raises(WeightsUnavailable, match=f"(?s)no {FILES['pretrained']}.*say --weights clinical="):
        weights_by_model([str(tmp_path)])
    with pytest.raises(MalformedInput, match=r"say which, --weights clinical=.* or --weights features="):
        weights_by_model([str(SMALL)])


def test_paths_are_taken_as_they_are_and_settings_are_yaml(tmp_path: Path) -> None:
    """Read as YAML, the path of the keys ended at the blank, and every call was answered 401."""
    named = tmp_path / "a #2: x"
    named.mkdir()
    for file in FILES.values():
        (named / file).write_bytes(b"x")
    settings = settings_of("--keys", str(named / "keys.json"), "--weights", str(named), "--set", "allowed_hosts=[a, b]")
    assert settings["keys_file"] == str(named / "keys.json")
    assert (settings["clinical_weights"], settings["feature_weights"]) == (str(named), str(named))
    assert settings["allowed_hosts"] == ["a", "b"]
    assert settings_of("--demo")["demo"] is True


def test_weights_of_the_command_line_stand_over_those_of_the_deployment() -> None:
    config = local_config()
    deployments = config["applications"][0]["deployments"]
    for entry in deployments:
        if entry["name"] in ("ClinicalModel", "FeatureModel"):
            entry["user_config"] = {"weights": "hub", "threads": 1}
    with_options(config, options("--weights", "clinical=small"))
    left = {entry["name"]: entry["user_config"] for entry in deployments if entry.get("user_config")}
    assert left["ClinicalModel"] == {"threads": 1}
    assert left["FeatureModel"] == {"weights": "hub", "threads": 1}


def test_a_missing_library_is_one_line() -> None:
    run = "from serve_app.__main__ import main; raise SystemExit(main())"
    hidden = (
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'sqlalchemy' else real(name, *more)\n"
    )
    done = subprocess.run([sys.executable, "-c", hidden + run], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "sqlalchemy is not installed; this brings it: pip install 'ecg-serve[all]'\n"


def application(status: str, message: str = "", **deployments: tuple[str, str]) -> SimpleNamespace:
    """What `serve.status()` says of one application."""
    inner = {name: SimpleNamespace(status=state, message=text) for name, (state, text) in deployments.items()}
    return SimpleNamespace(status=status, message=message, deployments=inner)


def followed(
    *states: SimpleNamespace | Exception, beside: SimpleNamespace | None = None
) -> tuple[str | None, list[str]]:
    left, said = list(states), []

    def status() -> SimpleNamespace:
        state = left.pop(0)
        if isinstance(state, Exception):
            raise state
        return SimpleNamespace(applications={"ecg": state} | ({} if beside is None else {"inbox": beside}))

    return follow(status, said.append, lambda: bool(left), every_s=0.0), said


TRACEBACK = """Deploying app 'ecg' failed with exception:
Traceback (most recent call last):
  File "app.py", line 3, in build
ModuleNotFoundError: No module named 'alembic'
"""


def test_an_application_that_cannot_be_built_ends_with_its_cause() -> None:
    failure, said = followed(
        RuntimeError("no controller"), application("DEPLOYING"), application("DEPLOY_FAILED", TRACEBACK)
    )
    assert failure == "ModuleNotFoundError: No module named 'alembic'"
    assert said == [log_file.STEP + "loading the application"]


def test_a_ray_that_does_not_come_up_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "")  # put back afterwards
    tries, said = [], []

    def begin() -> None:
        tries.append("begin")
        if tries.count("begin") < 2:
            raise TimeoutError("The current node timed out during startup.")

    start_again_if_need_be(begin, lambda: tries.append("clear"), said.append)
    assert tries == ["begin", "clear", "begin"]
    assert said == [log_file.STEP + "starting Ray again (its node did not come up within 45 s)"]
    with pytest.raises(ZeroDivisionError):
        start_again_if_need_be(lambda: 1 / 0, lambda: tries.append("clear"), said.append)
    assert said[-1] == log_file.FAILED + "Ray did not start in 3 tries: division by zero"
    assert tries.count("clear") == 1 + 3


def test_the_start_says_what_it_waits_for() -> None:
    waits = application("DEPLOYING", Ingress=("UPDATING", ""), Measure=("HEALTHY", ""))
    trouble = application("DEPLOYING", Inbox=("UPDATING", "The replica failed.\nStoreUnavailable: x\nOSError: no room"))
    failure, said = followed(waits, waits, trouble, application("RUNNING"))
    assert failure is None
    assert said == [log_file.STEP + "starting Ingress", log_file.STEP + "starting Inbox (OSError: no room)"]
    assert followed(waits) == (None, [log_file.STEP + "starting Ingress"])  # stopped before it runs: asked no more
    assert cause("") == "no reason was given"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (GetTimeoutError("Get timed out"), "Serve's proxy did not come up within 240 s"),
        (RuntimeError("[ALERT] (1) : Binding x: cannot bind socket\n"), "HAProxy: Binding x: cannot bind socket"),
    ],
)
def test_a_serve_that_does_not_come_up_ends_the_start(
    error: Exception, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a Ray: what is asked of it is recorded, and the proxy never answers."""
    asked: list[str] = []

    def no_proxy(*_: object, **__: object) -> None:
        asked.append("wait for the proxy")
        raise error

    class Client:
        def __init__(self, controller: str) -> None:
            assert controller == "controller"

        def deploy_apps(self, schema: ServeDeploySchema, _blocking: bool) -> None:
            asked.append(f"deploy {schema.applications[0].name}")

    monkeypatch.setattr(cluster, "_create_controller_and_proxy_refs", lambda **_: ("controller", ["proxy"]))
    monkeypatch.setattr(cluster, "ServeControllerClient", Client)
    monkeypatch.setattr(cluster, "_set_global_client", lambda _: None)
    monkeypatch.setattr(cluster.ray, "get", no_proxy)
    monkeypatch.setattr(cluster.serve, "shutdown", lambda: asked.append("shut down"))
    with pytest.raises(SystemExit) as ended:
        cluster._serve(yaml.safe_load((ROOT / "config" / "local.yaml").read_text()))
    assert ended.value.code == 1
    assert asked == ["deploy ecg", "wait for the proxy", "shut down"]  # what is built while the proxy starts
    assert log_file.FAILED + told in capsys.readouterr().out.splitlines()


def test_a_proxy_that_cannot_listen_is_named_with_its_port() -> None:
    message = (
        "ray::HAProxyManager.ready() (pid=22990, ip=127.0.0.1)\n"
        "RuntimeError: HAProxy crashed during startup: [NOTICE]   (23064) : haproxy version is 2.8\n"
        "[WARNING]  (23064) : config : log format ignored for proxy 'stats' since it has no log address.\n"
        "[ALERT]    (23064) : Binding [x.cfg:99] for proxy stats: cannot bind socket (Address already in use) for "
        "[127.0.0.1:46711]\n"
        "[ALERT]    (23064) : [haproxy.main()] Some protocols failed to start their listeners! Exiting.\n"
    )
    assert cause(message).startswith("HAProxy: Binding")
    assert "Address already in use" in cause(message)
    assert "127.0.0.1:46711" in cause(message)


def test_the_start_waits_for_every_application() -> None:
    runs, waits = application("RUNNING"), application("DEPLOYING", Inbox=("UPDATING", ""))
    assert followed(runs, runs, beside=waits) == (None, [log_file.STEP + "starting Inbox"])
    failure, _ = followed(runs, beside=application("DEPLOY_FAILED", TRACEBACK))
    assert failure == "ModuleNotFoundError: No module named 'alembic'"


def test_logs_are_kept_and_only_the_last_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECG_LOG_DIR", str(tmp_path / "logs"))
    place = log_file.folder()
    assert place == tmp_path / "logs"
    for number in range(log_file.KEPT + 2):
        place.mkdir(exist_ok=True)
        (place / f"serve-2026010{number:02}-000000-1.log").write_text("old")
    path = log_file.new(place)
    assert (path.stat().st_mode & 0o777, len(list(place.iterdir()))) == (0o600, log_file.KEPT)
    assert path.exists()


def test_the_log_tells_step_and_failure(tmp_path: Path) -> None:
    path = log_file.new(tmp_path)
    reader = log_file.Reader(path)
    with path.open("ab") as log:
        log.write(b"2026 INFO something\necg-serve: starting Ray\necg-serve fai")
        log.flush()
        assert reader.new_lines() == ["2026 INFO something", "ecg-serve: starting Ray"]
        log.write(b"led: OSError: x\n")
        log.flush()
    reader.new_lines()
    reader.close()
    assert (reader.step, reader.failure) == ("starting Ray", "OSError: x")


READY = {
    "status": "ready",
    "models": {
        "clinical": {
            "state": "ready",
            "weights": f"{SMALL_NAME}@sha256:x",
            "trained": True,
            "backend": "torch",
            "precision": "float32",
            "progress": None,
            "detail": "no revision abc",
        }
    },
}


def test_the_terminal_says_how_to_get_real_weights() -> None:
    assert "some labels only" in describe(READY)
    reason, how = advice(READY)
    assert reason == "no revision abc"
    assert "--weights FOLDER" in how
    published = {
        "status": "ready",
        "models": {"clinical": READY["models"]["clinical"] | {"weights": "wanglab/ecg-fm/x@y"}},
    }
    assert advice(published) == []


@contextmanager
def health_server(answer: Callable[[str | None], tuple[int, dict[str, Any]]]) -> Iterator[str]:
    """The URL of a server that answers every GET with the status and document that `answer` gives for its Host."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, document = answer(self.headers["Host"])
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_what_is_ready_is_asked_less_often_and_what_is_not_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "EVERY_S", 0.01)
    monkeypatch.setattr(watch, "READY_EVERY_S", 1.0)
    starting, degraded = {"status": "starting", "models": {}}, READY | {"status": "degraded"}
    answers = [starting, starting, READY, READY, degraded, degraded, READY]
    asked_at: list[float] = []
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)

    def answer(_: str | None) -> tuple[int, dict[str, Any]]:
        asked_at.append(time.monotonic())
        if len(asked_at) == len(answers):
            process.kill()
        return 200, answers[len(asked_at) - 1]

    out = io.StringIO()
    reader = log_file.Reader(log_file.new(tmp_path))
    with health_server(answer) as url:
        console = Console(file=out, highlight=False, soft_wrap=True)
        Watch(console, Address(url), None, open_page=False, verbose=False).until_it_ends(process, reader)
    reader.close()
    process.communicate()
    rested = [later - earlier > 0.9 for earlier, later in pairwise(asked_at)]  # the least that is waited, less a tick
    assert rested[2:4] == [True, True]
    assert [line.split()[2] for line in out.getvalue().splitlines() if " s  " in line] == [
        "starting",
        "ready",
        "degraded",
        "ready",
    ]


def test_the_page_is_opened_once_and_the_log_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is ready, and a browser of the user's: what `--open` and `--verbose` do."""
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # not for what is on this machine
    monkeypatch.delenv("no_proxy", raising=False)

    out = io.StringIO()
    log = log_file.new(tmp_path)
    with health_server(lambda host: (200 if host == "ecg.example" else 421, READY)) as url:
        # It logs a line and ends once the page was opened.
        wait = f"while [ ! -s {opened} ]; do sleep 0.05; done; sleep 0.7; echo 'a line of Ray [x]' >> {log}"
        process = subprocess.Popen(["sh", "-c", wait])
        console = Console(file=out, highlight=False, soft_wrap=True)
        reader = log_file.Reader(log)
        Watch(console, Address(url, "ecg.example"), None, open_page=True, verbose=True).until_it_ends(process, reader)
        reader.close()
    assert opened.read_text() == f"{url}\n"
    assert "a line of Ray [x]" in out.getvalue()
    assert out.getvalue().count("open http") == 1
