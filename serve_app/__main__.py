"""`python -m serve_app`: start the service on this machine, say what it is doing, stop it cleanly on Ctrl-C."""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from ecg._version import __version__
from ecg.models.hub import FILES, REPOSITORY
from ecg.models.weights import NAMED_SOURCES, SMALL_NAME
from serve_app.environment import fast_plane_available, ray_environment
from serve_app.keeper import adopt_orphans, descendants, kill_descendants

console = Console(stderr=True, highlight=False, soft_wrap=True)
ROOT = Path(__file__).resolve().parent.parent
#: The Serve files: beside the packages in a checkout, inside this one where it was installed.
CONFIG = ROOT / "config" if (ROOT / "config" / "local.yaml").exists() else ROOT / "serve_app" / "config"


def main() -> int:
    """Exit status: 0 after a requested stop, 1 when the service did not start or fell over, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m serve_app", description=__doc__)
    parser.add_argument("--config", type=Path, default=CONFIG / "local.yaml", help="Serve YAML file")
    parser.add_argument("--port", type=_port, help="HTTP port, instead of the one in the file")
    parser.add_argument(
        "--weights", help="auto, hub, small, stand-in, or a folder with both checkpoints; for both models"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any other application setting")
    parser.add_argument(
        "--deploy-port", type=_port, metavar="N", help="also take `serve deploy --address http://127.0.0.1:N FILE`"
    )
    parser.add_argument("--keys", help="file of API keys (`ecg keys`), which every caller then needs")
    parser.add_argument(
        "--demo", action="store_true", help="a public demo: beyond this machine without keys, nothing is kept"
    )
    parser.add_argument("--version", action="version", version=f"ecg-serve {__version__}")
    parser.add_argument("--check", action="store_true", help="only check the file")
    options = parser.parse_args()
    if (missing := _no_weights(options.weights)) is not None:
        parser.error(missing)
    with tempfile.TemporaryDirectory(prefix="ecg-serve-") as folder:
        path = Path(folder) / options.config.name
        try:
            config = _with_options(yaml.safe_load(options.config.read_text()), options)
        except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
            console.print(f"{options.config} is not a Serve configuration: {error}", markup=False)
            return 2
        path.write_text(yaml.safe_dump(config))
        # Ray's schemas weigh 100 MB: they are loaded in a process that ends, not in this one, which stays.
        check = [sys.executable, "-m", "serve_app.config_check", str(path)]
        if not options.check:
            check.append("--make-folders")
        checked = subprocess.run(check, stdout=subprocess.DEVNULL, check=False, env=_python_path())  # noqa: S603
        if checked.returncode:
            return checked.returncode
        if options.check:
            console.print(f"{options.config}: every key is known")
            return 0
        if (refused := _open_to_all(config)) is not None:
            console.print(refused, markup=False)
            return 2
        port = config.get("http_options", {}).get("port", 8000)
        if not _is_free(port):
            console.print(f"port {port} is in use: say --port, or stop what uses it")
            return 1
        return _run(path, port, options.deploy_port)


def _open_to_all(config: dict[str, Any]) -> str | None:
    """Why a service that everybody on the network could use is not started; None for any other."""
    host = str(config.get("http_options", {}).get("host", "127.0.0.1"))
    settings = config["applications"][0].get("args", {})
    if host in ("localhost", "::1") or host.startswith("127.") or settings.get("keys_file") or settings.get("demo"):
        return None
    return (
        f"{host} can be reached from other machines, and no key is asked for. Make one with\n"
        "    ecg keys --file keys.json create NAME --scope analyze\n"
        "and start with --keys keys.json; or say --demo for a public demo, which keeps nothing."
    )


def _no_weights(source: str | None) -> str | None:
    """What to do when `--weights` is a path where nothing is, said before Ray starts; None when it may be there."""
    if source in (None, *NAMED_SOURCES) or Path(source).expanduser().exists():
        return None
    return (
        f"There are no weights at {source}. Say a folder that holds {' and '.join(FILES.values())}\n"
        f"(published at https://huggingface.co/{REPOSITORY}), or one of {', '.join(NAMED_SOURCES)}."
    )


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def _with_options(config: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    if options.port:
        config.setdefault("http_options", {})["port"] = options.port
    settings = dict(item.partition("=")[::2] for item in options.set)
    if options.weights:
        settings |= {"clinical_weights": options.weights, "feature_weights": options.weights}
    if options.keys:
        settings["keys_file"] = str(Path(options.keys).absolute())
    if options.demo:
        settings["demo"] = "true"
    application = config["applications"][0]
    if options.weights:
        for deployment in application.get("deployments", []):
            (deployment.get("user_config") or {}).pop("weights", None)  # it would stand over the setting
    args = application.setdefault("args", {})
    args |= {key: yaml.safe_load(value) for key, value in settings.items()}
    return config


def _run(path: Path, port: int, deploy_port: int | None) -> int:
    url = f"http://127.0.0.1:{port}"
    log = path.with_suffix(".log")
    console.print(f"starting Ray Serve on {url} (Ctrl-C stops it)")
    if not fast_plane_available():
        console.print("HAProxy is not available on this system: the default proxy is used, which is slower")
    environment = ray_environment() | _one_of_several(path.parent) | _python_path()
    cluster = [sys.executable, "-m", "serve_app.cluster", str(path), *([str(deploy_port)] if deploy_port else [])]
    adopt_orphans()  # of a keeper that was killed
    with log.open("wb") as output:
        # A session of its own: Ctrl-C reaches this process alone, which then stops the other in good order.
        # A shell that starts this in the background hands down an ignored SIGINT, which nothing could then stop.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        server = subprocess.Popen(  # noqa: S603  our own interpreter and file
            [sys.executable, "-m", "serve_app.keeper", str(os.getpid()), str(path.parent), *cluster],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, signal.default_int_handler)
    try:
        _watch(server, url, environment["RAY_SERVE_HAPROXY_METRICS_PORT"] if fast_plane_available() else None)
    except KeyboardInterrupt:
        return _stop(server)
    finally:
        kill_descendants()
    console.print(f"Ray Serve ended by itself. Its last words:\n{log.read_text()[-3000:]}", markup=False)
    return 1


def _python_path() -> dict[str, str]:
    """This environment, with the project importable in every process it starts."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}


