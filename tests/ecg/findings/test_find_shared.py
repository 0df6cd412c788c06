"""The rules on recordings with diagnoses: figures that must not get worse."""

from dataclasses import replace

import pytest

import ecg
from benchmarks import datasets
from benchmarks.scoring import Detection, detection
from ecg.labels import LABEL_NAMES
from ecg.pipeline import examine

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not datasets.DATA.is_dir(), reason="../shared/data is not there"),
]


@pytest.fixture(scope="module")
def table() -> dict[str, Detection]:
    answers: dict[str, list[tuple[bool | None, bool | None]]] = {label: [] for label in LABEL_NAMES}
    for _, labels, record in datasets.diagnoses():
        for finding in examine(record).findings:
            answers[finding.label].append((labels[finding.label], finding.present))
    return {label: detection(label, pairs) for label, pairs in answers.items()}


@pytest.mark.parametrize(
    "label",
    ["Atrial fibrillation", "Tachycardia", "Bradycardia", "Electronic pacemaker", "1st degree atrioventricular block"],
)
def test_what_is_decided_is_right(table: dict[str, Detection], label: str):
    row = table[label]
    assert row.found >= 0.9 * (row.found + row.missed)
    assert row.specificity is not None
    assert row.specificity >= 0.9


@pytest.mark.parametrize("label", [name for name in LABEL_NAMES if name not in ("Sinus rhythm", "Poor data quality")])
def test_false_alarms_are_rare(table: dict[str, Detection], label: str):
    specificity = table[label].specificity
    assert specificity is None or specificity >= 0.92


@pytest.mark.parametrize("start_s", [0, 300, 600])
def test_smeared_spikes_before_wide_complexes_are_seen(start_s: int):
    record = ecg.read(datasets.DATA / "qtdb" / "sel104.hea")  # paced, 250 Hz
    first, last = (round(at * record.fs_hz) for at in (start_s, start_s + 10))
    examination = examine(replace(record, signal=record.signal[:, first:last]))
    answers = {finding.label: finding.present for finding in examination.findings}
    assert answers["Electronic pacemaker"] is True
    about = [name for name in LABEL_NAMES if "block" in name or name == "Sinus rhythm"]
    assert {answers[name] for name in about} == {None}
    assert examination.measurements.pr_interval.value is None
