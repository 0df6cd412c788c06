"""LUDB as other recorders would have it: at 100 and 250 Hz, low-passed at 40 Hz, with mains hum.

    python -m benchmarks.copies

Of each copy: PR values lost, the share of findings left open, and the spread of the intervals about cardiologists'
middle marks. Needs ../shared/data/ludb.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from scipy import signal as dsp

from benchmarks import datasets
from benchmarks.progress import shown
from benchmarks.results import Section
from ecg.filters import LowPass, filtered
from ecg.pipeline import Examination, examine
from ecg.record import EcgRecord

INTERVALS = ("pr_interval", "qrs_duration", "qt_interval")
HUM_MV = 0.05
HUM_HZ = 50.0
LOW_PASS_HZ = 40.0
MOST_LOST = 4  # of 89 PR values
MOST_OPEN = 3.0  # points more than the original
MOST_SPREAD = 1.15  # of the original's SD


def _at_rate(fs_hz: float) -> Callable[[EcgRecord], EcgRecord]:
    def resampled(record: EcgRecord) -> EcgRecord:
        rate = Fraction(fs_hz / record.fs_hz).limit_denominator(1000)
        samples = dsp.resample_poly(record.signal, rate.numerator, rate.denominator, axis=1, padtype="line")
        return replace(record, signal=samples.astype(np.float32), fs_hz=fs_hz)

    return resampled


def _low_passed(record: EcgRecord) -> EcgRecord:
    smooth = filtered(LowPass(LOW_PASS_HZ, record.fs_hz), record.signal.astype(np.float64))
    return replace(record, signal=smooth.astype(np.float32))


def _with_hum(record: EcgRecord) -> EcgRecord:
    """50 µV of 50 Hz in every lead, each at a phase of its own."""
    rng = np.random.default_rng(int(str(record.name)))
    seconds = np.arange(record.n_samples) / record.fs_hz
    phase = rng.uniform(0.0, 2 * np.pi, (len(record.leads), 1))
    hum = HUM_MV * np.sin(2 * np.pi * HUM_HZ * seconds + phase)
    return replace(record, signal=(record.signal + hum).astype(np.float32))


COPIES: dict[str, Callable[[EcgRecord], EcgRecord]] = {
    "as it is": lambda record: record,
    "at 100 Hz": _at_rate(100.0),
    "at 250 Hz": _at_rate(250.0),
    "low-passed at 40 Hz": _low_passed,
    "hum of 50 µV": _with_hum,
}


@dataclass(frozen=True)
class Copy:
    """One copy of the set: how many have a PR in the marks and none here, findings open in %, SD by interval in ms."""

    pr_lost: int
    open_percent: float
    sd: dict[str, float]


def measured() -> dict[str, Copy]:
    """`Copy` by its name in `COPIES`."""
    marked = list(datasets.ludb())
    table = {}
    for name, changed in COPIES.items():
        pairs = [(reference, examine(changed(record))) for reference, record in shown(marked, name, len(marked))]
        table[name] = _judged(pairs)
    return table


def _judged(pairs: list[tuple[dict[str, float | None], Examination]]) -> Copy:
    lost = sum(
        reference["pr_interval"] is not None and one.measurements.pr_interval.value is None for reference, one in pairs
    )
    findings = [finding.present is None for _, one in pairs for finding in one.findings]
    sd = {}
    for name in INTERVALS:
        values = [(getattr(one.measurements, name).value, reference[name]) for reference, one in pairs]
        sd[name] = float(np.std([value - marks for value, marks in values if value is not None and marks is not None]))
    return Copy(lost, 100 * float(np.mean(findings)), sd)


def copies() -> Section:
    """The chapter of the conformance report."""
    table = measured()
    original = table["as it is"]
    counts, figures = [], {}
    for name, copy in table.items():
        spread = ", ".join(f"{value:.1f}" for value in copy.sd.values())
        more = copy.open_percent - original.open_percent
        said = f"{copy.pr_lost} PR lost, {copy.open_percent:.1f} % open ({more:+.1f} points), SD {spread} ms"
        if name == "hum of 50 µV":
            demand = f"each SD ≤ {MOST_SPREAD:g} of the original's"
        else:
            demand = "" if copy is original else f"≤ {MOST_LOST} lost, ≤ {MOST_OPEN:+g} points"
        counts.append((name, said, demand))
        figures[f"copies.{name}.pr_lost"] = float(copy.pr_lost)
        figures[f"copies.{name}.open"] = round(copy.open_percent, 1)
    return Section(
        "Copies of LUDB",
        "SD of PR, QRS and QT about the middle of cardiologists' marks.",
        counts=tuple(counts),
        figures=figures,
    )


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if not datasets.DATA.is_dir():
        print("../shared/data/ludb is not there: LUDB is at https://physionet.org/content/ludb (ODC-By 1.0)")
        return 1
    for name, said, demand in copies().counts:
        print(f"{name}: {said}" + (f" (demanded {demand})" if demand else ""))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
