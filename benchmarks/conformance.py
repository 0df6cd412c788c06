"""Conformance report: how far measurements, beats, quality and rules are from what is known, as one page to read.

    python -m benchmarks.conformance [--out benchmarks/results] [--quick] [--raise-floors]

On the simulator set always; on the reference recordings of ../shared/data when they are there. Writes conformance.html
and conformance.json into the folder, prints the tables, and exits with 1 when the simulator set falls below a floor
of benchmarks/floors.json. `--quick` takes every sixth simulated recording. `--raise-floors` writes today's figures as
floors where they are better, and leaves the others.
"""

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks import floors, page, ptbxl, reference_set, simulator_set, small_model
from benchmarks.datasets import DATA
from benchmarks.results import Report, Section
from benchmarks.tables import show
from ecg._version import __version__

OUT = Path(__file__).parent / "results"
QUICK = 6
WIDTH = 130  # of the tables when they go to a file


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--quick", action="store_true", help="every sixth simulated recording")
    parser.add_argument("--raise-floors", action="store_true", help="write better figures as floors")
    arguments = parser.parse_args()
    console, progress = Console(), Console(stderr=True)
    if not console.is_terminal:
        console = Console(width=WIDTH)

    sections: list[Section] = []
    start = time.process_time()
    cases = simulator_set.run(QUICK if arguments.quick else 1, progress)
    sections.append(simulator_set.section(cases))
    if DATA.is_dir():
        own = [small_model.small_model] if small_model.available() else []
        for build in (*reference_set.SECTIONS, *([ptbxl.ptbxl] if ptbxl.FOLDER.is_dir() else []), *own):
            progress.print(f"{build.__name__.replace('_', ' ')} ...")
            sections.append(build())
    else:
        progress.print("../shared/data is not there: the reference recordings are left out")
    report = Report(__version__, datetime.now(UTC), time.process_time() - start, tuple(sections))
    show(report, console)

    kind = "reduced" if arguments.quick else "whole"
    figures = floors.figures(cases)
    breaches = floors.breaches(figures, kind)
    if arguments.raise_floors:
        floors.raise_to(figures, kind)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "conformance.json").write_text(json.dumps(report.to_dict() | {"breaches": breaches}, indent=1))
    (arguments.out / "conformance.html").write_text(page.render(report, breaches))
    progress.print(f"wrote {arguments.out / 'conformance.html'} and conformance.json")
    for breach in breaches:
        progress.print(f"below its floor: {breach}")
    return 1 if breaches and not arguments.raise_floors else 0


if __name__ == "__main__":
    raise SystemExit(main())
