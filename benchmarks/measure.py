"""How well `ecg.measure` measures on reference recordings, and what it costs.

    python -m benchmarks.measure [--json FILE]

LUDB: global intervals, rate and axis of 104 recordings, every one counted; fitted as committed, and cross-validated:
in ten folds, the additive shifts are fitted anew without the fold (bias of the other folds taken off).
QTDB: marks of each beat; bias and SD as mean over the recordings, over all beats, and by the better lead of each mark.
Beats: MIT-BIH 100 and SVDB 800, CPSC-2021, CPSC-2019, within 75 ms. CPU: of `ecg.measure` alone, one thread.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

import ecg
from benchmarks.datasets import beat_sets, ludb, qtdb
from benchmarks.progress import shown
from benchmarks.scoring import BeatMatch, Errors, errors, match_beats
from benchmarks.single_beats import mark_beats
from ecg.filters import Float
from ecg.measurement.beats import find_beats
from ecg.measurement.condition import condition
from ecg.measurement.median import measured_stack, median_beat

UNITS = {"heart_rate": "bpm", "pr_interval": "ms", "qrs_duration": "ms", "qt_interval": "ms", "qrs_axis": "°"}
LIMITS = {"pr_interval": (10.0, 10.0), "qrs_duration": (10.0, 10.0), "qt_interval": (25.0, 30.0)}  # IEC 60601-2-25
FOLDS = 10
MARKS = {"qrs_onset": "QRS onset", "qrs_offset": "QRS offset", "t_end": "T end"}


def intervals() -> tuple[list[Errors], list[Errors], list[float]]:
    """Errors as committed, the same cross-validated, and CPU milliseconds of each recording."""
    pairs: dict[str, list[tuple[float | None, float | None]]] = {name: [] for name in UNITS}
    cpu = []
    for reference, record in ludb():
        start = time.process_time()
        measured = ecg.measure(record)
        cpu.append(1e3 * (time.process_time() - start))
        for name in UNITS:
            pairs[name].append((reference[name], getattr(measured, name).value))
    fitted = [errors(name, unit, pairs[name], LIMITS.get(name)) for name, unit in UNITS.items()]
    validated = [errors(name, UNITS[name], _left_out(pairs[name]), LIMITS[name]) for name in LIMITS]
    return fitted, validated, cpu


def _left_out(pairs: list[tuple[float | None, float | None]]) -> list[tuple[float | None, float | None]]:
    """The pairs with each fold's measurements corrected by the mean error of the other folds."""
    error = np.array([np.nan if None in pair else pair[1] - pair[0] for pair in pairs])  # type: ignore[operator]
    fold = np.random.default_rng(0).permutation(len(pairs)) % FOLDS
    bias = np.array([np.nanmean(error[fold != number]) for number in fold])
    return [
        (reference, None if measured is None else measured - float(off))
        for (reference, measured), off in zip(pairs, bias, strict=True)
    ]


