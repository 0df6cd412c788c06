"""`python -m benchmarks.chaos_nodes [--seed N] [--faults NAME,…] [--tool FOLDER]`: nodes of a cluster go under load.

Three Ray nodes in network namespaces of this machine, as ../shared/tools/three_nodes makes them (root is needed): a
head without replicas, and two workers with one replica of each deployment at least. Clients at the head's address see
what those of `benchmarks.chaos` see. A node is told to end (SIGTERM: Ray drains it) until a thousand requests were
made, or is killed with all its processes. Exit status as there; a drain may fail no request at all.
"""

import argparse
import contextlib
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import psutil
import yaml

from benchmarks.chaos_load import HEADING, Clients, bodies, inflict
from benchmarks.service import ROOT, wait_until
from serve_app import haproxy
from serve_app.environment import ray_environment

TOOL = ROOT.parent / "shared/tools/three_nodes"
HEAD, WORKERS = ("ecgA", "10.77.0.1"), (("ecgB", "10.77.0.2"), ("ecgC", "10.77.0.3"))
URL = f"http://{HEAD[1]}:8000"
START_LIMIT_S, DRAIN_S = 300.0, 60
MOST_FAILED, LEAST_REQUESTS = 0.001, 1000
#: Told apart from the process outside, which has started this one inside the head's network.
INSIDE = "ECG_CHAOS_INSIDE"
_RAY = """#!/bin/sh
exec {python} -c '
from deployments.ray_ports import choose_ports_first
choose_ports_first()
from ray.scripts.scripts import main
main()' "$@"
"""


@dataclass(frozen=True)
class Cluster:
    """Nodes by the name of their namespace, and how one is started."""

    tool: Path
    folder: Path
    environment: dict[str, str]
    nodes: dict[str, "subprocess.Popen[bytes]"]

    def start(self, name: str, address: str, *options: str) -> None:
        """Start a node; its output is in a file of its name."""
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [str(self.tool / "node.sh"), name, address, *options]
            self.nodes[name] = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)

    def worker(self, name: str, address: str) -> None:
        """Start a worker."""
        self.start(name, address, "--address", f"{HEAD[1]}:6379", "--num-cpus", "4")

    def wait(self) -> None:
        """Wait until the service answers at each node; raises `TimeoutError` with the logs when it does not."""
        for _, address in (HEAD, *WORKERS):
            wait_until(
                partial(_answers, f"http://{address}:8000/health/ready", 200),
                partial(_logs, self.folder),
                START_LIMIT_S,
            )

    def drain(self, name: str) -> None:
        """Tell a node to end, as Kubernetes does, and wait until it has."""
        node = self.nodes.pop(name)
        (first,) = psutil.Process(node.pid).children()
        first.send_signal(signal.SIGTERM)
        node.wait(START_LIMIT_S)

    def kill(self, name: str) -> None:
        """End a node with everything on it at once."""
        node = self.nodes.pop(name)
        node.kill()
        node.wait(60)


@contextlib.contextmanager
def cluster(tool: Path) -> Iterator[Cluster]:
    """Three nodes with the application, ready."""
    with tempfile.TemporaryDirectory(prefix="ecg-nodes-") as place:
        folder = Path(place)
        program = haproxy.wrapper(folder / "haproxy", os.environ)
        (folder / "bin").mkdir()
        (folder / "bin/ray").write_text(_RAY.format(python=sys.executable))
        (folder / "bin/ray").chmod(0o755)
        environment = os.environ | ray_environment()
        environment |= {
            "VENV": place,
            "PYTHONPATH": str(ROOT),
            "ECG_DATA_DIR": place,
            "RAY_AUTH_TOKEN": secrets.token_hex(16),
            "RAY_SERVE_HAPROXY_BINARY_PATH": str(program),
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": str(DRAIN_S),
            "RAY_agent_register_timeout_ms": "120000",
        }
        made = Cluster(tool, folder, environment, {})
        try:
            made.start(*HEAD, "--head", "--port", "6379", "--num-cpus", "0", "--dashboard-host", HEAD[1])
            wait_until(partial(_answers, f"http://{HEAD[1]}:8265/api/version"), partial(_logs, folder), START_LIMIT_S)
            for worker in WORKERS:
                made.worker(*worker)
                time.sleep(15)  # one after the other: two processors start them
            command = [str(Path(sys.executable).parent / "serve"), "deploy", str(_configuration(folder))]
            command += ["--address", f"http://{HEAD[1]}:8265"]
            subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, timeout=START_LIMIT_S)
            made.wait()
            yield made
        finally:
            for node in made.nodes.values():
                node.kill()
            for node in made.nodes.values():
                node.wait(60)


