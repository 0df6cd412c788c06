"""Clients of a service in which parts fail: what they send, what they compare, and what they saw."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx
import orjson

from ecg.formats.cardioai_message import NOTHING_KNOWN, Payload, Sender, encode_message
from ecg.formats.writers import wire_body
from ecg.simulation import Scenario, simulate

CLIENTS = 4
SETTLE_S, RECOVERY_LIMIT_S = 8.0, 180.0
#: Between the same network's answers in batches of another size.
TOLERANCE = 1e-3
#: A pause of the clients between requests: what starts anew needs a processor as well.
PAUSE_S = 0.15
SENDER = Sender("chaos", "clinical", "D3F153")
JSON = {"Content-Type": "application/json"}
#: Heading of the rows that `inflict` prints.
HEADING = "fault | requests | asked again | failed | wrong | degraded | longest gap s | recovered after s"


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
        made.append(orjson.dumps(wire_body(simulate(scenario, seed=number).record)))
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


def inflict(
    name: str, fault: Callable[[], Callable[[], None] | None], clients: Clients, settle_s: float = SETTLE_S
) -> dict[str, Any]:
    """One fault, and what the clients saw of it; over when nothing but good answers have come for `settle_s`.

    What `fault` returns is called at the end.
    """
    watched = clients.watched
    watched.reset()
    time.sleep(2)
    begun = time.monotonic()
    after = fault()
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
