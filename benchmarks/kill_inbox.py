"""SIGKILL at random moments to every process between a payload file and its result, and the count afterwards.

    python -m benchmarks.kill_inbox --messages 5000 --kills 30 --seed 1 --store postgresql

A relay, a receiver, two workers and, with PostgreSQL, the database run as processes of their own. Until enough kills
have been dealt, one of them is killed and started again; then the run ends by itself and the store is counted: every
message that was acknowledged with 200 must be there once, and every recording must have exactly one result, the right
one. The verdict is printed as JSON; exit status 1 when it is bad.
"""

import argparse
import contextlib
import hashlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import orjson
from sqlalchemy import func, select

from benchmarks.service import free_port
from ecg.cardioai.assemble import load
from ecg.cardioai.tables import messages, parts
from ecg.cardioai.views import stats
from ecg.formats.cardioai_message import encode_payload
from ecg.formats.cardioai_rows import parse_rows
from ecg.record import EcgRecord
from ecg.store.database import open_database, reading
from ecg.store.tables import recordings, results
from ecg.store.worker import Patience, Worker
from tests.builders import command
from tests.builders.messages import FS_500, payload, rows
from tests.builders.postgres import Cluster

LEASE_S = 2.0
ROWS = 60
STALLED_S = 30.0  # many leases long: what is not done by then never will be
PAUSE_S = 1.5  # mean time between kills: processes must have come up for a kill to mean something


def analyse(record: EcgRecord) -> bytes:
    """A stand-in for the analysis: a digest of every sample, after a pause in which a kill can fall."""
    time.sleep(random.uniform(0.0, 0.02))
    return orjson.dumps({"samples": hashlib.sha256(record.signal.astype("<i4").tobytes()).hexdigest()})


def write_payloads(folder: Path, count: int, random_source: random.Random) -> dict[str, str]:
    """`count` payload files of recordings of one to four parts; the right result by sequence id."""
    expected = {}
    written = 0
    while written < count:
        n_parts = min(random_source.randint(1, 4), count - written)
        name = f"{len(expected):05d}"
        offset = random_source.randrange(97)
        samples = []
        for index in range(1, n_parts + 1):
            data = rows((index - 1) * ROWS, ROWS, offset=offset)
            part = payload(f"seq-{name}", n_parts, index, FS_500, data, record_id=f"record-{name}")
            # The name's first letters shuffle the parts, so that they come out of order.
            shuffle = random_source.randrange(10**6)
            (folder / f"{written // 200:04d}-{shuffle:06d}-{name}-{index}.json").write_bytes(encode_payload(part))
            samples.append(parse_rows(part.headers, data).samples.T)
        whole = b"".join(
            b"".join(block[lead].astype("<i4").tobytes() for block in samples) for lead in range(samples[0].shape[0])
        )
        expected[f"seq-{name}"] = hashlib.sha256(whole).hexdigest()
        written += n_parts
    return expected


class Child:
    """A process that is started again whenever it was killed."""

    def __init__(self, *command: str) -> None:
        self._command = command
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *self._command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def revive(self) -> None:
        """Start it again if it ended by itself, as a supervisor would: the database may have been down."""
        if self.process.poll() is not None:
            self.start()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def run(count: int, kills: int, seed: int, store: str) -> dict[str, object]:
    """Do it all; the verdict."""
    chance = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="ecg-kill-"))
    source = folder / "payloads"
    source.mkdir()
    expected = write_payloads(source, count, chance)
    started = time.monotonic()
    rate = count / (0.8 * kills * PAUSE_S)  # so that messages are on their way nearly as long as kills are dealt
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = cleanup.enter_context(Cluster()) if store == "postgresql" else None
        url = cluster.url if cluster else f"sqlite:///{folder / 'inbox.db'}"
        engine = open_database(url)
        cleanup.callback(engine.dispose)
        port = free_port()
        receiver = Child("-m", "benchmarks.inbox_server", url, "--port", str(port))
        workers = [Child("-m", "benchmarks.kill_inbox", "--work", url) for _ in range(2)]
        sending = command.relay(source, "HTTP", f"http://127.0.0.1:{port}/data/v1/", "D3F153", "-h", "8")
        waiting = ("--rate", str(rate), "--timeout", "10", "--patience", "3600")
        relay = Child("-m", "ecg", *sending, *waiting)
        served = (receiver, *workers)
        for child in (*served, relay):
            cleanup.callback(child.stop)
        victims = {"relay": relay, "receiver": receiver, "worker 1": workers[0], "worker 2": workers[1]}
        dealt: Counter[str] = Counter()
        while sum(dealt.values()) < kills:
            time.sleep(chance.uniform(0.3, 2 * PAUSE_S - 0.3))
            for child in served:
                child.revive()
            name = chance.choice([*victims, *(["postgresql"] if cluster else [])])
            if name == "relay" and relay.process.poll() == 0:
                continue  # everything is sent
            victim = cluster if name == "postgresql" and cluster else victims[name]
            victim.kill()
            victim.start()
            dealt[name] += 1
        while relay.process.poll() != 0:
            if relay.process.poll() == 1:
                raise RuntimeError("the relay gave up on a message")
            for child in (*served, relay):
                child.revive()
            time.sleep(0.2)
        done, since = -1, time.monotonic()
        while done < len(expected) and time.monotonic() - since < STALLED_S:
            now_done = stats(engine).recordings["done"]
            if now_done != done:
                done, since = now_done, time.monotonic()
            for child in served:
                child.revive()
            time.sleep(0.2)
        return verdict(engine, expected, count) | {
            "store": store,
            "seed": seed,
            "kills": dict(dealt),
            "seconds": round(time.monotonic() - started, 1),
        }


def verdict(engine: object, expected: dict[str, str], count: int) -> dict[str, object]:
    """The counts that must hold, and whether they do."""
    with reading(engine) as connection:  # type: ignore[arg-type]
        found = {row.recording: orjson.loads(row.body)["samples"] for row in connection.execute(select(results))}
        kept = connection.scalar(select(func.count()).select_from(parts))
        accepted = connection.scalar(select(func.count()).where(messages.c.outcome == "accepted"))
        duplicates = connection.scalar(select(func.count()).where(messages.c.outcome == "duplicate"))
        taken_over = connection.scalar(select(func.count()).where(recordings.c.attempts > 1))
        states = dict(connection.execute(select(recordings.c.state, func.count()).group_by(recordings.c.state)).all())
    good = found == expected and kept == accepted == count and states == {"done": len(expected)}
    return {
        "good": good,
        "messages": count,
        "accepted": accepted,
        "parts": kept,
        "duplicates_by_new_id": duplicates,
        "recordings": len(expected),
        "results": len(found),
        "wrong_results": sum(found.get(key) != value for key, value in expected.items()),
        "taken_over": taken_over,
        "states": states,
    }


def work(url: str) -> None:
    """One worker process."""
    engine = None
    while engine is None:
        with contextlib.suppress(Exception):  # the database may be down just now
            engine = open_database(url)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Worker(engine, load, analyse, Patience(lease_s=LEASE_S, max_attempts=1000)).run(stop)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--work", metavar="URL", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.work)
        return 0
    said = run(args.messages, args.kills, args.seed, args.store)
    print(orjson.dumps(said, option=orjson.OPT_INDENT_2).decode())
    return 0 if said["good"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
