"""What PTB-XL's statements and a simulated truth say about the labels."""

import numpy as np
import pytest

from ecg.labels import LABEL_NAMES
from ecg.leads import STANDARD_LEADS
from training.simulated import draw, varied
from training.statements import AUXILIARY, auxiliary_of, labels_of


def known(codes: list[str]) -> dict[str, float]:
    return dict(zip(LABEL_NAMES, labels_of(codes).tolist(), strict=True))


def test_a_statement_is_its_label_and_no_other() -> None:
    found = known(["AFIB", "CLBBB"])
    assert {name for name, value in found.items() if value == 1} == {"Atrial fibrillation", "Left bundle branch block"}
    assert found["Sinus rhythm"] == 0


def test_a_recording_without_a_rhythm_statement_is_no_negative_of_a_rhythm() -> None:
    found = known(["NORM"])
    assert np.isnan([found["Sinus rhythm"], found["Atrial fibrillation"], found["Electronic pacemaker"]]).all()
    assert found["Left bundle branch block"] == 0


def test_labels_that_ptbxl_does_not_state_are_unknown() -> None:
    found = known(["SR"])
    assert np.isnan([found["Poor data quality"], found["Ventricular tachycardia"]]).all()


def test_a_right_bundle_and_a_fascicle_make_a_bifascicular_block() -> None:
    assert known(["SR", "CRBBB", "LAFB"])["Bifascicular block"] == 1
    assert known(["SR", "CRBBB"])["Bifascicular block"] == 0
    assert auxiliary_of(["LAFB"])[AUXILIARY.index("LAFB")] == 1


@pytest.mark.parametrize("seed", range(40))
def test_simulated_labels_follow_from_the_truth(seed: int) -> None:
    made, labels = draw(seed)
    scenario, found = made.truth.scenario, dict(zip(LABEL_NAMES, labels.tolist(), strict=True))
    if found["Poor data quality"]:
        assert np.isnan(labels[1:]).all()
        return
    assert found["Atrial fibrillation"] == (scenario.rhythm == "af")
    assert found["Atrial flutter"] == (scenario.rhythm == "flutter")
    assert found["Electronic pacemaker"] == scenario.rhythm.startswith("paced")
    if found["1st degree atrioventricular block"] == 1:
        assert made.truth.pr_ms is not None
        assert made.truth.pr_ms > 200
    if found["Left bundle branch block"] == 1:
        assert scenario.shape == "lbbb"
        assert scenario.qrs_ms >= 120
    if found["Bradycardia"] == 1:
        assert made.truth.heart_rate_bpm is not None
        assert made.truth.heart_rate_bpm < 60
    if found["Premature ventricular contraction"] == 1:
        assert any(beat.kind == "V" for beat in made.truth.beats)


def test_every_label_is_drawn_with_both_answers() -> None:
    labels = np.stack([draw(seed)[1] for seed in range(400)])
    assert (np.nanmax(labels, axis=0) == 1).all()
    assert (np.nanmin(labels, axis=0) == 0).all()


def test_moved_electrodes_keep_einthovens_law() -> None:
    made, _ = draw(3)
    leads = dict(zip(STANDARD_LEADS, varied(made, 3), strict=True))
    np.testing.assert_allclose(leads["I"] + leads["III"], leads["II"], atol=1e-5)
    assert not np.allclose(leads["V3"], made.record.signal[STANDARD_LEADS.index("V3")])
