"""`python -m benchmarks.mutations [N] [SEED] [KIND…]`: N damaged requests against a running service (default 20,000).

WFDB by multipart, JSON with gzip and zstd, NDJSON and CardioAI messages, each damaged by a seeded mutation, are posted
by four clients, while another client asks `/analyze` with an honest recording. Exit status 1 when an answer
is a 5xx other than a 503 with Retry-After, the service is not ready at the end, or an honest request fails or takes a
second or more.
"""

import argparse
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from gzip import compress
from typing import Any

import httpx
import numpy as np
import orjson
import zstandard

from benchmarks.service import our_service
from ecg.formats.cardioai_message import NOTHING_KNOWN, Payload, Sender, encode_message
from ecg.leads import STANDARD_LEADS
from ecg.simulation import Scenario, simulate

CLIENTS = 4
LONGEST_S = 1.0
SENDER = Sender("origin-1", "clinical", "D3F153")
TOKENS = (b"9" * 20, b"-1", b"1e999", b"NaN", b"\x00", b"\xff\xfe", b"null", b"{", b"\r\n", b"../", b"\xe2\x80\xa8")


@dataclass(frozen=True)
class Request:
    """A request whose `body` is damaged before it is sent; a coding is put on after that in half of the cases."""

    path: str
    headers: dict[str, str]
    body: bytes
    coding: str | None = None


def honest() -> dict[str, Request]:
    """One request of each kind, of a short recording."""
    record = simulate(Scenario(duration_s=5, fs_hz=100)).record
    body = {"signal": record.signal.round(3).tolist(), "fs": 100.0, "lead_names": list(record.leads), "units": "mV"}
    json_body = orjson.dumps(body)
    samples = (record.signal.T * 1000).round().astype("<i2")
    lines = [f"r 12 100 {len(samples)}", *(f"r.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in record.leads)]
    parts = [("r.hea", "\n".join(lines).encode()), ("r.dat", samples.tobytes())]
    form = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="%s"\r\n\r\n%s\r\n' % (name.encode(), data)
        for name, data in parts
    )
    json_type = {"Content-Type": "application/json"}
    return {
        "multipart": Request(
            "/assess_quality", {"Content-Type": "multipart/form-data; boundary=x"}, form + b"--x--\r\n"
        ),
        "json": Request("/assess_quality", json_type, json_body),
        "gzip": Request("/assess_quality", json_type, json_body, "gzip"),
        "zstd": Request("/assess_quality", json_type, json_body, "zstd"),
        "ndjson": Request(
            "/analyze/bulk?include=quality", {"Content-Type": "application/x-ndjson"}, json_body + b"\n" + json_body
        ),
        "cardioai": Request("/data/v1?fs=100", json_type, encode_message(_part(samples), SENDER, "message-1", 1)),
    }


def _part(samples: np.ndarray) -> Payload:
    """A whole recording in one part; what is damaged may become a part of another."""
    return Payload(
        device_id="device-1",
        customer_id="customer-1",
        sequence_id="sequence-1",
        sequence=1,
        index=1,
        headers="INDEX," + ",".join(STANDARD_LEADS),
        data=[",".join(map(str, (number, *row))) for number, row in enumerate(samples.tolist())],
        record_id="record-1",
        created_ms=1_700_000_000_000,
        calibration=NOTHING_KNOWN,
    )


def coded(body: bytes, coding: str | None) -> bytes:
    """The body under its content encoding."""
    if coding == "gzip":
        return compress(body)
    return zstandard.ZstdCompressor().compress(body) if coding == "zstd" else body


def damaged(body: bytes, random: random.Random) -> bytes:
    """A mutation: bytes flipped, a piece cut out or repeated, a token put in, or the end cut off."""
    for _ in range(random.choice((1, 1, 2, 8))):
        at, length = random.randrange(len(body) + 1), random.choice((1, 4, 64, 1024))
        match random.randrange(5):
            case 0:
                body = body[:at] + bytes(random.randrange(256) for _ in range(min(length, 64))) + body[at + length :]
            case 1:
                body = body[:at] + body[at + length :]
            case 2:
                body = body[:at] + body[at : at + length] * 2 + body[at + length :]
            case 3:
                body = body[:at] + random.choice(TOKENS) + body[at:]
            case _:
                body = body[:at]
    return body


def attack(url: str, seed: int, count: int, kinds: Sequence[str] = ()) -> Counter[str]:
    """Send `count` damaged requests, of these kinds alone if there are any; outcomes by kind and status."""
    chance, requests, outcomes = random.Random(seed), honest(), Counter[str]()
    with httpx.Client(base_url=url, timeout=60) as client:
        for _ in range(count):
            kind = chance.choice(list(kinds or requests))
            request = requests[kind]
            headers = dict(request.headers) | ({"Content-Encoding": request.coding} if request.coding else {})
            if chance.random() < 0.5:
                body = coded(damaged(request.body, chance), request.coding)
            else:
                body = damaged(coded(request.body, request.coding), chance)
            try:
                answer = client.post(request.path, content=body, headers=headers)
                status = str(answer.status_code)
                if answer.status_code == 503 and "retry-after" in answer.headers:
                    status = "503 come again"
            except httpx.HTTPError as error:
                status = type(error).__name__
            outcomes[f"{kind} {status}"] += 1
    return outcomes


def watch(url: str, stop: threading.Event, seen: list[tuple[int, float]]) -> None:
    """Ask with an honest recording until told to stop; statuses and seconds."""
    request: dict[str, Any] = {"content": honest()["json"].body, "headers": {"Content-Type": "application/json"}}
    with httpx.Client(base_url=url, timeout=60) as client:
        while not stop.wait(0.1):
            begun = time.monotonic()
            try:
                status = client.post("/analyze?include=clinical", **request).status_code
            except httpx.HTTPError:
                status = 0
            seen.append((status, time.monotonic() - begun))


def main() -> int:
    """Exit status 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=20_000, metavar="N")
    parser.add_argument("seed", nargs="?", type=int, default=0, metavar="SEED")
    parser.add_argument("kinds", nargs="*", metavar="KIND")
    asked = parser.parse_args()
    stop, seen = threading.Event(), list[tuple[int, float]]()
    with our_service("small") as server:
        watcher = threading.Thread(target=watch, args=(server.url, stop, seen))
        watcher.start()
        with ThreadPoolExecutor(CLIENTS) as pool:
            each = [
                pool.submit(attack, server.url, asked.seed + n, asked.count // CLIENTS, asked.kinds)
                for n in range(CLIENTS)
            ]
            outcomes = sum((future.result() for future in each), Counter[str]())
        stop.set()
        watcher.join()
        ready = httpx.get(f"{server.url}/health/ready", timeout=60).status_code
        memory = server.rss_mib()
    for outcome, number in sorted(outcomes.items()):
        print(f"{outcome:32s} {number:6d}")
    taken = {outcome: n for outcome, n in outcomes.items() if outcome.split()[1][0] in "24" or "come again" in outcome}
    faults = sum(outcomes.values()) - sum(taken.values())
    failed = sum(status != 200 for status, _ in seen)
    slowest = max(seconds for _, seconds in seen)
    print(f"{sum(outcomes.values())} damaged requests, {faults} faults; ready at the end: {ready}; {memory:.0f} MiB")
    print(f"{len(seen)} honest requests beside them, {failed} failed, the slowest {slowest:.2f} s")
    return int(bool(faults or failed or ready != 200 or slowest >= LONGEST_S))


if __name__ == "__main__":
    raise SystemExit(main())
