"""`python -m benchmarks.cores [--cores 1 2] [--weights small] [--price P]`: the service by number of processors.

For each number the service is started on so many processors of this machine: seconds until it is ready, memory (PSS)
of all its processes, recordings of ten seconds in a second with all parts and without models, the median of lone
requests, and the hours that such a machine takes for a million recordings. The clients run on all processors of this
machine. With `--price`, the price of one processor for an hour, what a million costs; prices differ by place and day,
so that none is kept here.
"""

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks.figures import save, show
from benchmarks.load import closed_loop, payload, recording
from benchmarks.serve import WITHOUT_MODELS
from benchmarks.service import our_service

MILLION, HOUR_S = 1_000_000, 3600.0


@contextmanager
def processors(count: int) -> Iterator[None]:
    """What is started inside has the first `count` processors of this process, and keeps them. Linux only."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(own)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def measured(count: int, weights: str, clients: int, seconds: float, price: float | None) -> dict[str, float]:
    """One row of the table."""
    begun = time.monotonic()
    whole, without = payload("npy", recording()), payload("npy", recording(), WITHOUT_MODELS)
    with ExitStack() as running:
        with processors(count):
            server = running.enter_context(our_service(weights))
        ready = time.monotonic() - begun
        url = server.url + "/analyze"
        lone = closed_loop(url, whole, 1, seconds).to_dict()["p50_ms"]
        rate = closed_loop(url, whole, clients, seconds).per_s
        plain = closed_loop(url, without, clients, seconds).per_s
        memory = server.pss_mib()
    row = {
        "processors": count,
        "ready_s": round(ready, 1),
        "pss_mib": round(memory),
        "lone_ms": lone,
        "per_s": round(rate, 2),
        "without_models_per_s": round(plain, 1),
        "hours_for_a_million": round(MILLION / rate / HOUR_S, 1),
        "hours_without_models": round(MILLION / plain / HOUR_S, 1),
    }
    if price is not None:
        row["price_of_a_million"] = round(price * count * row["hours_for_a_million"], 2)
    return row


def main() -> None:
    """Print and save the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    there = len(os.sched_getaffinity(0))
    parser.add_argument("--cores", type=int, nargs="+", default=[n for n in (1, 2, 4, 8, 16) if n <= there])
    parser.add_argument("--weights", default="small", help="small, stand-in, or a folder of published ones")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--price", type=float, help="of one processor for an hour, in any currency")
    options = parser.parse_args()
    if too_many := [count for count in options.cores if not 1 <= count <= there]:
        parser.error(f"this machine has {there} processors, not {too_many[0]}")
    rows = [
        measured(count, options.weights, options.clients, options.seconds, options.price) for count in options.cores
    ]
    show(f"by number of processors, weights {options.weights}", rows)
    print(save("cores", {"rows": rows, "weights": options.weights, "clients": options.clients}))


if __name__ == "__main__":
    main()
