"""How waves look round their ends: at cardiologists' global marks (LUDB) and at the truth of simulated recordings.

    python -m benchmarks.boundaries

The global mark is the second-earliest onset (second-latest offset) of the twelve leads of a beat, as the reference
intervals have it; median over beats. Printed: departure from the level at the mark, root mean square over leads, as a
share of the wave's peak-to-peak, so many ms inside the mark; median over recordings with a narrow and a wide QRS.
The same code reads both: conditioning, beats and median beat are those of `ecg.measure`.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.datasets import DATA, read, rows
from benchmarks.simulator_set import NOISES, SHAPES
from ecg.dsp import FS_HZ
from ecg.filters import Float, LowPass, filtered
from ecg.measurement.beats import Beats, find_beats
from ecg.measurement.condition import condition
from ecg.measurement.median import MedianBeat, measured_stack, median_beat
from ecg.record import EcgRecord
from ecg.simulation import Artefact, Scenario, simulate

INSIDE_MS = np.array([4, 8, 12, 16, 20, 24, 32, 40])
#: Name, low-pass against noise in Hz; symbol and side in the annotations, and where the wave is from R, in samples.
MARKS = {
    "P onset": (25.0, ("p", 0, -200, -20)),
    "QRS onset": (60.0, ("N", 0, -60, 60)),
    "QRS offset": (60.0, ("N", 1, -60, 60)),
    "T end": (20.0, ("t", 1, 50, 330)),
}
TRUTH = {"P onset": "p_on_s", "QRS onset": "qrs_on_s", "QRS offset": "qrs_off_s", "T end": "t_off_s"}
LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")
MIN_LEADS, NARROW_MS, WIDE_MS = 6, 112.0, 120.0

Marked = tuple[MedianBeat, dict[str, float]]  # the marks in samples of the median beat


def ludb() -> Iterator[Marked]:
    for row in rows(DATA / "ludb" / "reference.csv"):
        beat, beats = _median(read("ludb", row["record"]))
        if beat is not None:
            r = beats.r_samples[beats.measured]
            waves = [waves_of(DATA / "ludb" / row["record"], lead) for lead in LEADS]
            found = {name: _global_mark(waves, r, *where) for name, (_, where) in MARKS.items()}
            yield beat, {name: beat.r + lag for name, lag in found.items() if not np.isnan(lag)}


def simulated() -> Iterator[Marked]:
    level = NOISES["low"]
    assert level is not None
    artefacts = tuple(map(Artefact, ("baseline", "muscle", "mains50"), level))
    for seed, (shape, qrs, rate) in enumerate((s, q, rate) for s in SHAPES for q in SHAPES[s] for rate in (60, 75, 90)):
        t_shape = (
            "discordant" if shape in ("lbbb", "rbbb") else ("upright", "inverted", "biphasic", "upright")[seed % 4]
        )
        pr = 100 if shape == "preexcited" else 160
        made = simulate(
            Scenario(shape=shape, qrs_ms=qrs, heart_rate_bpm=rate, pr_ms=pr, t_shape=t_shape, artefacts=artefacts), seed
        )
        beat, beats = _median(made.record)
        if beat is not None:
            r = beats.r_samples[beats.measured]
            at = np.array([truth.r_s * FS_HZ for truth in made.truth.beats])
            near = [made.truth.beats[int(np.abs(at - x).argmin())] for x in r]
            lags = {
                name: [getattr(b, field) * FS_HZ - x for b, x in zip(near, r, strict=True)]
                for name, field in TRUTH.items()
            }
            yield beat, {name: beat.r + float(np.median(values)) for name, values in lags.items()}


def _median(record: EcgRecord) -> tuple[MedianBeat | None, Beats]:
    conditioned = condition(record)
    beats = find_beats(conditioned)
    return median_beat(conditioned, record.leads, beats, measured_stack(conditioned, beats)), beats


def waves_of(path: Path, lead: str) -> list[tuple[str, int, int, int]]:
    """Symbol, onset, peak and offset of each wave marked in a lead."""
    import wfdb

    marks = wfdb.rdann(str(path), lead)
    symbol, at = marks.symbol, marks.sample
    return [
        (symbol[k], int(at[k - 1]), int(at[k]), int(at[k + 1]))
        for k in range(1, len(symbol) - 1)
        if symbol[k] in "pNt" and symbol[k - 1] == "(" and symbol[k + 1] == ")"
    ]


def _global_mark(
    waves: list[list[tuple[str, int, int, int]]], r: np.ndarray, symbol: str, side: int, low: int, high: int
) -> float:
    """Second-earliest onset (side 0) or second-latest offset (1) from R in samples, median over beats; NaN: none."""
    marks = []
    for x in r:
        near = [[w for w in lead if w[0] == symbol and low <= w[2] - x <= high] for lead in waves]
        ends = sorted(lead[0][3 if side else 1] - x for lead in near if lead)
        if len(ends) >= MIN_LEADS:
            marks.append(ends[-2] if side else ends[1])
    return float(np.median(marks)) if len(marks) >= 2 else float("nan")


def profile(beat: MedianBeat, marks: dict[str, float], name: str) -> Float | None:
    """Departure from the level at a mark, `INSIDE_MS` inside the wave, as a share of the wave's peak-to-peak."""
    span = {"P onset": ("P onset", "QRS onset"), "T end": ("QRS offset", "T end")}.get(
        name, ("QRS onset", "QRS offset")
    )
    if not {name, *span} <= marks.keys():
        return None
    signal = filtered(LowPass(MARKS[name][0], FS_HZ), beat.signal[beat.usable])
    inwards = 1 if name.endswith("onset") else -1
    places = marks[name] + inwards * np.concatenate([[0], INSIDE_MS]) * FS_HZ / 1e3
    values = np.array([np.interp(places, np.arange(signal.shape[1]), row) for row in signal])
    first = int(marks[span[0]]) + (10 if name == "T end" else 0)
    height = np.sqrt((np.ptp(signal[:, first : int(marks[span[1]]) + 1], axis=1) ** 2).mean())
    share: Float = np.sqrt(((values[:, 1:] - values[:, :1]) ** 2).mean(axis=0)) / height
    return share


def main() -> None:
    sources = {"LUDB": list(ludb()), "simulated": list(simulated())}
    print(f"{'':32s}" + "".join(f"{ms:7d}" for ms in INSIDE_MS) + " ms")
    for width in ("narrow", "wide"):
        for name in MARKS:
            for source, recordings in sources.items():
                found = [profile(b, m, name) for b, m in recordings if _width(m) == width]
                shares = [share for share in found if share is not None]
                print(
                    f"{width:7s}{name:11s}{source:10s}{len(shares):4d}"
                    + "".join(f"{value:7.3f}" for value in np.median(shares, axis=0))
                )


def _width(marks: dict[str, float]) -> str | None:
    """``narrow`` up to 112 ms, ``wide`` from 120 ms; None between."""
    qrs_ms = (marks["QRS offset"] - marks["QRS onset"]) * 1e3 / FS_HZ
    return "narrow" if qrs_ms <= NARROW_MS else "wide" if qrs_ms >= WIDE_MS else None


if __name__ == "__main__":
    main()
