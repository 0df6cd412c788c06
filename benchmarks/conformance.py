"""Conformance report: how far measurements, beats, quality and rules are from what is known, as one page to read.

    python -m benchmarks.conformance [--out benchmarks/results] [--quick] [--raise-floors]

On the simulator set always; on the reference recordings of ../shared/data when they are there: devices' own values,
PTB-XL, LUDB and its copies, QTDB, beat sets, diagnoses, CinC-2011. Writes conformance.html and conformance.json into
the folder, prints the tables, and exits with 1 when a figure falls below its floor in benchmarks/floors.json. `--quick`
takes every sixth simulated recording and no others; the whole takes some minutes and says how far it is.
`--raise-floors` writes today's figures as floors where they are better, and leaves the others.
"""

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks import floors, page, reference_set, simulator_set, small_model
from benchmarks.datasets import DATA
from benchmarks.results import Report, Section
from benchmarks.tables import show
from ecg._version import __version__

OUT = Path(__file__).parent / "results"
QUICK = 6
WIDTH = 130  # of the tables when they go to a file
WHERE = (
    "LUDB, QTDB, MIT-BIH, SVDB, PTB-XL and the challenges of 2011 and 2021 are at https://physionet.org; CPSC-2019 and "
    "CPSC-2021 at http://2019.icbeb.org and https://physionet.org/content/cpsc2021; CODE-15% at "
    "https://zenodo.org/records/4916206. benchmarks/datasets.py says which files are read, and from where."
)


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
    progress.print("simulator set ...")
    start = time.process_time()
    cases = simulator_set.run(QUICK if arguments.quick else 1)
    sections.append(simulator_set.section(cases))
    found = {("reduced" if arguments.quick else "whole"): floors.figures(cases)}
    if DATA.is_dir() and not arguments.quick:
        own = (small_model.small_model,) if small_model.available() else ()
        for build in (*reference_set.SECTIONS, *own):
            progress.print(f"{build.__name__.replace('_', ' ')} ...")
            sections.append(build())
        found["reference"] = {name: value for section in sections for name, value in section.figures.items()}
    elif not arguments.quick:
        progress.print(f"{DATA} is not there, and the reference recordings are left out. {WHERE}", soft_wrap=True)
    report = Report(__version__, datetime.now(UTC), time.process_time() - start, tuple(sections))
    show(report, console)

    breaches = [breach for kind, figures in found.items() for breach in floors.breaches(figures, kind)]
    if arguments.raise_floors:
        for kind, figures in found.items():
            floors.raise_to(figures, kind)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "conformance.json").write_text(json.dumps(report.to_dict() | {"breaches": breaches}, indent=1))
    (arguments.out / "conformance.html").write_text(page.render(report, breaches))
    progress.print(f"wrote {arguments.out / 'conformance.html'} and conformance.json", soft_wrap=True)
    for breach in breaches:
        progress.print(f"below its floor: {breach}", soft_wrap=True)
    return 1 if breaches and not arguments.raise_floors else 0


if __name__ == "__main__":
    raise SystemExit(main())
