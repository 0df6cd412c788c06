"""What does each hop of the graph add to a lone request?

    python -m benchmarks.hops [--rounds 5]

Requests that go one step further each time, in turns, against the same steps called in one process. Stand-in models.
"""

import argparse
import statistics
import time
from collections.abc import Callable

from benchmarks.figures import save, show
from benchmarks.load import closed_loop, payload, recording
from benchmarks.service import our_service
from ecg import local

#: Path of the graph, and what `include` takes it.
PATHS = {
    "ingress, measure": "measurements,quality",
    "ingress, measure, preprocess, one model": "features",
    "ingress, measure, preprocess, two models": "clinical,features",
}


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    record = recording()
    models = local.load_models("stand-in")

    def in_process(include: str) -> Callable[[], float]:
        def once() -> float:
            start = time.perf_counter()
            local.run(record, models, frozenset(include.split(","))).to_json()
            return time.perf_counter() - start

        return once

    rounds = []
    with our_service("stand-in") as server:
        for _ in range(options.rounds):
            taken = {}
            for name, include in PATHS.items():
                outcome = closed_loop(server.url + "/analyze", payload("npy", record, include), 1, options.seconds, 0.3)
                local_ms = statistics.median(in_process(include)() for _ in range(10)) * 1000
                taken[name] = {"service_ms": statistics.median(outcome.latencies_s) * 1000, "in_process_ms": local_ms}
            rounds.append(taken)
    rows = [
        {
            "path": name,
            "service p50 ms": round(statistics.median(r[name]["service_ms"] for r in rounds), 1),
            "in one process ms": round(statistics.median(r[name]["in_process_ms"] for r in rounds), 1),
            "over ms": round(statistics.median(r[name]["service_ms"] - r[name]["in_process_ms"] for r in rounds), 1),
        }
        for name in PATHS
    ]
    show("one request at a time", rows)
    print(save("hops", {"rounds": rounds, "table": rows}))


if __name__ == "__main__":
    main()
