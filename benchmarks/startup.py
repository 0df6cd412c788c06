"""How long until the service answers, how long does a lone request take, and how much memory is it?

    python -m benchmarks.startup [--rounds 3] [--weights DIR | small | stand-in]

Seconds from the command to a clinical answer and to both models; the median of lone requests, one after the other, of
ten seconds as JSON with all parts; the memory of the process tree: resident (pages that processes share count once for
each), and proportional (PSS: a shared page counts in parts). The first round finds nothing translated in the cache.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import psutil

from benchmarks import quiet
from benchmarks.figures import ROOT, save, show
from benchmarks.service import Server, answers, command, free_port
from benchmarks.weights import full_size
from serve_app.openapi import sample_body

WARM_UP = 5
LONE = 40


def start(weights: str, cache: Path) -> dict[str, Any]:
    """One start and stop."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="ecg-bench-") as data:
        environment = os.environ | {"ECG_CACHE_DIR": str(cache), "ECG_DATA_DIR": data, "PYTHONPATH": str(ROOT)}
        begin = time.monotonic()
        log = Path(data) / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(command(weights, port), cwd=ROOT, env=environment, stdout=output, stderr=output)
        server = Server(f"http://127.0.0.1:{port}", process.pid)
        at: dict[str, float] = {}
        peak = 0.0
        while "all_ready_s" not in at and process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                peak = max(peak, server.rss_mib())
            for name, path, needle in (
                ("health_s", "/health", b""),
                ("clinical_ready_s", "/health/ready", b""),
                ("all_ready_s", "/health", b'"status":"ready"'),
            ):
                if name not in at and answers(server.url + path, needle):
                    at[name] = round(time.monotonic() - begin, 1)
            time.sleep(0.1)
        if process.poll() is not None:
            raise SystemExit(f"the service did not start:\n{log.read_text()[-3000:]}")
        lone = _lone_ms(server.url)
        settled = server.rss_mib()
        shared = server.pss_mib()
        with quiet.ending():
            process.terminate()
            process.wait(90)
    memory = {"peak_rss_mib": round(peak), "ready_rss_mib": round(settled), "ready_pss_mib": round(shared)}
    return at | {"lone_ms": lone} | memory


def _lone_ms(url: str) -> float:
    """The median of `LONE` requests after a few that warm up, in milliseconds."""
    body = orjson.dumps(sample_body())
    taken = []
    for _ in range(WARM_UP + LONE):
        request = urllib.request.Request(url + "/analyze", body, {"Content-Type": "application/json"})
        begin = time.perf_counter()
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
        taken.append(1000 * (time.perf_counter() - begin))
    return round(statistics.median(taken[WARM_UP:]), 1)


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--weights", help="a folder, small, or stand-in; untrained ones of the published size if not given"
    )
    options = parser.parse_args()
    weights = options.weights or str(full_size())
    with tempfile.TemporaryDirectory(prefix="ecg-bench-cache-") as cache:
        rounds = [
            {"cache": "empty" if i == 0 else "filled"} | start(weights, Path(cache)) for i in range(options.rounds)
        ]
    show("start", rounds)
    later = rounds[1:] or rounds
    medians = {name: statistics.median(r[name] for r in later) for name in later[0] if name != "cache"}
    print(save("startup", {"rounds": rounds, "median_with_filled_cache": medians}))


if __name__ == "__main__":
    main()
