"""Findings of whole recordings, and what contradicts a model."""

import numpy as np
import pytest

from ecg.findings import Finding, contradictions
from ecg.labels import LABEL_NAMES
from ecg.pipeline import examine
from ecg.record import EcgRecord
from ecg.simulation import Scenario, simulate


def found(scenario: Scenario, seed: int = 0) -> dict[str, bool | None]:
    return {finding.label: finding.present for finding in examine(simulate(scenario, seed).record).findings}


def test_every_label_is_answered_in_order_with_a_sentence():
    findings = examine(simulate().record).findings
    assert tuple(finding.label for finding in findings) == LABEL_NAMES
    assert all(len(finding.evidence) > 10 for finding in findings)


def test_normal_sinus_rhythm_is_that_and_nothing_else():
    present = [name for name, value in found(Scenario(rr_sd_ms=15, qrs_ms=88)).items() if value]
    assert present == ["Sinus rhythm"]


@pytest.mark.parametrize(
    ("scenario", "label"),
    [
        (Scenario(heart_rate_bpm=120, qt_ms=320), "Tachycardia"),
        (Scenario(heart_rate_bpm=45), "Bradycardia"),
        (Scenario(rhythm="af", heart_rate_bpm=85), "Atrial fibrillation"),
        (Scenario(rhythm="flutter", heart_rate_bpm=60), "Atrial flutter"),
        (Scenario(pr_ms=240), "1st degree atrioventricular block"),
        (Scenario(pr_ms=240), "Atrioventricular block"),
        (Scenario(rhythm="mobitz2"), "Atrioventricular block"),
        (Scenario(rhythm="avb3", heart_rate_bpm=40), "Atrioventricular block"),
        (Scenario(rhythm="paced"), "Electronic pacemaker"),
        (Scenario(ectopy="pvc"), "Premature ventricular contraction"),
        (Scenario(rhythm="vt", heart_rate_bpm=160, qrs_ms=190), "Ventricular tachycardia"),
        (Scenario(shape="rbbb", qrs_ms=150), "Right bundle branch block"),
        (Scenario(shape="lbbb", qrs_ms=160, t_shape="discordant"), "Left bundle branch block"),
        (Scenario(shape="preexcited", pr_ms=95, qrs_ms=140), "Accessory pathway conduction"),
        (Scenario(shape="inferior_q"), "Infarction"),
    ],
)
def test_what_is_simulated_is_found(scenario: Scenario, label: str):
    assert found(scenario)[label] is True


@pytest.mark.parametrize("seed", range(3))
def test_the_t_waves_of_a_regular_tachycardia_are_no_flutter(seed: int):
    assert found(Scenario(rhythm="junctional", heart_rate_bpm=178, rr_sd_ms=2), seed)["Atrial flutter"] is None


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("heart_rate_bpm", "every"), [(55, 3), (55, 4), (75, 4)])
def test_premature_atrial_beats_leave_sinus_rhythm_and_no_block(heart_rate_bpm: float, every: int, seed: int):
    labels = found(Scenario(ectopy="pac", ectopic_every=every, heart_rate_bpm=heart_rate_bpm), seed)
    assert labels["Sinus rhythm"] is True
    assert labels["Atrial fibrillation"] is False
    assert labels["Atrioventricular block"] is False


@pytest.mark.parametrize("seed", range(6))
def test_fibrillation_has_no_pr_and_no_first_degree_block(seed: int):
    labels = found(Scenario(rhythm="af", heart_rate_bpm=60 + 15 * seed), seed)
    assert labels["Atrial fibrillation"] is True
    assert labels["Sinus rhythm"] is False
    assert labels["1st degree atrioventricular block"] is False


def test_a_lost_lead_leaves_rate_and_rhythm_decided():
    record = simulate(Scenario(heart_rate_bpm=120, qt_ms=320)).record
    signal = record.signal.copy()
    signal[record.leads.index("V1")] = 0.0
    labels = {f.label: f.present for f in examine(EcgRecord(signal, record.leads, 500, "mV")).findings}
    assert labels["Poor data quality"] is True
    assert labels["Tachycardia"] is True
    assert labels["Sinus rhythm"] is True
    assert labels["Right bundle branch block"] is None


