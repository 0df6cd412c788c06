"""`python -m benchmarks.chaos [--seed N] [--faults NAME,…]`: parts of one machine's service fail under load.

Two replicas of each model and of the ingress serve four clients, of which each compares every answer with the one
that was given before any fault, while another sends messages to the inbox. A client asks once more after a 503 or a
connection that was refused or cut, and after as long as Retry-After says. Per fault: requests, those that failed for
good, wrong answers, the longest time without an answer, and how long until the service had recovered. Exit status 1
when an answer is wrong, more than 0.1 % fail for good, or something that the inbox acknowledged is lost.
"""

import argparse
import contextlib
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.chaos_load import HEADING, SETTLE_S, Clients, bodies, inflict, lost
from benchmarks.mutations import attack
from benchmarks.service import ROOT, Server, free_ports, started
from serve_app.environment import ray_environment

MOST_FAILED = 0.001
COMES_BACK_S = 60.0


@dataclass(frozen=True)
class Place:
    """The service under test, and what a fault needs of it."""

    server: Server
    config: Path
    deploy: str
    data: Path

    def one(self, name: str, chance: random.Random) -> psutil.Process:
        """A process whose command begins or ends with `name`; one that the fault before ended may have to come back."""
        deadline = time.monotonic() + COMES_BACK_S
        while not (found := [process for process in self.server.tree() if _is_named(process, name)]):
            if time.monotonic() > deadline:
                raise SystemExit(f"no process {name} to be killed")
            time.sleep(0.2)
        return chance.choice(found)

    def deploy_weights(self, change: dict[str, Any] | None) -> None:
        """`serve deploy` with other settings of the clinical model; None: with those of the file."""
        config = yaml.safe_load(self.config.read_text())
        if change is not None:
            for entry in config["applications"][0]["deployments"]:
                if entry["name"] == "ClinicalModel":
                    entry["user_config"] = change
        file = self.config.with_name("changed.yaml")
        file.write_text(yaml.safe_dump(config))
        command = [str(Path(sys.executable).parent / "serve"), "deploy", str(file), "--address", self.deploy]
        environment = os.environ | ray_environment() | {"PYTHONPATH": str(ROOT)}
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _is_named(process: psutil.Process, name: str) -> bool:
    with contextlib.suppress(psutil.Error):
        command = process.cmdline()
        return bool(command) and (name in command[0] or any(part.endswith(name) for part in command[:2]))
    return False


Fault = Callable[[Place, random.Random], Callable[[], None] | None]


def killed(name: str) -> Fault:
    """Kill -9 one process."""

    def fault(place: Place, chance: random.Random) -> None:
        place.one(name, chance).kill()

    return fault


def frozen(place: Place, chance: random.Random) -> Callable[[], None]:
    """Stop one of the two clinical models; what is left of it goes on at the end."""
    process = place.one("ServeReplica:ecg:ClinicalModel", chance)
    process.suspend()

    def after() -> None:
        with contextlib.suppress(psutil.Error):
            process.resume()

    return after


def hostile(place: Place, chance: random.Random) -> None:
    """Damaged requests of every kind."""
    attack(place.server.url, chance.randrange(2**30), 300)


def slow(place: Place, _: random.Random) -> Callable[[], None]:
    """Sixty clients that begin a head or a body and send a byte a second."""
    address = ("127.0.0.1", int(place.server.url.rpartition(":")[2]))
    head = b"POST /analyze HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    begun = []
    for number in range(60):
        connection = socket.create_connection(address)
        connection.sendall(head + (b"Content-Length: 100000\r\n\r\n{" if number % 2 else b""))
        begun.append(connection)
    stop = time.monotonic() + SETTLE_S
    while time.monotonic() < stop:
        for connection in begun:
            with contextlib.suppress(OSError):
                connection.sendall(b"x")
        time.sleep(1)

    def after() -> None:
        for connection in begun:
            connection.close()

    return after


def full_disk(place: Place, _: random.Random) -> Callable[[], None]:
    """No room beside the inbox's store, for ten seconds."""
    filler = place.data / "filler"
    with filler.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(b"0" * 65536)
            file.flush()
    time.sleep(10)
    filler.unlink()
    return lambda: None


def good_weights(place: Place, _: random.Random) -> Callable[[], None]:
    """The same weights under another batch size, by `serve deploy`: swapped in place."""
    place.deploy_weights({"weights": "small", "max_batch_segments": 4})
    return lambda: None


