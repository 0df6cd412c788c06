"""Recordings in which the truth cannot be told: nothing that hangs on it is answered with confidence."""

import numpy as np
import pytest
from scipy.signal import resample_poly

from ecg.findings.atrial import AtrialActivity
from ecg.findings.confounders import undecidable_because
from ecg.findings.rhythm import atrial_flutter
from ecg.pipeline import Examination, examine
from ecg.record import EcgRecord
from ecg.simulation import Artefact, Scenario, simulate
from tests.ecg.findings.test_criteria import having

CONDUCTION = (
    "Sinus rhythm",
    "Accessory pathway conduction",
    "Atrioventricular block",
    "1st degree atrioventricular block",
    "Bifascicular block",
    "Right bundle branch block",
    "Left bundle branch block",
    "Infarction",
)


def labels(examination: Examination) -> dict[str, bool | None]:
    return {finding.label: finding.present for finding in examination.findings}


@pytest.mark.parametrize("rhythm", ["paced", "paced_dual"])
@pytest.mark.parametrize("heart_rate_bpm", [60, 85])
@pytest.mark.parametrize("fs_hz", [250.0, 360.0])
def test_a_wide_complex_may_be_paced_where_spikes_do_not_show(rhythm: str, heart_rate_bpm: float, fs_hz: float):
    scenario = Scenario(rhythm=rhythm, heart_rate_bpm=heart_rate_bpm, qrs_ms=160, pr_ms=170, fs_hz=fs_hz)
    examination = examine(simulate(scenario).record)
    assert {labels(examination)[label] for label in CONDUCTION} == {None}
    assert labels(examination)["Electronic pacemaker"] is not False
    assert examination.measurements.pr_interval.value is None


@pytest.mark.parametrize("muscle", [0.0, 0.009])
def test_a_higher_sampling_rate_afterwards_does_not_exclude_pacing(muscle: float):
    noise = (Artefact("muscle", muscle),) if muscle else ()
    scenario = Scenario(rhythm="paced_dual", qrs_ms=160, pr_ms=170, fs_hz=250, artefacts=noise)
    record = simulate(scenario).record
    twice = resample_poly(record.signal, 2, 1, axis=1).astype(np.float32)
    findings = {finding.label: finding for finding in examine(EcgRecord(twice, record.leads, 500, "mV")).findings}
    decided = [findings[label] for label in CONDUCTION if findings[label].present is not None]
    assert all(finding.not_excluded == ("Electronic pacemaker",) for finding in decided)
    assert findings["Electronic pacemaker"].present is not False


@pytest.mark.parametrize("muscle", [0.0, 0.009])
def test_a_bundle_branch_block_recorded_well_is_answered(muscle: float):
    noise = (Artefact("muscle", muscle),) if muscle else ()
    scenario = Scenario(shape="lbbb", qrs_ms=160, t_shape="discordant", artefacts=noise)
    assert labels(examine(simulate(scenario).record))["Left bundle branch block"] is True


def test_a_slow_sampled_bundle_branch_block_is_answered_as_far_as_no_pacemaker_makes_it():
    left = examine(simulate(Scenario(shape="lbbb", qrs_ms=150, t_shape="discordant", fs_hz=250)).record)
    block = next(finding for finding in left.findings if finding.label == "Left bundle branch block")
    assert block.present is True
    assert block.not_excluded == ("Electronic pacemaker",)
    assert labels(left)["Electronic pacemaker"] is None
    assert left.measurements.pr_interval.value == pytest.approx(160, abs=10)  # the onset of a low P wave
    right = labels(examine(simulate(Scenario(shape="rbbb", qrs_ms=140, fs_hz=250)).record))
    assert right["Right bundle branch block"] is True
    assert right["Sinus rhythm"] is True


def test_a_narrow_complex_is_not_paced_at_any_sampling_rate():
    examination = examine(simulate(Scenario(fs_hz=250)).record)
    assert labels(examination)["Sinus rhythm"] is True
    assert labels(examination)["Left bundle branch block"] is False
    assert examination.measurements.pr_interval.value == pytest.approx(160, abs=8)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("heart_rate_bpm", [90, 100, 120, 130, 140])
def test_flutter_in_a_fixed_ratio_is_neither_sinus_rhythm_nor_a_long_pr(heart_rate_bpm: float, seed: int):
    findings = examine(simulate(Scenario(rhythm="flutter", heart_rate_bpm=heart_rate_bpm), seed).record).findings
    answers = {finding.label: finding.present for finding in findings}
    assert answers["Atrial flutter"] is not False
    sinus = next(finding for finding in findings if finding.label == "Sinus rhythm")
    assert sinus.present is not True or sinus.not_excluded == ("Atrial flutter",)
    assert answers["Atrioventricular block"] is not True
    assert answers["1st degree atrioventricular block"] is not True
    assert answers["Infarction"] is None


