"""The measurements that devices wrote into their files beside ours, as a table for docs/vendor-measurements.md.

python -m benchmarks.vendor ../shared/data > docs/vendor-measurements.md
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.datasets import DATA
from benchmarks.results import Section
from ecg import read
from ecg.errors import EcgError
from ecg.formats import is_named_like_a_recording
from ecg.pipeline import examine
from ecg.report.device import COMPARED, differences

_FOLDERS = ("dicom", "same_ecg_dicom_scp_aecg", "scp", "muse_xml", "philips_xml", "contec_limb_only")
_HEADS = {
    "heart_rate": "rate (bpm)",
    "pr_interval": "PR (ms)",
    "qrs_duration": "QRS (ms)",
    "qt_interval": "QT (ms)",
    "p_axis": "P axis (°)",
    "qrs_axis": "QRS axis (°)",
    "t_axis": "T axis (°)",
}


LIMITS = {"pr_interval": (5.0, 8.0), "qrs_duration": (4.0, 8.0), "qt_interval": (5.0, 10.0)}  # |mean|, SD in ms


def main(data: Path) -> None:
    """Print the document."""
    lines, apart = compared(data)
    print("# Devices' measurements beside ours\n")
    print("Made by `python -m benchmarks.vendor ../shared/data`: every file there that holds the measurements of its")
    print("device. A cell is the device's value, and in brackets ours minus it; – is not given by the file.\n")
    print(f"| file | device | {' | '.join(_HEADS.values())} |")
    print(f"|---|---|{'---|' * len(_HEADS)}")
    print("\n".join(lines))
    print("\nOver the recordings, each once:\n")
    print("| | n | mean | SD |\n|---|---|---|---|")
    for name, values in apart.items():
        if len(values) > 1:
            print(f"| {_HEADS[name]} | {len(values)} | {np.mean(values):+.1f} | {np.std(values, ddof=1):.1f} |")


def compared(data: Path) -> tuple[list[str], dict[str, list[float]]]:
    """A line of the table for each file, and ours minus the device's by measurement, each recording once."""
    apart: dict[str, list[float]] = {name: [] for name in COMPARED}
    seen: set[str] = set()
    lines = []
    for folder in _FOLDERS:
        for path in sorted((data / folder).iterdir()):
            if (line := _row(path, apart, seen)) is not None:
                lines.append(line)
    return lines, apart


def vendor() -> Section:
    """The chapter of the conformance report."""
    _, apart = compared(DATA)
    counts, figures = [], {}
    for name, (mean, sd) in LIMITS.items():
        values = apart[name]
        said = f"{np.mean(values):+.1f} ± {np.std(values, ddof=1):.1f} ms over {len(values)} recordings"
        counts.append((_HEADS[name], said, f"within ±{mean:g}, SD ≤ {sd:g}"))
        figures |= {f"vendor.{name}.bias": round(abs(float(np.mean(values))), 1)}
        figures |= {f"vendor.{name}.sd": round(float(np.std(values, ddof=1)), 1)}
    intro = "Ours minus what GE, Philips, Mortara and others wrote into their own files."
    return Section("Devices' own values", intro, counts=tuple(counts), figures=figures)


def _row(path: Path, apart: dict[str, list[float]], seen: set[str]) -> str | None:
    if not is_named_like_a_recording(path.name):
        return None
    try:
        record = read(path)
    except EcgError:
        return None
    if record.origin is None or not record.origin.measurements:
        return None
    measurements = examine(record).measurements
    found = differences(record.origin, measurements)
    same = np.rint(record.lead("II") * 1000).tobytes().hex()  # one recording may lie in several formats
    if same not in seen:
        for name, value in found.items():
            apart[name].append(value)
    seen.add(same)
    cells = []
    for name in COMPARED:
        theirs = record.origin.measurements.get(name)
        beside = f" ({found[name]:+.0f})" if name in found else " (not measured)"
        cells.append("–" if theirs is None else f"{theirs:g}{beside}")
    device = " ".join(filter(None, (record.origin.manufacturer, record.origin.model)))
    return f"| {path.parent.name}/{path.name[:24]} | {device or record.format} | {' | '.join(cells)} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=DATA, metavar="FOLDER")
    main(parser.parse_args().data)
