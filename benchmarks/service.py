"""Servers under test as processes: started, waited for, weighed, and stopped."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson
import psutil

from benchmarks import quiet
from deployments import allocator, ray_ports
from serve_app.environment import EVERYWHERE

ROOT = Path(__file__).resolve().parent.parent
START_LIMIT_S = 600
#: Of the ports for Ray's workers on clusters; Ray on one machine, as here, takes others.
OF_SERVERS = range(11_000, 20_000)


def process_tree(pid: int) -> list[psutil.Process]:
    """A process and all under it."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


@contextmanager
def stopped(processes: Sequence[psutil.Process]) -> Iterator[list[float]]:
    """Stop processes, so that what is measured meanwhile has the machine to itself: an idle Ray takes 8 % of two cores.

    Gives the list in which the time of the stop and of the going on will stand.
    """
    pause = [time.time()]
    _send(processes, signal.SIGSTOP)
    try:
        yield pause
    finally:
        _send(processes, signal.SIGCONT)
        pause.append(time.time())


def _send(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, and its first process."""

    url: str
    pid: int

    def tree(self) -> list[psutil.Process]:
        """The process and all under it."""
        return process_tree(self.pid)

    def rss_mib(self) -> float:
        """Resident memory of the whole tree; pages that its processes share count once for each."""
        total = 0
        for process in self.tree():
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total / 2**20

    def pss_mib(self) -> float:
        """Proportional memory of the whole tree: a page that n processes share counts as an nth in each."""
        total = 0
        for process in self.tree():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_full_info().pss
        return total / 2**20

    def replicas(self, deployment: str) -> int:
        """Replica processes of a deployment."""
        count = 0
        for process in self.tree():
            try:
                count += any(f"ServeReplica:ecg:{deployment}" in part for part in process.cmdline())
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return count


def wait_until(condition: Callable[[], bool], said: Callable[[], str], limit_s: float = START_LIMIT_S) -> None:
    """Wait for a condition. Raises `TimeoutError` with what was `said` when it does not come."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(said())
        time.sleep(0.2)


def free_port() -> int:
    """A port that was free a moment ago.

    Linux gives it to no connection that begins meanwhile, unless its range for those was changed.
    """
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """As many different ones."""
    return ray_ports.free_ports(count, OF_SERVERS)


@contextmanager
def started(
    command: list[str], port: int, ready_path: str, needle: bytes = b"", said: BinaryIO | None = None
) -> Iterator[Server]:
    """The server of `command`, once `ready_path` answers 200 with `needle` in it; stopped afterwards.

    What it prints goes to `said`, if that is given.
    """
    with tempfile.TemporaryDirectory(prefix="ecg-bench-") as folder:
        log = Path(folder) / "server.log"
        environment = os.environ | {"ECG_DATA_DIR": folder, "PYTHONPATH": str(ROOT)}
        # No other design is to lose by not knowing what ours does.
        environment |= {name: EVERYWHERE[name] for name in ("OPENBLAS_NUM_THREADS", *allocator.ENVIRONMENT)}
        with log.open("wb") as output:
            to = said or output
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=to, stderr=to)
        server = Server(f"http://127.0.0.1:{port}", process.pid)
        try:
            deadline = time.monotonic() + START_LIMIT_S
            while not answers(server.url + ready_path, needle):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{command} did not start:\n{log.read_text()[-3000:]}")
                time.sleep(0.2)
            yield server
        finally:
            with quiet.ending():
                _end(process, server.tree()[1:] if process.poll() is None else [])


def _end(process: "subprocess.Popen[bytes]", under: list[psutil.Process]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
    for left in under:  # LitServe leaves its workers behind
        if left.is_running():
            left.kill()


def answers(url: str, needle: bytes = b"") -> bool:
    """Whether the URL answers 200 with `needle` in the body."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return needle in answer.read()
    except (OSError, urllib.error.URLError):
        return False


def command(weights: str, port: int, *options: str) -> list[str]:
    """How the service is started on this machine."""
    return [sys.executable, "-m", "serve_app", "--weights", weights, "--port", str(port), *options]


@contextmanager
def our_service(weights: str, *options: str) -> Iterator[Server]:
    """The service with both models ready."""
    port = free_port()
    with started(command(weights, port, *options), port, "/health", orjson.dumps({"status": "ready"})[1:-1]) as server:
        yield server