def marks() -> dict[str, dict[str, float]]:
    """Per mark: mean bias and mean SD over the QTDB recordings, and bias and SD over all beats, ms.

    `nearer` is the mean over the recordings when each lead is delineated alone and each mark judged by the lead that
    comes nearer to it, as single-lead delineators are published (Martínez et al. 2004).
    """
    both: dict[str, list[Float]] = {mark: [] for mark in MARKS}
    nearer: dict[str, list[Float]] = {mark: [] for mark in MARKS}
    for reference, record in qtdb():
        conditioned = condition(record)
        beats = find_beats(conditioned)
        median = median_beat(conditioned, record.leads, beats, measured_stack(conditioned, beats))
        at = np.array([beat["r"] for beat in reference]) / conditioned.ratio
        near = (beats.r_samples > at.min() - 2000) & (beats.r_samples < at.max() + 2000)
        chosen = [name for name, keep in zip(beats.classes, near, strict=True) if keep]
        some = replace(
            beats,
            r_samples=beats.r_samples[near],
            classes=tuple(chosen),
            measured=beats.measured[near],
            after_gap=beats.after_gap[near],
        )
        distance = np.abs(some.r_samples[None, :] - at[:, None])
        alone = [conditioned.usable & (np.arange(len(record.leads)) == lead) for lead in range(len(record.leads))]
        found = [mark_beats(replace(conditioned, usable=leads), some, median) for leads in (conditioned.usable, *alone)]
        for mark in MARKS:
            asked = [
                (nearest, beat[mark])
                for nearest, off, beat in zip(distance.argmin(axis=1), distance.min(axis=1), reference, strict=True)
                if mark in beat and off < 75
            ]
            index, truth = np.array(asked).T
            error = [(getattr(one, mark)[index] - truth) * 1e3 / record.fs_hz for one in found]
            both[mark].append(error[0])
            single = np.array(error[1:])
            best = np.where(np.isnan(single), np.inf, np.abs(single)).argmin(axis=0)
            nearer[mark].append(single[best, np.arange(len(best))])
    table = {}
    for mark, errors_ms in both.items():
        every = np.concatenate(errors_ms)
        table[mark] = {
            "beats": len(every),
            "missed": int(np.isnan(every).sum()),
            "bias": _mean(np.nanmean, errors_ms),
            "sd": _mean(np.nanstd, errors_ms),
            "bias_all": float(np.nanmean(every)),
            "sd_all": float(np.nanstd(every)),
            "bias_nearer": _mean(np.nanmean, nearer[mark]),
            "sd_nearer": _mean(np.nanstd, nearer[mark]),
        }
    return table


def _mean(statistic: Callable[[Float], float], by_record: list[Float]) -> float:
    return float(np.mean([statistic(one) for one in by_record]))


def beats() -> dict[str, BeatMatch]:
    """Matched, missed and invented beats of each set."""
    table: dict[str, BeatMatch] = {}
    for title, reference, record in shown(beat_sets(), "recordings"):
        found = ecg.measure(record).beats.r_samples
        matched = match_beats(reference, found, 0.075 * record.fs_hz)
        table[title] = table[title] + matched if title in table else matched
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the tables to this file")
    target = parser.parse_args().json
    fitted, validated, cpu = intervals()
    for title, rows in (("LUDB, as committed", fitted), ("LUDB, shifts cross-validated", validated)):
        heads = f"{'n':>4s} {'missed':>6s} {'invented':>8s} {'bias':>6s} {'SD':>6s} {'p75':>6s} {'p95':>6s}"
        print(f"{title}\n{'':14s} {heads}")
        for row in rows:
            counts = f"{row.n:4d} {row.missed:6d} {row.invented:8d}"
            numbers = f"{row.bias:+6.1f} {row.sd:6.1f} {row.percentile(75):6.1f} {row.percentile(95):6.1f}"
            print(f"{row.parameter:14s} {counts} {numbers} {row.unit}")
    rate = next(row for row in fitted if row.parameter == "heart_rate")
    rate_mae = float(np.mean([abs(error) for _, error in rate.pairs]))
    print(f"rate: mean absolute error {rate_mae:.2f} bpm")
    print(f"CPU of ecg.measure: median {np.median(cpu):.1f} ms, 95 % {np.percentile(cpu, 95):.1f} ms a recording")
    qt = marks()
    print(
        "QTDB q1c, beat by beat: bias ± SD, mean over recordings (over all beats; by the better lead of each mark), ms"
    )
    for mark, name in MARKS.items():
        row = qt[mark]
        others = f"{row['bias_all']:+.1f} ± {row['sd_all']:.1f}; {row['bias_nearer']:+.1f} ± {row['sd_nearer']:.1f}"
        print(f"{name:12s} {row['bias']:+.1f} ± {row['sd']:.1f} ({others})")
    found = beats()
    for title, match in found.items():
        shares = f"sensitivity {match.sensitivity:.4f}, PPV {match.ppv:.4f}, F1 {match.f1:.4f}"
        print(f"{title}: {shares} ({match.missed} missed, {match.invented} invented)")
    if target is not None:
        content = {
            "ludb": [row.to_dict() for row in fitted],
            "ludb_cross_validated": [row.to_dict() for row in validated],
            "rate_mae_bpm": round(rate_mae, 3),
            "qtdb": qt,
            "cpu_ms_median": round(float(np.median(cpu)), 2),
            "beats": {title: match.to_dict() for title, match in found.items()},
        }
        target.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
