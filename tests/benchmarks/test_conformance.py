"""The conformance report: its arithmetic, its floors, and a page that stands alone."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from benchmarks import conformance, floors, page, simulator_set
from benchmarks.datasets import _beats
from benchmarks.results import Plot, Report, Section
from benchmarks.scoring import detection, errors, match_beats


@pytest.fixture(scope="module")
def cases() -> list[simulator_set.Case]:
    return simulator_set.run(conformance.QUICK)


def test_no_figure_of_the_reduced_simulator_set_is_below_its_floor(cases: list[simulator_set.Case]):
    assert floors.breaches(floors.figures(cases), "reduced") == []


def test_the_whole_set_has_every_shape_at_eight_rates_and_four_noises():
    made = list(simulator_set.scenarios())
    for shape in simulator_set.SHAPES:
        sinus = [s for _, _, s in made if s.rhythm == "sinus" and s.shape == shape]
        assert {s.heart_rate_bpm for s in sinus} == set(simulator_set.RATES), shape
        assert {noise for _, noise, s in made if s.shape == shape} == set(simulator_set.NOISES)
    assert {s.rhythm for _, _, s in made} == {"sinus", *simulator_set.WITHOUT_PR}


def test_errors_count_what_is_missed_and_what_is_invented():
    row = errors(
        "pr_interval", "ms", [(160.0, 164.0), (160.0, 152.0), (150.0, None), (None, 140.0), (None, None)], (8, 8)
    )
    assert (row.n, row.missed, row.invented) == (2, 1, 1)
    assert row.bias == pytest.approx(-2)
    assert row.sd == pytest.approx(np.sqrt(72))
    assert row.within is False


def test_axes_are_compared_on_the_circle():
    assert errors("qrs_axis", "°", [(175.0, -179.0)], None).pairs == ((175.0, 6.0),)


def test_an_open_answer_is_neither_found_nor_a_false_alarm():
    pairs = [(True, True), (True, None), (True, False), (False, None), (False, True), (False, False), (None, True)]
    row = detection("Atrial fibrillation", pairs)
    assert (row.found, row.missed, row.open_positive, row.false, row.right, row.open_negative) == (1, 1, 1, 1, 1, 1)
    assert row.sensitivity == pytest.approx(1 / 3)
    assert row.specificity == pytest.approx(2 / 3)


def test_each_beat_is_matched_once():
    match = match_beats(np.array([100, 200, 300]), np.array([102, 104, 290, 500]), reach=15)
    assert (match.matched, match.missed, match.invented) == (2, 1, 2)
    assert match.sensitivity == pytest.approx(2 / 3)
    assert match.ppv == pytest.approx(1 / 2)


def test_marks_are_gathered_by_beat():
    symbols, numbers = ["(", "p", ")", "(", "N", ")", "t", ")", "(", "N", ")"], [0, 0, 0, 1, 1, 1, 0, 2, 1, 1, 1]
    beats = _beats(symbols, list(range(10, 21)), numbers)
    assert beats == [
        {"qrs_onset": 13, "r": 14, "qrs_offset": 15, "t_end": 17},
        {"qrs_onset": 18, "r": 19, "qrs_offset": 20},
    ]


def test_floors_only_rise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(floors, "PATH", tmp_path / "floors.json")
    assert "no floors" in floors.breaches({"pr_interval.sd": 5.0}, "reduced")[0]
    floors.raise_to({"pr_interval.sd": 5.0}, "reduced")
    floors.raise_to({"pr_interval.sd": 7.0}, "reduced")
    assert floors.breaches({"pr_interval.sd": 5.0}, "reduced") == []
    assert floors.breaches({"pr_interval.sd": 5.1}, "reduced") == ["pr_interval.sd is 5.1, floor 5"]


def test_the_page_stands_alone_and_escapes_what_it_shows():
    row = errors("pr_interval", "ms", [(160.0, 164.0), (170.0, 169.0)], (8.0, 8.0))
    plot = Plot("PR", "ms", "ms", {"low": row.pairs}, (-20.0, 20.0))
    section = Section("Simulator: <all>", "Two recordings.", errors=(row,), plots=(plot,), worst=(("a<b", "PR & QRS"),))
    text = page.render(Report("1", datetime(2026, 1, 2, tzinfo=UTC), 1.0, (section,)), ["qt_interval.sd is 9, floor 8"])
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    assert "<all>" not in text
    assert "a&lt;b" in text
    assert "qt_interval.sd is 9, floor 8" in text
    assert '<td class="within">within</td>' in text


def test_the_report_is_json_without_nan():
    empty = errors("pr_interval", "ms", [], (8.0, 8.0))
    report = Report("1", datetime(2026, 1, 2, tzinfo=UTC), 1.0, (Section("Simulator", "None.", errors=(empty,)),))
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["sections"][0]["errors"][0]["bias"] is None
