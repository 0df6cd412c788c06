"""Start the service as a child of this process, watch it, and stop it."""

import argparse
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from ecg.errors import EcgError
from serve_app.environment import LOCAL_HOSTS, fast_plane_available, ray_environment
from serve_app.keeper import adopt_orphans, kill_descendants
from serve_app.launcher import log_file, ports
from serve_app.launcher.log_file import REFUSED
from serve_app.launcher.options import is_loopback, only_name, open_to_all, parser, python_path, with_options
from serve_app.launcher.watch import Address, Watch

console = Console(stderr=True, highlight=False, soft_wrap=True)
#: So long lives only a service that works, also where one of its models never loads and it is never ready.
WORKED_S = 300.0
#: A service that has worked and ends by itself is started again, but not for ever.
MOST_RESTARTS, RESTARTS_WITHIN_S = 5, 3600.0
_FOLDER = "ecg-serve-"
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def start() -> int:
    """Exit status: 0 after a requested stop, 1 when the service did not start or fell over, 2 for bad input."""
    options = parser().parse_args()
    if options.hub_revision:
        os.environ["ECG_HUB_REVISION"] = options.hub_revision  # every process of the service inherits it
    with tempfile.TemporaryDirectory(prefix=_FOLDER, dir=ports.place_of_folder(f"{_FOLDER}12345678")) as folder:
        path = Path(folder) / options.config.name
        try:
            config = with_options(yaml.safe_load(options.config.read_text()), options)
            refused = None if options.check else open_to_all(config)
            tls = not options.check and ports.speaks_tls()
        except EcgError as error:
            return _refuse(error.message)
        except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
            return _refuse(f"{options.config} is not a Serve configuration: {error}")
        if refused is not None:
            return _refuse(refused)
        path.write_text(yaml.safe_dump(config))
        if not options.check:
            return _run(path, config, tls, options)
        if status := _checked(path):
            return status
        console.print(f"{options.config}: every key is known")
        return 0


def _refuse(why: str, status: int = 2) -> int:
    console.print(why, markup=False)
    return status


def _checked(path: Path) -> int:
    """Exit status of the strict check of a file."""
    check = [sys.executable, "-m", "serve_app.config_check", str(path)]
    # In a session of its own it does not hear Ctrl-C, of which it would make a traceback.
    return subprocess.run(  # noqa: S603  our own interpreter and file
        check, stdout=subprocess.DEVNULL, check=False, env=python_path(), start_new_session=True
    ).returncode


def _run(path: Path, config: dict[str, Any], tls: bool, options: argparse.Namespace) -> int:
    host, port = _address(config)
    if (refused := ports.refusal(host, port)) is not None:
        return _refuse(refused, status=1)
    if (refused := ports.too_long_for_sockets(path.parent)) is not None:
        return _refuse(refused)
    url = ports.local_url(host, port, tls)
    log = _log(path.parent)
    console.print(f"starting Ray Serve on {url} (Ctrl-C stops it)")
    console.print(f"log: {log}", markup=False)
    if not fast_plane_available():
        console.print("HAProxy is not available on this system: the default proxy is used, which is slower")
    service = _Service(path, config, url, log, options)
    begun: list[float] = []
    expected_s = None  # until it is ready: what it took the last time
    while True:
        begun.append(time.monotonic())
        try:
            status, ready_after_s = service.live(expected_s)
        except EcgError as error:  # the certificate has changed since the last start
            return _refuse(error.message, status=1)
        if status is not None:
            return status
        expected_s = ready_after_s or expected_s
        if len([at for at in begun if time.monotonic() - at < RESTARTS_WITHIN_S]) > MOST_RESTARTS:
            console.print(f"it has ended {MOST_RESTARTS + 1} times within an hour and is not started again")
            return 1
        console.print("starting it again")


@dataclass(frozen=True)
class _Service:
    """What is to be started, where it is reached, and where it logs."""

    path: Path
    config: dict[str, Any]
    url: str
    log: Path
    options: argparse.Namespace

    def live(self, expected_s: float | None) -> tuple[int | None, float | None]:
        """Start the service and watch it until it ends. Until it is ready callers are told to wait `expected_s`.

        Returns the exit status, or None when it has worked and is to work again, and the seconds until it was ready.
        Ray ends as a whole when the process is killed that keeps its state, or the one that starts its workers.
        """
        environment = ray_environment() | ports.one_of_several(self.path.parent) | python_path()
        host, _ = _address(self.config)
        if is_loopback(host):  # not a setting: a file that is deployed to this service later has the same ones
            environment[LOCAL_HOSTS] = f"localhost,127.0.0.1,[::1],{host}"
        begun = time.monotonic()
        earlier = self.log.stat().st_size  # of the lives before this one
        server = _start(self._command(expected_s), self.path.parent, self.log, environment)
        proxy_port = environment["RAY_SERVE_HAPROXY_METRICS_PORT"] if fast_plane_available() else None
        reader = log_file.Reader(self.log, earlier)
        address = Address(self.url, only_name(self.config))
        watch = Watch(console, address, proxy_port, self.options.open, self.options.verbose)
        try:
            watch.until_it_ends(server, reader)
        except KeyboardInterrupt:
            return _stop(server), None
        finally:
            reader.close()
            kill_descendants()
        if reader.failure is not None and server.returncode == REFUSED:
            return _refuse(reader.failure), None
        if reader.failure is not None:
            console.print(f"the service was not started: {reader.failure}", markup=False)
        else:
            console.print(f"Ray Serve ended by itself. Its last words:\n{_last_words(self.log)}", markup=False)
        console.print(f"log: {self.log}", markup=False)
        lived = reader.failure is None and time.monotonic() - begun > WORKED_S
        return None if lived or watch.ready_after_s is not None else 1, watch.ready_after_s

    def _command(self, expected_s: float | None) -> list[str]:
        deploy_port = [str(self.options.deploy_port)] if self.options.deploy_port else []
        cluster = [sys.executable, "-m", "serve_app.cluster", str(self.path), *deploy_port]
        if not fast_plane_available():
            return cluster
        ready_at = 0 if expected_s is None else math.ceil(time.time() + expected_s)
        place = (self.path.parent, *_address(self.config), ready_at)
        return [sys.executable, "-m", "serve_app.early", *map(str, place), *cluster]


def _address(config: dict[str, Any]) -> tuple[str, int]:
    """Where a configuration has the service listen: host and port."""
    http = config["http_options"]
    return str(http["host"]), http.get("port", 8000)


def _last_words(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 3000))
        return file.read().decode(errors="replace")


def _log(otherwise: Path) -> Path:
    """The log of this run; in a folder that is deleted when no other one can be written."""
    try:
        return log_file.new(log_file.folder())
    except OSError as error:
        console.print(f"no log is kept ({error}); ECG_LOG_DIR names another folder", markup=False)
        return log_file.new(otherwise)


def _start(command: list[str], folder: Path, log: Path, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    adopt_orphans()  # of a keeper that was killed
    with log.open("ab") as output:
        # A session of its own: Ctrl-C reaches this process alone, which then stops the other in good order.
        # A shell that starts this in the background hands down an ignored SIGINT, which nothing could then stop.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        server = subprocess.Popen(  # noqa: S603  our own interpreter and file
            [sys.executable, "-m", "serve_app.keeper", str(os.getpid()), str(folder), *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, signal.default_int_handler)
    return server


def _stop(server: "subprocess.Popen[bytes]") -> int:
    for number in _STOPS:  # a second one does not make it quicker, only untidy
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