def _one_of_several(folder: Path) -> dict[str, str]:
    """Environment for a service that shares its machine with others: a cluster, ports and sockets of its own."""
    http, grpc = _free_ports(20_000), _free_ports(26_000)
    with socket.socket() as metrics, socket.socket() as stats:
        metrics.bind(("127.0.0.1", 0))
        stats.bind(("127.0.0.1", 0))
        return {
            # Replicas bind with SO_REUSEPORT: on one port, two services would get each other's requests.
            "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(http[0]),
            "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(http[-1]),
            "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(grpc[0]),
            "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(grpc[-1]),
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(http[0] - 1),
            "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(grpc[0] - 1),
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
            "RAY_ADDRESS": "local",
            # On a machine that is busy with other things the first node takes longer than Ray's half minute.
            "RAY_raylet_start_wait_time_s": "120",
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics.getsockname()[1]),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(stats.getsockname()[1]),
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
            "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
            # It stops when it is told to: no half minute of draining for clients that are not there.
            "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
        }


def _free_ports(first: int, tries: int = 100) -> range:
    """40 ports in a row that nobody listens on, between `first` and 6,000 above it (below the ephemeral ports)."""
    for _ in range(tries):
        start = first + 40 * random.randrange(150) + 1
        ports = range(start, start + 39)
        if all(_is_free(port) for port in (start - 1, *ports)):
            return ports
    raise OSError("No free ports for the replicas.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As a server binds: connections of an earlier service that are not forgotten yet (TIME_WAIT) are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104  asked as the replicas will; it is closed at once
        except OSError:
            return False
    return True


def _watch(server: subprocess.Popen[bytes], url: str, proxy_port: str | None) -> None:
    """Print every change of state until the server ends; a KeyboardInterrupt passes through."""
    start = time.monotonic()
    said = metrics = None
    while server.poll() is None:
        told = _describe(_health(url))
        if told != said:
            console.print(f"[dim]{time.monotonic() - start:5.1f} s[/dim]  {told}")
            if told.startswith("ready"):
                console.print(f"open {url} , or post a recording to {url}/analyze")
            said = told
        if metrics is None and told.startswith("ready") and (metrics := _metrics_url(*descendants(server.pid))):
            console.print(f"metrics: {metrics}")
            if proxy_port is not None:
                console.print(f"metrics of the proxy: http://127.0.0.1:{proxy_port}/metrics")
        time.sleep(0.5)


def _metrics_url(*pids: int) -> str | None:
    """Where this cluster's Prometheus metrics are; Ray names its session folder by the driver's id, one of `pids`."""
    ray_folder = Path(os.environ.get("RAY_TMPDIR", tempfile.gettempdir())) / "ray"
    # The last by its time: `serve_app.cluster` may have begun twice, and numbers of processes come again.
    files = (file for pid in pids for file in ray_folder.glob(f"session_*_{pid}/metrics_export_port_*"))
    file = max(files, default=None)
    return None if file is None else f"http://127.0.0.1:{file.read_text().strip()}/metrics"


def _health(url: str) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:  # noqa: S310  a fixed http URL
            health: dict[str, Any] = json.load(answer)
            return health
    except (OSError, urllib.error.URLError, ValueError):
        return None


def _describe(health: dict[str, Any] | None) -> str:
    if health is None:
        return "starting the cluster"
    parts = []
    for name, model in health["models"].items():
        progress = model["progress"]
        if model["state"] == "ready":
            told = f"{model['weights'].partition('@')[0]} ({model['backend']} {model['precision']}{_about(model)})"
        elif progress and progress["total_bytes"]:
            told = f"{progress['step']} {100 * progress['done_bytes'] // progress['total_bytes']} %"
        else:
            told = (progress or {}).get("step") or model["detail"] or model["state"]
        parts.append(f"{name}: {told}")
    return f"{health['status']} — " + "; ".join(parts)


def _about(model: dict[str, Any]) -> str:
    """What a reader of the terminal must know of weights that are not the published ones."""
    if not model["trained"]:
        return ", UNTRAINED stand-in: labels and embeddings carry no meaning"
    if model["weights"].startswith(SMALL_NAME):
        return ", the SMALL model of the package: some labels only; --weights hub for the published one"
    return ""


def _stop(server: subprocess.Popen[bytes]) -> int:
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGQUIT,
    ):  # a second one does not make it quicker, only untidy
        signal.signal(number, signal.SIG_IGN)
    console.print("stopping")
    server.send_signal(signal.SIGINT)
    try:
        server.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        console.print("[red]it did not stop within a minute and was killed[/red]")
        return 1
    console.print("stopped")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