def bad_weights(place: Place, _: random.Random) -> Callable[[], None]:
    """Weights that are not there, by `serve deploy`; then the way back."""
    place.deploy_weights({"weights": "/nowhere/model.pt"})
    time.sleep(15)
    place.deploy_weights(None)
    return lambda: None


FAULTS: dict[str, Fault] = {
    "clinical model killed": killed("ServeReplica:ecg:ClinicalModel"),
    "feature model killed": killed("ServeReplica:ecg:FeatureModel"),
    "measurement killed": killed("ServeReplica:ecg:Measure"),
    "ingress killed": killed("ServeReplica:ecg:Ingress"),
    "inbox killed": killed("ServeReplica:ecg:Inbox"),
    "clinical model frozen": frozen,
    "HAProxy killed": killed("bin/haproxy"),
    "manager of HAProxy killed": killed("HAProxyManager"),
    "controller killed": killed("ray::ServeController"),
    "hostile uploads": hostile,
    "slow clients": slow,
    "full disk": full_disk,
    "good weights deployed": good_weights,
    "bad weights deployed": bad_weights,
    "state of Ray killed": killed("gcs/gcs_server"),
}


@contextlib.contextmanager
def small_disk() -> Iterator[Path | None]:
    """A folder of 160 MB of its own; None where this user may not mount one.

    The store's write-ahead log alone may take 32 MB before it is written back.
    """
    with tempfile.TemporaryDirectory(prefix="ecg-chaos-") as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", folder]
        if subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode:
            yield None
            return
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=False)


def configuration(folder: Path, port: int, inbox: Path) -> Path:
    """One machine's file with two of what answers, in which failing models are noticed as in a cluster."""
    config = yaml.safe_load((ROOT / "config/local.yaml").read_text())
    config["http_options"]["port"] = port
    (application,) = config["applications"]
    small = {"clinical_weights": "small", "feature_weights": "small", "inbox_url": f"sqlite:///{inbox}/inbox.sqlite"}
    application["args"] |= small | {"measure_inline": False}
    measure = {"name": "Measure", "num_replicas": 2, "max_ongoing_requests": 16, "max_queued_requests": 64}
    application["deployments"].append(measure | {"ray_actor_options": {"num_cpus": 0.2}})
    cluster = [
        deployment
        for each in yaml.safe_load((ROOT / "config/cpu.yaml").read_text())["applications"]
        for deployment in each["deployments"]
    ]
    checks = ("health_check_period_s", "health_check_timeout_s")
    for entry in application["deployments"]:
        if entry["name"] in ("Ingress", "ClinicalModel", "FeatureModel"):
            entry["num_replicas"] = 2
            entry["ray_actor_options"] = {"num_cpus": 0.2}
        (same,) = [other for other in cluster if other["name"] == entry["name"]]
        entry |= {key: same[key] for key in checks if key in same}
    path = folder / "chaos.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def main() -> int:
    """Exit status 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", default=",".join(FAULTS), help="names, with commas; the seed decides their order")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    names = options.faults.split(",")
    chance.shuffle(names)
    if "state of Ray killed" in names:  # the last: it ends the whole
        names.append(names.pop(names.index("state of Ray killed")))
    port, deploy_port = free_ports(2)
    with tempfile.TemporaryDirectory() as folder, small_disk() as disk:
        config = configuration(Path(folder), port, disk or Path(folder))
        command = [sys.executable, "-m", "serve_app", "--config", str(config), "--deploy-port", str(deploy_port)]
        if disk is None:
            print("no small disk can be mounted by this user: the full disk is left out")
            names = [name for name in names if name != "full disk"]
        with started(command, port, "/health", b'"status":"ready"') as server:
            place = Place(server, config, f"http://127.0.0.1:{deploy_port}", disk or Path(folder))
            clients = Clients(server.url, bodies())
            print(HEADING)
            try:
                rows = [inflict(name, partial(FAULTS[name], place, chance), clients) for name in names]
            finally:
                clients.stop()
            missing = lost(server.url, clients.acknowledged)
    total, failed = sum(row["requests"] for row in rows), sum(row["failed"] for row in rows)
    wrong = sum(row["wrong"] for row in rows)
    print(f"{total} requests, {failed} failed for good ({failed / max(total, 1):.2%}), {wrong} wrong answers")
    print(f"{len(clients.acknowledged)} messages acknowledged, {len(missing)} not analysed {list(missing.items())[:5]}")
    return int(bool(wrong or missing or failed > MOST_FAILED * total))


if __name__ == "__main__":
    raise SystemExit(main())
