"""How fast is each engine, and what share of the machine's matrix-product rate does it reach?

    python -m benchmarks.engine [--rounds 5] [--segments 4] [--without torch-float32 …]

Variants take turns within every round, so that a busy machine slows all of them alike; ratios are medians over rounds.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.figures import save, show
from benchmarks.weights import full_size
from ecg.models import load_model

#: Multiplications and additions of one segment through the published network.
GFLOP_PER_SEGMENT = 28.3
_SIZE = 2048
VARIANTS = ("torch-float32", "torch-bfloat16", "openvino-float32", "openvino-bfloat16", "openvino-int8")


def matrix_product(precision: str) -> Callable[[], float]:
    """A function that multiplies two large matrices in torch and returns GFLOP."""
    import torch

    a, b = (torch.randn(_SIZE, _SIZE, dtype=getattr(torch, precision)) for _ in range(2))

    def run() -> float:
        torch.mm(a, b)
        return 2 * _SIZE**3 / 1e9

    return run


def rate(run: Callable[[], float], seconds: float) -> float:
    """What `run` returns, summed, a second."""
    run()  # threads that slept are awake, caches are this variant's
    start, done = time.perf_counter(), 0.0
    while (took := time.perf_counter() - start) < seconds:
        done += run()
    return done / took


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", help="a folder of checkpoints; untrained ones of the published size if not given")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each variant in each round")
    parser.add_argument("--segments", type=int, default=4, help="in one forward pass")
    parser.add_argument(
        "--threads",
        type=int,
        default=max(1, (os.cpu_count() or 1) // 2),
        help="of every variant; half of the processors if not given, what the service gives a model",
    )
    parser.add_argument("--without", nargs="*", default=[], choices=VARIANTS)
    options = parser.parse_args()
    weights = options.weights or str(full_size())
    import torch

    torch.set_num_threads(options.threads)
    x = np.random.default_rng(0).standard_normal((options.segments, 12, 2500), dtype=np.float32)
    runs: dict[str, Callable[[], float]] = {
        f"matrix product {precision}": matrix_product(precision) for precision in ("float32", "bfloat16")
    }
    notes = {}
    for variant in (v for v in VARIANTS if v not in options.without):
        backend, precision = variant.split("-")
        model = load_model(weights, backend, precision, kind="finetuned", threads=options.threads)  # type: ignore[arg-type]
        if model.precision != precision:
            notes[variant] = model.note
            continue
        runs[variant] = lambda model=model: model(x).embedding.shape[0] * GFLOP_PER_SEGMENT  # type: ignore[misc]
    rounds = [{name: rate(run, options.seconds) for name, run in runs.items()} for _ in range(options.rounds)]

    def ratio(name: str, to: str) -> float | None:
        return round(statistics.median(r[name] / r[to] for r in rounds), 2) if to in runs else None

    rows = [
        {
            "variant": name,
            "GFLOP/s": round(statistics.median(r[name] for r in rounds), 1),
            "ms a segment": round(statistics.median(GFLOP_PER_SEGMENT / r[name] for r in rounds) * 1000, 1),
            "times torch float32": ratio(name, "torch-float32"),
            "times matrix product bfloat16": ratio(name, "matrix product bfloat16"),
        }
        for name in runs
    ]
    show(f"engine: {options.segments} segments a pass, {options.threads} threads", rows)
    for variant, note in notes.items():
        print(f"{variant}: {note}")
    print(save("engine", {"rounds": rounds, "table": rows, "refused": notes}))


if __name__ == "__main__":
    main()