def _configuration(folder: Path) -> Path:
    """The file of one machine, with two of each deployment and the times of a cluster."""
    config = yaml.safe_load((ROOT / "config/local.yaml").read_text())
    config["http_options"] |= {"host": "0.0.0.0", "port": 8000}
    config["proxy_location"] = "EveryNode"
    (application,) = config["applications"]
    application["args"] |= {
        "clinical_weights": "small",
        "feature_weights": "small",
        "inbox_url": f"sqlite:///{folder}/inbox.sqlite",
    }
    for entry in application["deployments"]:
        entry.pop("autoscaling_config", None)
        entry |= {"num_replicas": 2, "graceful_shutdown_timeout_s": 30, "ray_actor_options": {"num_cpus": 0.2}}
        if entry["name"] == "Ingress":
            entry["max_replicas_per_node"] = 1
    path = folder / "nodes.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def _answers(url: str, status: int | None = None) -> bool:
    try:
        answer = httpx.get(url, timeout=5)
    except httpx.HTTPError:
        return False
    return status is None or answer.status_code == status


def _logs(folder: Path) -> str:
    return "\n".join(f"{log}:\n{log.read_text()[-2000:]}" for log in folder.glob("*.log"))


def drained(made: Cluster, clients: Clients, chance: random.Random) -> Callable[[], None]:
    """Nodes are told to end, one after the other and each started again, until a thousand requests were made."""
    while True:
        worker = chance.choice(WORKERS)
        made.drain(worker[0])
        made.worker(*worker)
        made.wait()
        with clients.watched.lock:
            if len(clients.watched.good) + len(clients.watched.failed) >= LEAST_REQUESTS:
                return lambda: None


def killed(made: Cluster, _: Clients, chance: random.Random) -> Callable[[], None]:
    """A worker is lost; it comes again at the end."""
    worker = chance.choice(WORKERS)
    made.kill(worker[0])

    def after() -> None:
        made.worker(*worker)
        made.wait()

    return after


FAULTS = {"node drained": drained, "node killed": killed}


def main() -> int:
    """Exit status 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", default=",".join(FAULTS), help="names, with commas")
    parser.add_argument("--tool", type=Path, default=TOOL, help="folder of up.sh, node.sh and down.sh")
    options = parser.parse_args()
    if INSIDE not in os.environ:
        return _inside(options.tool)
    chance = random.Random(options.seed)
    with cluster(options.tool) as made:
        clients = Clients(URL, bodies())
        print(HEADING)
        try:
            names = options.faults.split(",")
            rows = [inflict(name, partial(FAULTS[name], made, clients, chance), clients) for name in names]
        finally:
            clients.stop()
    total, failed = sum(row["requests"] for row in rows), sum(row["failed"] for row in rows)
    wrong = sum(row["wrong"] for row in rows)
    print(f"{total} requests, {failed} failed for good ({failed / max(total, 1):.2%}), {wrong} wrong answers")
    drains_failed = any(row["failed"] for row in rows if row["fault"] == "node drained")
    return int(bool(wrong or drains_failed or failed > MOST_FAILED * total))


def _inside(tool: Path) -> int:
    """Exit status of the same command inside the head's network, which is removed afterwards."""
    subprocess.run([str(tool / "up.sh")], check=True)
    try:
        again = ["ip", "netns", "exec", HEAD[0], sys.executable, "-m", "benchmarks.chaos_nodes", *sys.argv[1:]]
        return subprocess.run(again, check=False, env=os.environ | {INSIDE: "1"}).returncode
    finally:
        subprocess.run([str(tool / "down.sh")], check=False)


if __name__ == "__main__":
    raise SystemExit(main())
