"""Quality floors on reference recordings: a floor lies just below what is reached, and a lower one needs a decision."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ecg

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def ludb(shared: Path) -> dict[str, object]:
    """Errors against the middle of the leads' marks, and of rate and axis against the annotations."""
    datasets = pytest.importorskip("benchmarks.datasets")
    scoring = pytest.importorskip("benchmarks.scoring")
    units = {"heart_rate": "bpm", "pr_interval": "ms", "qrs_duration": "ms", "qt_interval": "ms", "qrs_axis": "°"}
    pairs: dict[str, list[tuple[float | None, float | None]]] = {name: [] for name in units}
    middle = {row["record"]: row for row in datasets.rows(datasets.DATA / "ludb" / "reference_middle.csv")}
    for reference, record in datasets.ludb():
        measured = ecg.measure(record)
        for name in units:
            text = middle[record.name].get(name)
            expected = reference[name] if text is None else float(text) if text else None
            pairs[name].append((expected, getattr(measured, name).value))
    return {name: scoring.errors(name, unit, pairs[name], None) for name, unit in units.items()}


@pytest.mark.parametrize(
    ("name", "median", "sd", "p75"),
    [
        ("pr_interval", 0.5, 12, 6),
        ("qrs_duration", 2, 7.5, 7.5),
        ("qt_interval", 6.5, 13, 10),
        ("qrs_axis", 2, 10.5, 6),
    ],
)
def test_global_intervals_agree_with_the_middle_of_cardiologists_marks(
    ludb, name: str, median: float, sd: float, p75: float
) -> None:
    errors = np.array([error for _, error in ludb[name].pairs])
    assert abs(np.median(errors) - median) <= 2  # decision 4: the level is where programs in use put it
    assert errors.std() <= sd
    assert np.percentile(np.abs(errors - np.median(errors)), 75) <= p75


def test_p_waves_are_neither_missed_nor_invented(ludb) -> None:
    assert ludb["pr_interval"].missed <= 1
    assert ludb["pr_interval"].invented <= 1


def test_rate_agrees_with_the_annotated_beats(ludb) -> None:
    assert np.mean([abs(error) for _, error in ludb["heart_rate"].pairs]) <= 0.6


@pytest.mark.parametrize(
    ("title", "sensitivity", "ppv"),
    [("MIT-BIH 100, SVDB 800", 0.9995, 0.9995), ("CPSC-2021", 0.998, 0.998), ("CPSC-2019", 0.953, 0.976)],
)
def test_beats_are_where_the_annotators_saw_them(shared: Path, title: str, sensitivity: float, ppv: float) -> None:
    datasets = pytest.importorskip("benchmarks.datasets")
    scoring = pytest.importorskip("benchmarks.scoring")
    matches = [
        scoring.match_beats(reference, ecg.measure(record).beats.r_samples, 0.075 * record.fs_hz)
        for name, reference, record in datasets.beat_sets()
        if name == title
    ]
    total = matches[0]
    for match in matches[1:]:
        total = total + match
    assert total.sensitivity >= sensitivity
    assert total.ppv >= ppv


def test_a_couplet_of_ectopic_beats_is_not_taken_for_noise(shared: Path) -> None:
    record = ecg.read(shared / "data" / "ludb" / "83.hea")
    assert len(ecg.measure(record).beats.r_samples) == 12


def test_each_beat_of_two_lead_recordings_is_marked(shared: Path) -> None:
    datasets = pytest.importorskip("benchmarks.datasets")
    from benchmarks.single_beats import mark_beats
    from ecg.measurement.beats import find_beats
    from ecg.measurement.condition import condition

    error = []
    for reference, record in datasets.qtdb():
        if record.name not in ("sel100", "sel16420", "sel301", "sel840"):
            continue
        first, last = (round(reference[at]["r"] + side * 5 * record.fs_hz) for at, side in ((0, -1), (-1, 1)))
        first = max(0, first)
        conditioned = condition(replace(record, signal=record.signal[:, first:last]))
        beats = find_beats(conditioned)
        marks = mark_beats(conditioned, beats, None)
        for beat in reference:
            nearest = int(np.abs(beats.r_samples * conditioned.ratio + first - beat["r"]).argmin())
            error.append((marks.qrs_onset[nearest] + first - beat["qrs_onset"]) / record.fs_hz)
    assert len(error) == 160
    assert abs(np.mean(error)) <= 0.007  # two leads are read like twelve
    assert np.std(error) <= 0.0095