@pytest.mark.parametrize("heart_rate_bpm", [70, 100, 120, 130])
def test_sinus_rhythm_that_varies_is_no_flutter(heart_rate_bpm: float):
    answers = labels(examine(simulate(Scenario(heart_rate_bpm=heart_rate_bpm, pr_ms=140)).record))
    assert answers["Sinus rhythm"] is True
    assert answers["Atrial flutter"] is False


@pytest.mark.parametrize("heart_rate_bpm", [60, 72, 90])
@pytest.mark.parametrize("ectopic_every", [2, 3])
def test_premature_atrial_beats_are_neither_fibrillation_nor_block(ectopic_every: int, heart_rate_bpm: float):
    scenario = Scenario(ectopy="pac", ectopic_every=ectopic_every, heart_rate_bpm=heart_rate_bpm)
    answers = labels(examine(simulate(scenario).record))
    assert answers["Atrial fibrillation"] is not True
    assert answers["Atrioventricular block"] is not True
    assert answers["Sinus rhythm"] is not False


@pytest.mark.parametrize("conduction", [3, 4])
@pytest.mark.parametrize("heart_rate_bpm", [80, 110, 125])
def test_wenckebach_periods_are_no_fibrillation(heart_rate_bpm: float, conduction: int):
    scenario = Scenario(rhythm="wenckebach", heart_rate_bpm=heart_rate_bpm, conduction=conduction)
    answers = labels(examine(simulate(scenario).record))
    assert answers["Atrial fibrillation"] is not True
    assert answers["Atrioventricular block"] is not False


@pytest.mark.parametrize("heart_rate_bpm", [60, 80, 95])
@pytest.mark.parametrize("conduction", [2, 3])
def test_p_waves_that_are_not_conducted_are_block(conduction: int, heart_rate_bpm: float):
    scenario = Scenario(rhythm="mobitz2", heart_rate_bpm=heart_rate_bpm, conduction=conduction)
    assert labels(examine(simulate(scenario).record))["Atrioventricular block"] is True


@pytest.mark.parametrize(("heart_rate_bpm", "atrial_rate_bpm"), [(40, 110), (60, 90), (55, 110), (48, 100)])
def test_complete_block_is_no_first_degree_block(heart_rate_bpm: float, atrial_rate_bpm: float):
    scenario = Scenario(rhythm="avb3", heart_rate_bpm=heart_rate_bpm, atrial_rate_bpm=atrial_rate_bpm)
    answers = labels(examine(simulate(scenario).record))
    assert answers["1st degree atrioventricular block"] is not True
    assert answers["Atrioventricular block"] is not False
    assert answers["Sinus rhythm"] is not True


@pytest.mark.parametrize(("rate", "pr", "qt", "t_shape"), [(130, 200, 348, "inverted"), (150, 220, 332, "biphasic")])
def test_a_pr_whose_beginning_is_hidden_excludes_no_long_pr(rate: int, pr: float, qt: float, t_shape: str):
    answers = labels(examine(simulate(Scenario(heart_rate_bpm=rate, pr_ms=pr, qt_ms=qt, t_shape=t_shape)).record))
    assert answers["1st degree atrioventricular block"] is None
    assert answers["Atrioventricular block"] is None


@pytest.mark.parametrize("shape", ["normal", "monophasic", "notched", "lafb", "lpfb", "rbbb"])
@pytest.mark.parametrize("qrs_axis_deg", [-60, -45, 105, 120])
def test_no_q_waves_are_read_in_an_axis_deviation(shape: str, qrs_axis_deg: float):
    answers = labels(examine(simulate(Scenario(shape=shape, qrs_axis_deg=qrs_axis_deg)).record))
    assert answers["Infarction"] is None


@pytest.mark.parametrize("shape", ["monophasic", "lafb", "lpfb"])
def test_a_shape_without_an_infarction_has_none(shape: str):
    assert labels(examine(simulate(Scenario(shape=shape)).record))["Infarction"] is None


@pytest.mark.parametrize("shape", ["normal", "rbbb", "lafb"])
def test_a_negated_recording_is_no_infarction(shape: str):
    record = simulate(Scenario(shape=shape)).record
    negated = EcgRecord(np.negative(record.signal), record.leads, record.fs_hz, record.unit)
    assert labels(examine(negated))["Infarction"] is None


@pytest.mark.parametrize("ectopic_every", [2, 3, 5])
def test_ectopic_beats_in_a_regular_rhythm_without_p_waves_are_no_fibrillation(ectopic_every: int):
    scenario = Scenario(rhythm="junctional", ectopy="pvc", ectopic_every=ectopic_every, heart_rate_bpm=70, rr_sd_ms=10)
    assert labels(examine(simulate(scenario).record))["Atrial fibrillation"] is not True


def test_flutter_is_not_present_beside_a_p_wave_before_each_beat():
    evidence = having(atria=AtrialActivity(282.0, 0.8, 0.5, 0.43, 0.6), heart_rate=141.0)
    assert atrial_flutter(evidence).present is False
    assert "flutter" in (undecidable_because("Atrial flutter", evidence) or "")
    assert undecidable_because("Sinus rhythm", evidence) is not None
