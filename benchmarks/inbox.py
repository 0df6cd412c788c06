"""How many messages a second the inbox keeps durably, and how its memory goes, over HTTP on loopback; analysis off.

    python -m benchmarks.inbox --messages 2000            # SQLite
    python -m benchmarks.inbox --messages 20000 --threads 16
    python -m benchmarks.inbox --store postgresql

Sender, receiver and store share the machine's cores. Every message is a 12-lead, 10 s, 500 Hz recording of its own,
about 230 kB; an answer of 200 means that it is on disk.
"""

import argparse
import contextlib
import os
import random
import tempfile
import threading
import time
from pathlib import Path

import orjson
import urllib3

from benchmarks.inbox_server import serving
from tests.builders.messages import FS_500, message, payload
from tests.builders.postgres import Cluster

ID = "0" * 8 + "-0000-4000-8000-" + "0" * 12


def template() -> list[bytes]:
    """The body around its three identifiers: message id, sequence id, record id."""
    chance = random.Random(5)
    data = [",".join(map(str, [n, *(chance.randint(-99, 99) for _ in range(12))])) for n in range(5000)]
    headers = "INDEX,I,II,III,AVR,AVL,AVF,V1,V2,V3,V4,V5,V6"
    body = message(payload(ID, calibration=FS_500, data=data, headers=headers, record_id=ID), ID)
    return body.split(ID.encode())


def rss_mib(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def cpu_s(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def send(port: int, count: int, threads: int, pid: int) -> dict[str, object]:
    """Post `count` messages from `threads` connections; the figures."""
    pieces = template()
    size = len(ID.encode().join(pieces))
    numbers = iter(range(count))
    lock = threading.Lock()
    waits: list[float] = []
    memory: list[float] = []
    pool = urllib3.PoolManager(maxsize=threads, retries=False)

    def run() -> None:
        while True:
            with lock:
                number = next(numbers, None)
                if number is not None and number % max(1, count // 10) == 0:
                    memory.append(rss_mib(pid))
            if number is None:
                return
            body = f"{number:08d}{ID[8:]}".encode().join(pieces)
            start = time.perf_counter()
            while True:
                answer = pool.request("POST", f"http://127.0.0.1:{port}/data/v1", body=body)
                if answer.status == 200:
                    break
                if answer.status != 503:
                    raise RuntimeError(f"status {answer.status}")
                time.sleep(0.05)
            waits.append(time.perf_counter() - start)

    start, used = time.perf_counter(), cpu_s(pid)
    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - start
    waits.sort()
    return {
        "messages": len(waits),
        "message_bytes": size,
        "seconds": round(seconds, 1),
        "messages_per_s": round(len(waits) / seconds, 1),
        "p50_ms": round(1e3 * waits[len(waits) // 2], 1),
        "p99_ms": round(1e3 * waits[int(len(waits) * 0.99)], 1),
        "receiver_cpu_ms_per_message": round(1e3 * (cpu_s(pid) - used) / len(waits), 2),
        "receiver_rss_mib": [*memory, rss_mib(pid)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    args = parser.parse_args()
    with contextlib.ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="ecg-inbox-")))
        sqlite = f"sqlite:///{folder / 'inbox.db'}"
        url = cleanup.enter_context(Cluster()).url if args.store == "postgresql" else sqlite
        port, pid = cleanup.enter_context(serving(url))
        figures = send(port, args.messages, args.threads, pid)
        figures["store_mib"] = round(sum(path.stat().st_size for path in folder.iterdir()) / 2**20)
    print(orjson.dumps({"store": args.store, "cores": os.cpu_count()} | figures, option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main()
