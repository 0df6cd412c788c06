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
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import yaml

from benchmarks.mutations import attack
from benchmarks.service import ROOT, Server, free_port, started
from ecg.formats.cardioai_message import NOTHING_KNOWN, Payload, Sender, encode_message
from ecg.simulation import Scenario, simulate
from serve_app.environment import ray_environment

CLIENTS = 4
SETTLE_S, RECOVERY_LIMIT_S = 8.0, 180.0
MOST_FAILED = 0.001
#: Between the same network's answers in batches of another size.
TOLERANCE = 1e-3
#: A pause of the clients between requests: what starts anew needs a processor as well.
PAUSE_S = 0.15
SENDER = Sender("chaos", "clinical", "D3F153")


@dataclass
class Watched:
    """What the clients saw since the last fault: time of each good answer, and what was not one."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    good: list[float] = field(default_factory=list)
    again: int = 0
    degraded: int = 0
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def reset(self) -> None:
        """Begin anew."""
        with self.lock:
            self.good, self.failed, self.wrong, self.again, self.degraded = [], [], [], 0, 0


def essential(answer: dict[str, Any]) -> dict[str, Any]:
    """What of an answer is the same whoever gives it."""
    kept = {name: answer.get(name) for name in ("clinical_analysis", "findings", "signal_quality", "labels")}
    return orjson.loads(orjson.dumps(kept))


def alike(one: Any, other: Any) -> bool:
    """Equality, of numbers within `TOLERANCE`."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= TOLERANCE
    return bool(one == other)


def bodies() -> list[bytes]:
    """Recordings that differ in rate and rhythm."""
    made = []
    for number, scenario in enumerate(
        (Scenario(duration_s=10, fs_hz=250), Scenario(duration_s=10, fs_hz=250, heart_rate_bpm=110))
    ):
        record = simulate(scenario, seed=number).record
        signal_mv = record.signal.round(3).tolist()
        made.append(orjson.dumps({"signal": signal_mv, "fs": 250.0, "lead_names": list(record.leads), "units": "mV"}))
    return made


def message(number: str) -> bytes:
    """A whole recording of two leads, of its own id."""
    rows = [f"{n},{(n * 7) % 97 - 40},{(n * 5) % 89 - 40}" for n in range(500)]
    part = Payload(
        device_id="device-1",
        customer_id="customer-1",
        sequence_id=f"sequence-{number}",
        sequence=1,
        index=1,
        headers="INDEX,I,II",
        data=rows,
        record_id=f"record-{number}",
        created_ms=1_700_000_000_000,
        calibration=NOTHING_KNOWN,
    )
    return encode_message(part, SENDER, f"message-{number}", 1)


class Clients:
    """Threads that ask and send for as long as they are not stopped."""

    def __init__(self, url: str, requests: list[bytes]) -> None:
        self.url = url
        self.watched = Watched()
        self.acknowledged: list[str] = []
        self._requests = requests
        self._stop = threading.Event()
        self._references = [self._reference(body) for body in requests]
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(CLIENTS)]
        self._threads.append(threading.Thread(target=self._send))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop them all."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _reference(self, body: bytes) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}/analyze", content=body, headers=JSON, timeout=120)
        answer.raise_for_status()
        return essential(answer.json())

    def _post(self, client: httpx.Client, path: str, body: bytes) -> httpx.Response | str:
        """An answer, or why there is none, after one more try where that may help."""
        said: httpx.Response | str = ""
        for attempt in range(2):
            try:
                said = client.post(path, content=body, headers=JSON)
            except httpx.HTTPError as error:
                said = type(error).__name__
            if isinstance(said, httpx.Response) and said.status_code != 503:
                return said
            if attempt == 0:
                wait_s = float(said.headers.get("retry-after", 1)) if isinstance(said, httpx.Response) else 1.0
                with self.watched.lock:
                    self.watched.again += 1
                self._stop.wait(wait_s)
        return said

    def _ask(self, number: int) -> None:
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while not self._stop.wait(PAUSE_S):
                which = number % len(self._requests)
                said = self._post(client, "/analyze", self._requests[which])
                with self.watched.lock:
                    if isinstance(said, str) or said.status_code != 200:
                        self.watched.failed.append(said if isinstance(said, str) else f"{said.status_code}")
                    elif not alike(essential(said.json()), self._references[which]):
                        self.watched.wrong.append(said.text[:2000])
                    else:
                        self.watched.good.append(time.monotonic())
                        self.watched.degraded += bool(said.json().get("features") is None)

    def _send(self) -> None:
        number = 0
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while not self._stop.wait(1.0):
                number += 1
                said = self._post(client, "/data/v1?fs=500", message(str(number)))
                if isinstance(said, httpx.Response) and said.status_code == 200:
                    self.acknowledged.append(f"record-{number}")


JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Place:
    """The service under test, and what a fault needs of it."""

    server: Server
    config: Path
    deploy: str
    data: Path

    def one(self, name: str, chance: random.Random) -> psutil.Process:
        """A process whose command begins or ends with `name`."""
        found = []
        for process in self.server.tree():
            with contextlib.suppress(psutil.Error):
                command = process.cmdline()
                if command and (name in command[0] or any(part.endswith(name) for part in command[:2])):
                    found.append(process)
        if not found:
            raise SystemExit(f"no process {name} to be killed")
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
    """A folder of 32 MB of its own; None where this user may not mount one."""
    with tempfile.TemporaryDirectory(prefix="ecg-chaos-") as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder]
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
    cluster = yaml.safe_load((ROOT / "config/cpu.yaml").read_text())["applications"][0]["deployments"]
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


def inflict(
    name: str, place: Place, clients: Clients, chance: random.Random, settle_s: float = SETTLE_S
) -> dict[str, Any]:
    """One fault, and what the clients saw of it; over when nothing but good answers have come for `settle_s`."""
    watched = clients.watched
    watched.reset()
    time.sleep(2)
    begun = time.monotonic()
    after = FAULTS[name](place, chance)
    time.sleep(settle_s)
    deadline = time.monotonic() + RECOVERY_LIMIT_S
    while time.monotonic() < deadline:
        with watched.lock:
            bad, good = len(watched.failed) + len(watched.wrong) + watched.again, len(watched.good)
        time.sleep(settle_s)
        with watched.lock:
            if len(watched.failed) + len(watched.wrong) + watched.again == bad and len(watched.good) > good + CLIENTS:
                break
    if after is not None:
        after()
    with watched.lock:
        times = [begun, *(at for at in watched.good if at > begun)]
        gaps = [(later - earlier, later) for earlier, later in pairwise(times)]
        longest, at = max(gaps, default=(RECOVERY_LIMIT_S, begun + RECOVERY_LIMIT_S))
        row = {
            "fault": name,
            "requests": len(watched.good) + len(watched.failed) + len(watched.wrong),
            "asked_again": watched.again,
            "failed": len(watched.failed),
            "wrong": len(watched.wrong),
            "degraded": watched.degraded,
            "longest_gap_s": round(longest, 1),
            "recovered_after_s": round(at - begun, 1) if longest > 1 else 0.0,
        }
        why = sorted(set(watched.failed)) + watched.wrong[:1]
    print(" | ".join(f"{value}" for value in row.values()), *([f"| {why}"] if why else []), flush=True)
    return row


def lost(url: str, acknowledged: list[str], limit_s: float = 120.0) -> dict[str, str]:
    """What is known of recordings that were acknowledged and are not analysed, asked until they are or time is up."""
    deadline, left = time.monotonic() + limit_s, dict.fromkeys(acknowledged, "")
    while left and time.monotonic() < deadline:
        left = {record_id: known for record_id in left if (known := _known_of(url, record_id)) != "done"}
        time.sleep(1)
    return left


def _known_of(url: str, record_id: str) -> str:
    try:
        answer = httpx.get(f"{url}/data/v1/records/{record_id}", timeout=60)
        (recording,) = answer.raise_for_status().json()["recordings"]
    except (httpx.HTTPError, ValueError) as error:
        return str(error)
    return str(recording["state"])


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
    port, deploy_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder, small_disk() as disk:
        config = configuration(Path(folder), port, disk or Path(folder))
        command = [sys.executable, "-m", "serve_app", "--config", str(config), "--deploy-port", str(deploy_port)]
        if disk is None:
            print("no small disk can be mounted by this user: the full disk is left out")
            names = [name for name in names if name != "full disk"]
        with started(command, port, "/health", b'"status":"ready"') as server:
            place = Place(server, config, f"http://127.0.0.1:{deploy_port}", disk or Path(folder))
            clients = Clients(server.url, bodies())
            print("fault | requests | asked again | failed | wrong | degraded | longest gap s | recovered after s")
            try:
                rows = [inflict(name, place, clients, chance) for name in names]
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
