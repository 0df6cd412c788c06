"""Small recordings that were once measured wrong, as their folders have them, each with what a careful user expects."""

from pathlib import Path

import pytest

import ecg
from ecg.pipeline import Examination, examine

pytestmark = pytest.mark.shared


def examined(shared: Path, case: str) -> tuple[Examination, dict[str, bool | None]]:
    examination = examine(ecg.read(shared / "cases" / "measurement" / case / "rec.hea"))
    return examination, {finding.label: finding.present for finding in examination.findings}


def test_exchanged_avl_and_avf_leave_no_axis_decided(shared: Path) -> None:
    examination, _ = examined(shared, "avl_avf_exchanged_axis60")
    assert {"limb_leads_inconsistent", "limb_lead_reversal"} & {cause.code for cause in examination.quality.causes}
    axis = next(statement for statement in examination.statements if "axis" in statement.label.lower())
    assert axis.present is None


def test_bigeminy_has_premature_ventricular_beats(shared: Path) -> None:
    assert examined(shared, "bigeminy_74")[1]["Premature ventricular contraction"] is True


def test_a_calibration_pulse_at_the_start_is_no_beat(shared: Path) -> None:
    measurements = examined(shared, "calibration_pulse_start")[0].measurements
    assert measurements.heart_rate.value == pytest.approx(71.6, abs=1)


def test_the_seven_seconds_that_are_there_are_measured(shared: Path) -> None:
    measurements = examined(shared, "first_3s_missing")[0].measurements
    assert None not in (measurements.heart_rate.value, measurements.qrs_duration.value, measurements.qt_interval.value)


def test_a_pr_of_340_is_read_and_no_electrodes_are_exchanged(shared: Path) -> None:
    examination, _ = examined(shared, "pr_340")
    assert examination.measurements.pr_interval.value == pytest.approx(340, abs=6)
    assert examination.quality.lead_reversal is None
    assert examination.quality.possible_reversal is None


def test_sinus_tachycardia_at_160_is_no_flutter(shared: Path) -> None:
    examination, present = examined(shared, "sinus_tachycardia_160")
    assert present["Atrial flutter"] is not True
    assert examination.measurements.heart_rate.value == pytest.approx(160, abs=2)


def test_the_qt_of_sinus_tachycardia_at_160_is_right_or_null(shared: Path) -> None:
    examination, _ = examined(shared, "sinus_tachycardia_160")
    qt = examination.measurements.qt_interval.value
    assert qt is None or qt == pytest.approx(296, abs=15)


def test_tall_t_waves_are_not_poor(shared: Path) -> None:
    assert examined(shared, "tall_t")[0].quality.acceptable
