"""How long until the service answers, and how much memory does it take?

    python -m benchmarks.startup [--rounds 3] [--weights DIR | stand-in]

Seconds from the command to a clinical answer, to both models, and the largest resident memory of the process tree.
The first round finds nothing translated in the cache; pages that processes share count once for each.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.figures import ROOT, save, show
from benchmarks.service import Server, answers, command, free_port
from benchmarks.weights import full_size


def start(weights: str, cache: Path) -> dict[str, Any]:
    """One start and stop."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="ecg-bench-") as data:
        environment = os.environ | {"ECG_CACHE_DIR": str(cache), "ECG_DATA_DIR": data, "PYTHONPATH": str(ROOT)}
        begin = time.monotonic()
        process = subprocess.Popen(
            command(weights, port), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        server = Server(f"http://127.0.0.1:{port}", process.pid)
        at: dict[str, float] = {}
        peak = 0.0
        while "all_ready_s" not in at and process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                peak = max(peak, server.rss_mib())
            for name, path, needle in (
                ("health_s", "/health", b""), ("clinical_ready_s", "/health/ready", b""),
                ("all_ready_s", "/health", b'"status":"ready"'),
            ):  # fmt: skip
                if name not in at and answers(server.url + path, needle):
                    at[name] = round(time.monotonic() - begin, 1)
            time.sleep(0.1)
        settled = server.rss_mib()
        process.terminate()
        process.wait(90)
    return at | {"peak_rss_mib": round(peak), "ready_rss_mib": round(settled)}


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weights", help="a folder, or stand-in; untrained ones of the published size if not given")
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
