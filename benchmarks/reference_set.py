"""The chapters of the conformance report on real recordings with reference annotations (../shared/data)."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import numpy as np

import ecg
from benchmarks import datasets, measure
from benchmarks.results import NAMES, Plot, Section, allowed, bland_altman
from benchmarks.scoring import detection, errors
from ecg.labels import LABEL_NAMES
from ecg.pipeline import examine
from ecg.record import EcgRecord

#: |bias| and SD demanded of this product on LUDB; IEC 60601-2-25 table 201.105 asks 10/15 (P), 10/10, 10/10, 25/30.
LUDB_LIMITS = {
    "heart_rate": (1.0, 2.0), "pr_interval": (5.0, 15.0), "qrs_duration": (5.0, 10.0), "qt_interval": (8.0, 25.0),
    "qrs_axis": (3.0, 10.0),
}  # fmt: skip
UNITS = {"heart_rate": "bpm", "qrs_axis": "°"}
QTDB_LIMITS = {"qrs_onset": (5.0, 8.0), "qrs_offset": (5.0, 9.0), "t_end": (5.0, 20.0)}
REVERSALS = {"LA/RA": ("LA", "RA"), "LA/LL": ("LA", "LL"), "RA/LL": ("RA", "LL")}


def ludb() -> Section:
    records = list(datasets.ludb())
    measured = [ecg.measure(record) for _, record in records]
    _, validated, cpu_ms = measure.intervals()
    table = [
        errors(
            name, UNITS.get(name, "ms"),
            [(row[name], getattr(found, name).value) for (row, _), found in zip(records, measured, strict=True)], limit,
        )
        for name, limit in LUDB_LIMITS.items()
    ]  # fmt: skip
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
    reversal, false = _reversals([record for _, record in records])
    return Section(
        f"LUDB: {len(records)} recordings marked by cardiologists",
        "Global intervals from the marks in all twelve leads (second-earliest onset to second-latest offset, median "
        "over beats). The delineation was tuned on these recordings: the table is fitted. Cross-validated figures have "
        "the additive shifts set without the recordings they are judged on.",
        errors=tuple(table), plots=tuple(plots),
        counts=(
            *(
                (
                    f"{NAMES[row.parameter]}, cross-validated in {measure.FOLDS} folds",
                    f"{row.bias:+.1f} ± {row.sd:.1f} ms, |error| p75 {row.percentile(75):.1f} ms",
                    f"{LUDB_LIMITS[row.parameter][0]:g} ± {LUDB_LIMITS[row.parameter][1]:g} ms",
                )
                for row in validated
            ),
            ("CPU of a measured recording, median", f"{np.median(cpu_ms):.1f} ms", "≤ 10 ms"),
            ("made limb-lead reversals named", f"{100 * reversal:.1f} %", "≥ 95 %"),
            ("reversals named in untouched recordings", f"{100 * false:.1f} %", "≤ 2 %"),
        ),
    )  # fmt: skip


def _reversals(records: list[EcgRecord]) -> tuple[float, float]:
    right = [
        ecg.assess_quality(_reversed(record, made)).lead_reversal == made for record in records for made in REVERSALS
    ]
    false = [ecg.assess_quality(record).lead_reversal in REVERSALS for record in records]
    return float(np.mean(right)), float(np.mean(false))


def _reversed(record: EcgRecord, made: str) -> EcgRecord:
    """The recording as it would be with two limb electrodes exchanged (potentials up to a constant)."""
    first, second = record.lead("I"), record.lead("II")
    potential = {"RA": 0 * first, "LA": first, "LL": second}
    a, b = REVERSALS[made]
    potential[a], potential[b] = potential[b], potential[a]
    right, left, foot = potential["RA"], potential["LA"], potential["LL"]
    limb = {
        "I": left - right, "II": foot - right, "III": foot - left, "aVR": right - (left + foot) / 2,
        "aVL": left - (right + foot) / 2, "aVF": foot - (right + left) / 2,
    }  # fmt: skip
    return replace(record, signal=np.stack([limb.get(lead, record.lead(lead)) for lead in record.leads]))


def qtdb() -> Section:
    table = measure.marks()
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
    )


def beats() -> Section:
    return Section(
        "Beats", "A beat is found within 75 ms of its reference. Demanded: 99.8 % sensitivity and predictive value on "
        "MIT-BIH 100, SVDB 800 and CPSC-2021; F1 0.95 on CPSC-2019, which is noisy by design.", beats=measure.beats(),
    )  # fmt: skip


def rules() -> Section:
    answers: dict[str, list[tuple[bool | None, bool | None]]] = {label: [] for label in LABEL_NAMES}
    wrong: list[tuple[str, str]] = []
    count = 0
    for name, labels, record in datasets.diagnoses():
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
        labels=tuple(row for row in table if row.positives), worst=tuple(wrong),
    )  # fmt: skip


def rules_on_unseen_windows() -> Section:
    answers: dict[str, list[tuple[bool | None, bool | None]]] = defaultdict(list)
    wrong: list[tuple[str, str]] = []
    count = 0
    for name, labels, record in datasets.windows():
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
        labels=tuple(detection(label, pairs) for label, pairs in answers.items()), worst=tuple(wrong[:40]),
    )  # fmt: skip


def quality() -> Section:
    answers = [(truth, ecg.assess_quality(record).acceptable) for truth, record in datasets.cinc2011()]
    right = float(np.mean([truth == given for truth, given in answers]))
    return Section(
        f"Quality: {len(answers)} recordings of CinC-2011",
        "Acceptable or not, against the group label of the challenge; its best entry reached 0.932 on other records.",
        labels=(detection("acceptable", answers),), counts=(("accuracy", f"{right:.3f}", "≥ 0.92"),),
    )  # fmt: skip


SECTIONS: tuple[Callable[[], Section], ...] = (ludb, qtdb, beats, rules, rules_on_unseen_windows, quality)