def test_bigeminy_that_begins_with_the_sinus_beat_has_premature_beats():
    assert (
        found(Scenario(ectopy="pvc", ectopic_every=2, heart_rate_bpm=74))["Premature ventricular contraction"] is True
    )


@pytest.mark.parametrize("seed", range(3))
def test_sinus_tachycardia_at_160_is_no_flutter(seed: int):
    scenario = Scenario(heart_rate_bpm=160, pr_ms=120, qt_ms=296)
    assert found(scenario, seed)["Atrial flutter"] is not True


@pytest.mark.parametrize(("heart_rate_bpm", "atrial_rate_bpm"), [(30, 90), (38, 75), (45, 100)])
def test_complete_block_is_no_fibrillation(heart_rate_bpm: float, atrial_rate_bpm: float):
    scenario = Scenario(rhythm="avb3", heart_rate_bpm=heart_rate_bpm, atrial_rate_bpm=atrial_rate_bpm)
    assert found(scenario)["Atrial fibrillation"] is not True


def test_a_poor_recording_is_called_poor_and_nothing_else():
    silent = EcgRecord(np.zeros((12, 5000), np.float32), simulate().record.leads, 500, "mV")
    labels = {finding.label: finding.present for finding in examine(silent).findings}
    assert labels.pop("Poor data quality") is True
    assert set(labels.values()) == {None}


def test_findings_do_not_depend_on_the_unit_except_for_q_waves():
    record = simulate(Scenario(shape="inferior_q")).record
    bare = EcgRecord(1000 * record.signal, record.leads, record.fs_hz, None)
    ours, theirs = ({f.label: f.present for f in examine(r).findings} for r in (record, bare))
    assert theirs.pop("Infarction") is None
    del ours["Infarction"]
    assert ours == theirs


def test_few_leads_are_answered_with_less():
    record = simulate().record
    labels = {f.label: f.present for f in examine(EcgRecord(record.signal[:2], ("I", "II"), 500, "mV")).findings}
    assert labels["Tachycardia"] is False
    assert labels["Bifascicular block"] in (False, None)


def test_a_contradiction_names_score_and_measurement():
    scores = dict.fromkeys(LABEL_NAMES, 0.1) | {"Tachycardia": 0.9}
    findings = (
        Finding("Tachycardia", False, "heart rate 72 bpm; criterion > 100 bpm"),
        Finding("1st degree atrioventricular block", True, "PR 240 ms; criterion > 200 ms"),
        Finding("Bradycardia", False, "heart rate 72 bpm; criterion < 60 bpm"),
        Finding("Infarction", None, "no pathological Q waves"),
    )
    result = contradictions(scores, findings)
    assert [(c.label, c.model) for c in result] == [("Tachycardia", 0.9), ("1st degree atrioventricular block", 0.1)]
    assert "score 0.90" in result[0].evidence
    assert "heart rate 72 bpm" in result[0].evidence
    assert "PR 240 ms" in result[1].evidence


@pytest.mark.parametrize("fs_hz", [100.0, 128.0, 500.0, 1000.0, 4000.0])
@pytest.mark.parametrize("kind", ["noise", "silence", "gaps", "short", "one lead", "steps"])
def test_anything_that_is_a_record_is_answered(kind: str, fs_hz: float):
    rng = np.random.default_rng(11)
    n = round((0.3 if kind == "short" else 8.0) * fs_hz)
    leads = ("II",) if kind == "one lead" else ("I", "II", "V1", "V5")
    signal = rng.normal(0, 0.3, (len(leads), n)).astype(np.float32)
    if kind == "silence":
        signal[:] = 0.0
    elif kind == "gaps":
        signal[:, n // 3 : n // 2] = np.nan
    elif kind == "steps":
        signal = np.repeat(np.sign(signal[:, :: n // 8]), n // 8 + 1, axis=1)[:, :n]
    findings = examine(EcgRecord(signal, leads, fs_hz, "mV")).findings
    assert tuple(finding.label for finding in findings) == LABEL_NAMES
