"""How long a file of ten seconds takes to become a recording, in every format.

    python -m benchmarks.reading                  simulated files of 12 or 8 leads at 500 Hz
    python -m benchmarks.reading FILE…            these files

Processor time of one thread, the fastest of several rounds; beside it how often the time of a fixed piece of work of
the same process that is, which holds on any machine.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ecg import read
from ecg.formats import parse
from ecg.simulation import SCENARIOS, simulate
from tests.ecg.formats.every_format import EIGHT, samples

ROUNDS = 15


def fastest_ms(work: Callable[[], object]) -> float:
    """Milliseconds of processor time of the fastest of `ROUNDS` calls, after one that imports what is needed."""
    work()
    found = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found) * 1000


def fixed_work() -> float:
    """A hundred sorts of ten thousand numbers."""
    numbers = np.random.default_rng(1).random((100, 10_000))
    return fastest_ms(lambda: np.sort(numbers, axis=1))


def main(files: list[str]) -> None:
    """Print the table."""
    unit = fixed_work()
    print(f"fixed piece of work: {unit:.1f} ms\n\n| format | bytes | ms | of the fixed work |\n|---|---|---|---|")
    if files:
        for file in files:
            shown(Path(file).name, Path(file).stat().st_size, fastest_ms(lambda path=file: read(path)), unit)
        return
    record = simulate(SCENARIOS["sinus"], seed=7).record
    counts = np.rint(np.stack([record.lead(lead) for lead in EIGHT]) / 0.0025).astype(np.int16)
    for name, sample in samples(counts).items():
        size = sum(map(len, sample.files.values()))
        shown(name, size, fastest_ms(lambda one=sample: parse(one.files, one.stated)), unit)


def shown(name: str, size: int, spent_ms: float, unit_ms: float) -> None:
    """One row."""
    print(f"| {name} | {size:,} | {spent_ms:.1f} | {spent_ms / unit_ms:.2f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE")
    main(parser.parse_args().files)
