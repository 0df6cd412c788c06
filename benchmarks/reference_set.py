"""The chapters of the conformance report on real recordings with reference annotations (../shared/data)."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import numpy as np

import ecg
from benchmarks import datasets, measure, quality_cinc2011
from benchmarks.copies import copies
from benchmarks.lead_reversal import named_left_out
from benchmarks.progress import shown
from benchmarks.ptbxl import ptbxl
from benchmarks.results import NAMES, Plot, Section, allowed, bland_altman
from benchmarks.scoring import detection, errors
from benchmarks.vendor import vendor
from ecg.labels import LABEL_NAMES
from ecg.measurement.intervals import Measurements
from ecg.pipeline import examine
from ecg.record import EcgRecord

#: |bias| and SD demanded on LUDB. The middle mark lies inside the level of programs in use (decision 4).
LUDB_LIMITS = {
    "heart_rate": (1.0, 2.0),
    "pr_interval": (5.0, 8.0),
    "qrs_duration": (5.0, 7.5),
    "qt_interval": (10.0, 13.0),
    "qrs_axis": (3.0, 10.0),
}
P75_LIMITS = {"pr_interval": 5.5, "qrs_duration": 7.0, "qt_interval": 9.0}
UNITS = {"heart_rate": "bpm", "qrs_axis": "°"}
QTDB_LIMITS = {"qrs_onset": (5.0, 7.5), "qrs_offset": (5.0, 9.0), "t_end": (5.0, 18.0)}
REVERSALS = {"LA/RA": ("LA", "RA"), "LA/LL": ("LA", "LL"), "RA/LL": ("RA", "LL")}


def ludb() -> Section:
    records = list(datasets.ludb())
    cpu_ms, measured = [], []
    for _, record in shown(records, "measuring", len(records)):
        start = time.process_time()
        measured.append(ecg.measure(record))
        cpu_ms.append(1e3 * (time.process_time() - start))
    table = [
        errors(
            name,
            UNITS.get(name, "ms"),
            [(row[name], getattr(found, name).value) for (row, _), found in zip(records, measured, strict=True)],
            limit,
        )
        for name, limit in LUDB_LIMITS.items()
    ]
    intervals = [row for row in table if row.unit == "ms"]
    plots = [bland_altman(row, "cardiologists") for row in intervals]
    for row in intervals:
        for axis, label in (("heart_rate", "bpm"), ("qrs_duration", "QRS duration, ms")):
            points = tuple(
                (truth[axis], value - reference)
                for (truth, _), found in zip(records, measured, strict=True)
                if (value := getattr(found, row.parameter).value)
                and (reference := truth[row.parameter])
                and truth[axis]
            )
            if axis != row.parameter:
                title = f"{NAMES[row.parameter]}: error by {NAMES[axis]}"
                plots.append(Plot(title, label, "error, ms", {"": points}, allowed(row)))
    reversals, false = _reversals([record for _, record in records])
    left_out, false_left_out = named_left_out()
    spreads = tuple(
        (
            f"{NAMES[row.parameter]}, p75 about the median",
            f"{row.about_median(75):.1f} ms",
            f"≤ {P75_LIMITS[row.parameter]:g} ms",
        )
        for row in intervals
    )
    return Section(
        f"LUDB: {len(records)} recordings marked by cardiologists",
        "Intervals between the middle marks of the twelve leads (mean over the beats, median over the leads). Limits "
        "of the delineation were chosen here and its network saw three quarters of these recordings: in sample. Those "
        "that have not seen the recording: `python -m training.edges`.",
        errors=tuple(table),
        plots=tuple(plots),
        counts=(
            *spreads,
            ("CPU of a measured recording, median", f"{np.median(cpu_ms):.1f} ms", "≤ 12 ms"),
            *_unseen(records, measured),
            ("made limb-lead reversals named", _shares(reversals), "≥ 95 % of all"),
            ("reversals named in untouched recordings", f"{100 * false:.1f} %", "≤ 2 %"),
            (
                "the same by models that have not seen the recording (with CinC-2021, CODE-15, CinC-2011)",
                f"{_shares(left_out)}; untouched {100 * false_left_out:.1f} %",
                "LA/LL ≥ 85 %, untouched ≤ 1 %",
            ),
        ),
        figures={f"ludb.{row.parameter}.sd": round(row.sd, 1) for row in intervals}
        | {f"ludb.{row.parameter}.p75": round(row.about_median(75), 1) for row in intervals},
    )


def _unseen(
    records: list[tuple[dict[str, float | None], EcgRecord]], measured: list[Measurements]
) -> tuple[tuple[str, str, str], ...]:
    """QRS duration in the recordings that the edge network has not seen."""
    seen = datasets.seen_by_edge_network([str(record.name) for _, record in records])
    pairs = [
        (truth["qrs_duration"], found.qrs_duration.value)
        for (truth, _), found, known in zip(records, measured, seen, strict=True)
        if not known
    ]
    row = errors("qrs_duration", "ms", pairs, LUDB_LIMITS["qrs_duration"])
    said = f"SD {row.sd:.1f} ms, p75 about the median {row.about_median(75):.1f} ms"
    return ((f"QRS duration in the {len(pairs)} recordings the network has not seen", said, "SD ≤ 7.5, p75 ≤ 7 ms"),)


def _shares(named: dict[str, float]) -> str:
    return ", ".join(f"{made} {100 * share:.1f} %" for made, share in named.items())


def _reversals(records: list[EcgRecord]) -> tuple[dict[str, float], float]:
    """Share of each made reversal that is named, and of untouched recordings in which one is."""
    right: dict[str, list[bool]] = {made: [] for made in REVERSALS}
    for record in shown(records, "exchanging electrodes", len(records)):
        for made, named in right.items():
            named.append(ecg.assess_quality(_reversed(record, made)).lead_reversal == made)
    false = [ecg.assess_quality(record).lead_reversal in REVERSALS for record in records]
    return {made: float(np.mean(named)) for made, named in right.items()}, float(np.mean(false))


def _reversed(record: EcgRecord, made: str) -> EcgRecord:
    """The recording as it would be with two limb electrodes exchanged (potentials up to a constant)."""
    first, second = record.lead("I"), record.lead("II")
    potential = {"RA": 0 * first, "LA": first, "LL": second}
    a, b = REVERSALS[made]
    potential[a], potential[b] = potential[b], potential[a]
    right, left, foot = potential["RA"], potential["LA"], potential["LL"]
    limb = {
        "I": left - right,
        "II": foot - right,
        "III": foot - left,
        "aVR": right - (left + foot) / 2,
        "aVL": left - (right + foot) / 2,
        "aVF": foot - (right + left) / 2,
    }
    return replace(record, signal=np.stack([limb.get(lead, record.lead(lead)) for lead in record.leads]))


def qtdb() -> Section:
    table = measure.marks()
    figures = {f"qtdb.{name}.sd": round(row["sd"], 1) for name, row in table.items()}
    counts = tuple(
        (
            NAMES[name],
            f"{row['bias']:+.1f} ± {row['sd']:.1f} ms; over all beats {row['bias_all']:+.1f} ± {row['sd_all']:.1f} ms "
            f"({row['beats']} beats, {row['missed']} missed); by the better lead {row['bias_nearer']:+.1f} ± "
            f"{row['sd_nearer']:.1f} ms",
            f"within {QTDB_LIMITS[name][0]:g} ± {QTDB_LIMITS[name][1]:g} ms",
        )
        for name, row in table.items()
    )
    return Section(
        "QTDB: beat by beat, two leads, first annotator",
        "Global marks of both leads: bias and SD as the mean over the recordings, and over all beats. Single-lead "
        "delineators are published by the better lead: each lead alone, each mark judged by the lead nearer to it.",
        counts=counts,
        figures=figures,
    )


def beats() -> Section:
    table = measure.beats()
    return Section(
        "Beats",
        "A beat is found within 75 ms of its reference. Demanded of sensitivity and predictive value: 99.9 % "
        "on MIT-BIH 100 and SVDB 800, 99.8 % on CPSC-2021; of F1 0.96 on CPSC-2019, which is noisy by design.",
        beats=table,
        figures={f"beats.{name}.wrong": float(row.missed + row.invented) for name, row in table.items()},
    )


def rules() -> Section:
    answers: dict[str, list[tuple[bool | None, bool | None]]] = {label: [] for label in LABEL_NAMES}
    wrong: list[tuple[str, str]] = []
    count = 0
    for name, labels, record in shown(datasets.diagnoses(), "recordings"):
        count += 1
        for finding in examine(record).findings:
            truth = labels[finding.label]
            answers[finding.label].append((truth, finding.present))
            if truth is not None and finding.present is (not truth):
                wrong.append(
                    (name, f"{finding.label} {'present' if finding.present else 'absent'}: {finding.evidence}")
                )
    table = [detection(label, pairs) for label, pairs in answers.items()]
    return Section(
        f"Rules: {count} recordings with diagnoses (LUDB, CinC-2021, CODE-15%)",
        "An open answer (not decidable, or the recording is of poor quality) does not count as found, nor as a false "
        "alarm. Sinus rhythm is stated apart from sinus brady- and tachycardia in CinC-2021: its false answers there "
        "are a matter of naming. Demanded of atrial fibrillation, tachycardia, bradycardia and pacemaker: both ≥ 0.9.",
        labels=tuple(row for row in table if row.positives),
        worst=tuple(wrong),
    )


def rules_on_unseen_windows() -> Section:
    answers: dict[str, list[tuple[bool | None, bool | None]]] = defaultdict(list)
    wrong: list[tuple[str, str]] = []
    count = 0
    for name, labels, record in shown(datasets.windows(), "stretches"):
        count += 1
        for finding in examine(record).findings:
            if finding.label in labels:
                truth = labels[finding.label]
                answers[finding.label].append((truth, finding.present))
                if finding.present is (not truth):
                    wrong.append((name, f"{finding.label}: {finding.evidence}"))
    return Section(
        f"Rules on {count} stretches of 10 s",
        "MIT-BIH 100, SVDB 800 and CPSC-2021, two leads, by their beat and rhythm annotations. The limits that find "
        "fibrillation were set without these recordings. The irregularity that excludes it, and the size under "
        "which an odd beat is noise, were changed once after seeing them.",
        labels=tuple(detection(label, pairs) for label, pairs in answers.items()),
        worst=tuple(wrong[:40]),
    )


def quality() -> Section:
    answers = [(truth, ecg.assess_quality(record).acceptable) for truth, record in datasets.cinc2011()]
    right = float(np.mean([truth == given for truth, given in answers]))
    left_out = quality_cinc2011.accuracy_left_out(quality_cinc2011.recordings())
    return Section(
        f"Quality: {len(answers)} recordings of CinC-2011",
        "Acceptable or not, against the group label of the challenge; its best entry reached 0.932 on other records.",
        labels=(detection("acceptable", answers),),
        counts=(
            ("accuracy", f"{right:.3f}", "≥ 0.92"),
            ("accuracy with limits chosen without the recording", f"{left_out:.3f}", "≥ 0.92"),
        ),
        figures={"cinc2011.wrong": round(1 - right, 3)},
    )


SECTIONS: tuple[Callable[[], Section], ...] = (
    ludb,
    copies,
    vendor,
    ptbxl,
    qtdb,
    beats,
    rules,
    rules_on_unseen_windows,
    quality,
)
