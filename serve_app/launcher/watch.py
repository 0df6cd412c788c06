"""What the terminal says of a running service: the changes of its state, and where its metrics are."""

import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from ecg.models.weights import SMALL_NAME
from serve_app.keeper import descendants, start_apart
from serve_app.launcher.log_file import Reader
from serve_app.launcher.options import WHERE_WEIGHTS_ARE

EVERY_S = 0.5
#: A question for the health wakes each replica: what is ready is asked less often.
READY_EVERY_S = 5.0


class Address(NamedTuple):
    """Where a service on this machine is reached, and the name to call it by where it answers to no other."""

    url: str
    name: str | None = None


class Watch:
    """Says on a console what a service does until it ends.

    `proxy_port` is where HAProxy gives its metrics, None without it; `open_page` opens the page in a browser once the
    service is ready; `verbose` repeats the log.
    """

    def __init__(
        self, console: Console, service: Address, proxy_port: str | None, open_page: bool, verbose: bool
    ) -> None:
        self._console = console
        self._service = service
        self._proxy_port = proxy_port
        self._open_page = open_page
        self._verbose = verbose
        self._start = time.monotonic()
        self._said: str | None = None
        self._metrics: str | None = None
        #: Seconds until the service was ready for the first time; None until then.
        self.ready_after_s: float | None = None

    def until_it_ends(self, server: "subprocess.Popen[bytes]", log: Reader) -> None:
        """Print the changes until `server` ends; a KeyboardInterrupt passes through.

        One that is over within `READY_EVERY_S` of a service that is ready may go unseen.
        """
        ask_at = time.monotonic()
        while server.poll() is None:
            self._repeat(log)
            if time.monotonic() >= ask_at:
                ready = self._ask(server, log)
                ask_at = time.monotonic() + (READY_EVERY_S if ready else 0.0)
            time.sleep(EVERY_S)
        self._repeat(log)

    def _ask(self, server: "subprocess.Popen[bytes]", log: Reader) -> bool:
        """Say what is new; whether the service is ready."""
        health = health_of(self._service)
        self._say(health, log.step)
        ready = health is not None and health["status"] == "ready"
        if ready and self._metrics is None:
            self._name_metrics(server.pid)
        return ready

    def _repeat(self, log: Reader) -> None:
        lines = log.new_lines()
        if self._verbose:
            for line in lines:
                self._console.print(line, markup=False, style="dim")

    def _say(self, health: dict[str, Any] | None, step: str | None) -> None:
        told = describe(health, step)
        if told == self._said:
            return
        passed_s = time.monotonic() - self._start
        self._console.print(f"[dim]{passed_s:5.1f} s[/dim]  ", end="")
        self._console.print(told, markup=False)
        self._said = told
        if health is not None and health["status"] == "ready":
            self.ready_after_s = self.ready_after_s or passed_s
            for line in advice(health):
                self._console.print(line, markup=False)
            self._console.print(f"open {self._service.url} , or post a recording to {self._service.url}/analyze")
            if self._open_page:
                self._open_page = False
                # A browser that this begins is the user's, and stays when the service is stopped.
                start_apart([sys.executable, "-I", "-m", "webbrowser", self._service.url])

    def _name_metrics(self, server: int) -> None:
        self._metrics = metrics_url(*descendants(server))
        if self._metrics is not None:
            self._console.print(f"metrics: {self._metrics}")
            if self._proxy_port is not None:
                self._console.print(f"metrics of the proxy: http://127.0.0.1:{self._proxy_port}/metrics")


def metrics_url(*pids: int) -> str | None:
    """Where this cluster's Prometheus metrics are; Ray names its session folder by the driver's id, one of `pids`."""
    ray_folder = Path(os.environ.get("RAY_TMPDIR", tempfile.gettempdir())) / "ray"
    # The last by its time: `serve_app.cluster` may have begun twice, and numbers of processes come again.
    files = (file for pid in pids for file in ray_folder.glob(f"session_*_{pid}/metrics_export_port_*"))
    file = max(files, default=None)
    return None if file is None else f"http://127.0.0.1:{file.read_text().strip()}/metrics"


def health_of(service: Address) -> dict[str, Any] | None:
    """What `/health` says; None when nothing answers.

    The service is on this machine: no proxy of the environment is asked, and a certificate need not name its address.
    """
    headers = {} if service.name is None else {"Host": service.name}
    asked = urllib.request.Request(f"{service.url}/health", headers=headers)  # noqa: S310  always HTTP or HTTPS
    try:
        with _direct().open(asked, timeout=5) as answer:
            health: dict[str, Any] = json.load(answer)
            return health
    except (OSError, urllib.error.URLError, ValueError):
        return None


@cache
def _direct() -> urllib.request.OpenerDirector:
    any_certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    any_certificate.check_hostname = False
    any_certificate.verify_mode = ssl.CERT_NONE
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=any_certificate)
    )


def describe(health: dict[str, Any] | None, step: str | None = None) -> str:
    """One line on the state of the service; `step` is how far its start is, where nothing answers yet."""
    if health is None or not health["models"]:  # it is answered before there is a service (`serve_app.early`)
        return step or "starting"
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
    return ", the SMALL model of the package: some labels only" if _small(model) else ""


def _small(model: dict[str, Any]) -> bool:
    return bool(model["weights"]) and model["weights"].startswith(SMALL_NAME)


def advice(health: dict[str, Any]) -> list[str]:
    """Why a model is not the published one, and how to get that; nothing where it is."""
    others = [model for model in health["models"].values() if not model["trained"] or _small(model)]
    reasons = dict.fromkeys(model["detail"] for model in others if model["detail"])
    return [*reasons, WHERE_WEIGHTS_ARE] if others else []
