"""Each criterion on stated evidence: what crosses a limit, what does not, and what is left open."""

from dataclasses import replace

import pytest

from ecg.findings import conduction, infarction, rhythm, ventricular
from ecg.findings.atrial import AtrialActivity
from ecg.findings.ectopic_beats import EctopicBeat
from ecg.findings.evidence import Evidence
from ecg.findings.unconducted_p import UnconductedP
from ecg.measurement.qrs_shape import QrsShape

SHAPE = QrsShape(1.0, 0.0, 0.0, False, 0.8, 0.2, 45.0, 0.0, 0.15)
NORMAL = Evidence(
    heart_rate=72.0, pr=160.0, p_in_t=False, qrs=92.0, p_axis=50.0, qrs_axis=40.0, irregularity=0.02,
    irregularity_rms=0.03, irregular_by_ectopy=False,
    paced_fraction=0.0, pacing_open=False, n_unpaced=12, n_beats=12, late_p=False, pause=1.05,
    atria=AtrialActivity(250.0, 0.1, 0.1, 0.83, 0.6), unconducted_p=(), ectopic=(),
    shapes=dict.fromkeys(("I", "II", "III", "aVL", "aVF", "V2", "V3", "V4", "V5", "V6"), SHAPE)
    | {"V1": replace(SHAPE, net=-0.3, terminal=-0.1)},
    slow_start_ms=20.0, reversal=None, unit_known=True, fs_hz=500.0,
)  # fmt: skip
LATE = {"V1": replace(SHAPE, terminal=0.2, r_peak_ms=90.0), "I": replace(SHAPE, terminal=-0.1)}
BROAD = replace(SHAPE, net=0.3, r_peak_ms=90.0)
LEFT = {"V1": replace(SHAPE, net=-0.3)} | dict.fromkeys(("I", "aVL", "V5", "V6"), BROAD)
NO_P = {"pr": None, "p_axis": None, "atria": AtrialActivity(250.0, 0.1, 0.1, None, None)}
DISSOCIATED = AtrialActivity(None, None, None, 0.7, 0.8)
WIDE_AND_FAST = {"heart_rate": 150.0, "qrs": 150.0}
PVC = EctopicBeat(at=4, coupling=0.6, width_ms=140.0, width=1.6, size=1.3)


def having(**changes: object) -> Evidence:
    return replace(NORMAL, **changes)


@pytest.mark.parametrize(
    ("rule", "changes", "present"),
    [
        (conduction.first_degree, {"pr": 150.0, "p_in_t": True}, None),  # where P begins is not seen
        (conduction.first_degree, {"pr": 206.0, "p_in_t": True}, True),
        (conduction.av_block, {"pr": 150.0, "p_in_t": True}, None),
        (conduction.accessory_pathway, {"pr": 100.0, "qrs": 130.0, "slow_start_ms": 60.0, "p_in_t": True}, None),
        (ventricular.ventricular_tachycardia, WIDE_AND_FAST | {"p_axis": -80.0}, None),  # as conducted backwards
        (ventricular.ventricular_tachycardia, WIDE_AND_FAST | {"p_in_t": True}, None),
        (ventricular.aberrant_tachycardia, WIDE_AND_FAST | {"p_in_t": True}, None),
        (rhythm.tachycardia, {"heart_rate": 100.0}, False),
        (rhythm.tachycardia, {"heart_rate": 100.1}, True),
        (rhythm.bradycardia, {"heart_rate": 60.0}, False),
        (rhythm.bradycardia, {"heart_rate": 59.9}, True),
        (rhythm.bradycardia, {"heart_rate": None}, None),
        (rhythm.sinus_rhythm, {}, True),
        (rhythm.sinus_rhythm, {"p_axis": -60.0}, False),
        (rhythm.sinus_rhythm, {"p_axis": -60.0, "reversal": "LA/RA"}, None),
        (rhythm.sinus_rhythm, {"p_axis": -60.0, "reversal": "LA/LL"}, False),  # II and I trade places: still not both
        (rhythm.sinus_rhythm, {"p_axis": -60.0, "p_in_t": True}, None),
        (rhythm.sinus_rhythm, {"p_axis": 95.0}, None),
        (rhythm.sinus_rhythm, {"paced_fraction": 0.5}, None),
        (rhythm.sinus_rhythm, NO_P, None),
        (rhythm.sinus_rhythm, NO_P | {"irregularity": 0.2}, False),
        (rhythm.atrial_fibrillation, {}, False),
        (rhythm.atrial_fibrillation, {"irregularity": 0.3}, False),  # arrhythmia with a P wave before each beat
        (rhythm.atrial_fibrillation, NO_P | {"irregularity": 0.2, "atria": AtrialActivity(0, 0, 0, 0.8, 0.5)}, True),
        (rhythm.atrial_fibrillation, NO_P | {"irregularity": 0.2}, True),
        (rhythm.atrial_fibrillation, NO_P | {"irregularity": 0.2, "late_p": True}, None),
        (rhythm.atrial_fibrillation, NO_P | {"irregularity": 0.2, "irregular_by_ectopy": True}, None),
        (rhythm.atrial_fibrillation, NO_P | {"pacing_open": True}, None),
        (rhythm.atrial_fibrillation, NO_P | {"irregularity": 0.08}, None),
        (rhythm.atrial_fibrillation, NO_P | {"irregularity": 0.05}, None),
        (rhythm.atrial_fibrillation, NO_P | {"irregularity": 0.08, "irregularity_rms": 0.2}, True),
        # a clock slower than the beats is that of groups of beats, as in bigeminy
        (rhythm.atrial_fibrillation, NO_P | {"irregularity": 0.3, "atria": AtrialActivity(0, 0, 0, 1.4, 0.6)}, True),
        (rhythm.atrial_fibrillation, NO_P | {"irregularity": 0.3, "pacing_open": True, "irregularity_rms": 0.3}, True),
        (rhythm.atrial_fibrillation, NO_P, False),  # junctional rhythm is regular
        (rhythm.atrial_fibrillation, NO_P | {"irregularity": None}, None),
        (
            rhythm.atrial_fibrillation,  # Wenckebach: the P waves are not tied to the beats but keep their own time
            {"pr": None, "irregularity": 0.3, "atria": AtrialActivity(250.0, 0.1, 0.1, 0.7, 0.6)},
            False,
        ),
        (
            rhythm.atrial_fibrillation,  # single irregular beats of its own between the paced ones
            {"pr": None, "paced_fraction": 0.75, "n_unpaced": 3, "irregularity": 0.0, "irregularity_rms": 0.1,
             "atria": AtrialActivity(250.0, 0.1, 0.1, 0.9, 0.2)},
            True,
        ),
        (rhythm.atrial_fibrillation, NO_P | {"paced_fraction": 1.0, "n_unpaced": 0}, None),
        (rhythm.atrial_flutter, {"heart_rate": 160.0, "pr": None, "atria": AtrialActivity(321.0, None, 0.74)}, None),
        (rhythm.atrial_flutter, {}, False),
        (rhythm.atrial_flutter, NO_P | {"atria": AtrialActivity(300.0, 0.8, 0.5)}, True),
        (rhythm.atrial_flutter, NO_P | {"atria": AtrialActivity(230.0, 0.8, 0.5)}, False),  # twice a sinus rate of 115
        (rhythm.atrial_flutter, {"atria": AtrialActivity(290.0, 0.55, 0.38), "irregularity_rms": 0.2}, True),
        (rhythm.atrial_flutter, {"atria": AtrialActivity(258.0, 0.71, 0.9), "p_axis": -100.0}, True),
        (rhythm.atrial_flutter, {"atria": AtrialActivity(258.0, 0.71, 0.9), "p_axis": -40.0}, False),
        (rhythm.sinus_rhythm, {"atria": AtrialActivity(270.0, 0.76, 0.9), "p_axis": None}, None),  # one lead: no axis
        (rhythm.atrial_flutter, {"atria": AtrialActivity()}, None),
        (ventricular.premature_ventricular, {}, False),
        (ventricular.premature_ventricular, {"ectopic": (PVC,)}, True),
        (ventricular.premature_ventricular, {"ectopic": (replace(PVC, coupling=1.0),)}, None),
        (ventricular.premature_ventricular, {"ectopic": (replace(PVC, width=1.1),)}, None),
        (ventricular.premature_ventricular, {"ectopic": (replace(PVC, at=0, coupling=None, after=1.3),)}, True),
        (ventricular.premature_ventricular, {"ectopic": (replace(PVC, at=0, coupling=None, after=1.0),)}, None),
        (ventricular.premature_ventricular, {"ectopic": (replace(PVC, after=1.1, initial=0.97),)}, None),  # aberrant
        (ventricular.premature_ventricular, {"ectopic": (replace(PVC, after=1.4, initial=0.97),)}, True),
        (ventricular.premature_ventricular, {"ectopic": (replace(PVC, width=0.9, size=1.6),)}, True),  # by wide ones
        (ventricular.premature_ventricular, {"ectopic": (replace(PVC, size=0.2),)}, False),  # a blip, no beat
        (ventricular.ventricular_tachycardia, {}, False),
        (ventricular.ventricular_tachycardia, {"ectopic": (PVC, replace(PVC, at=5))}, False),
        (ventricular.ventricular_tachycardia, {"ectopic": (PVC, replace(PVC, at=5), replace(PVC, at=6))}, True),
        (ventricular.ventricular_tachycardia, {"heart_rate": 160.0, "qrs": 130.0}, False),  # with a P wave before each
        (ventricular.ventricular_tachycardia, NO_P | {"heart_rate": 160.0, "qrs": 130.0}, None),
        (ventricular.ventricular_tachycardia, NO_P | {"heart_rate": 160.0, "qrs": 170.0}, None),
        (ventricular.ventricular_tachycardia, NO_P | {"heart_rate": 160.0, "qrs": 130.0, "qrs_axis": -120.0}, True),
        (
            ventricular.ventricular_tachycardia,  # two supporting signs
            NO_P | {"heart_rate": 160.0, "qrs": 170.0, "shapes": {"II": replace(SHAPE, r_peak_ms=70.0)}},
            True,
        ),
        (ventricular.ventricular_tachycardia, NO_P | {"heart_rate": 160.0, "qrs": 170.0, "irregularity": 0.2}, False),
        (ventricular.aberrant_tachycardia, NO_P | {"heart_rate": 160.0, "qrs": 130.0}, None),
        (ventricular.aberrant_tachycardia, NO_P | {"heart_rate": 160.0}, False),
        (rhythm.pacemaker, {}, False),
        (rhythm.pacemaker, {"paced_fraction": 0.25}, True),
        (rhythm.pacemaker, {"fs_hz": 360.0}, False),  # a narrow complex is not paced
        (rhythm.pacemaker, {"fs_hz": 250.0, "pacing_open": True}, None),
        (rhythm.pacemaker, NO_P | {"pacing_open": True, "irregularity_rms": 0.2}, False),
        (conduction.first_degree, {"pr": 194.0}, False),
        (conduction.first_degree, {"pr": 200.0}, None),
        (conduction.first_degree, {"pr": 206.0}, True),
        (conduction.first_degree, NO_P | {"irregularity": 0.2}, False),  # fibrillation has no PR
        (conduction.first_degree, {"pr": 203.0}, None),
        (conduction.av_block, NO_P | {"atria": AtrialActivity(300.0, 0.8, 0.5), "heart_rate": 75.0}, False),  # 4:1
        (conduction.av_block, NO_P | {"atria": AtrialActivity(300.0, 0.8, 0.5), "heart_rate": 50.0}, None),
        (conduction.av_block, {"pr": 203.0}, None),
        (conduction.av_block, NO_P | {"irregularity": 0.2}, False),
        (conduction.first_degree, NO_P, None),
        (conduction.av_block, {}, False),
        (conduction.av_block, {"pr": 240.0}, True),
        (conduction.av_block, {"pause": 2.0, "unconducted_p": (UnconductedP(2.0, 1.0),)}, True),
        (conduction.av_block, {"pause": 1.65, "unconducted_p": (UnconductedP(1.65, 1.0),)}, True),
        (conduction.av_block, {"pause": 1.65}, None),
        (conduction.av_block, {"pause": 1.55}, False),
        (conduction.av_block, {"pause": 1.7, "unconducted_p": (UnconductedP(1.7, 0.6),)}, None),  # a premature one
        (conduction.av_block, {"unconducted_p": (UnconductedP(1.0, 0.5),) * 9}, True),
        (conduction.av_block, {"unconducted_p": (UnconductedP(1.0, 0.5),) * 3}, None),
        (conduction.av_block, {"unconducted_p": (UnconductedP(1.0, 0.4),) * 9}, None),
        (conduction.first_degree, {"pr": 240.0, "unconducted_p": (UnconductedP(1.0, 0.5),) * 9}, None),
        (conduction.av_block, {"pause": 2.0, "atria": AtrialActivity()}, None),
        (conduction.av_block, NO_P | {"heart_rate": 40.0, "atria": DISSOCIATED}, True),
        (conduction.av_block, NO_P | {"heart_rate": 100.0, "atria": DISSOCIATED}, None),  # groups of beats
        (conduction.av_block, NO_P, None),
        (conduction.right_bundle_branch_block, {}, False),
        (conduction.right_bundle_branch_block, {"qrs": 130.0, "shapes": NORMAL.shapes | LATE}, True),
        (conduction.right_bundle_branch_block, {"qrs": 130.0}, False),
        (
            conduction.right_bundle_branch_block,  # a dominant R' beside lateral leads without S
            {"qrs": 130.0, "shapes": NORMAL.shapes | {"V1": replace(SHAPE, terminal=0.28, r_peak_ms=90.0)}},
            True,
        ),
        (
            conduction.right_bundle_branch_block,
            {"qrs": 130.0, "shapes": NORMAL.shapes | {"V1": replace(SHAPE, terminal=0.12, r_peak_ms=90.0)}},
            False,
        ),
        (conduction.right_bundle_branch_block, {"qrs": 115.0, "shapes": NORMAL.shapes | LATE}, None),
        (conduction.right_bundle_branch_block, {"qrs": 130.0, "shapes": LATE, "reversal": "V1/V2"}, None),
        (conduction.right_bundle_branch_block, {"qrs": 130.0, "shapes": {}}, None),
        (conduction.right_bundle_branch_block, {"shapes": {"II": SHAPE}}, None),
        (conduction.left_bundle_branch_block, {"qrs": 150.0, "shapes": LEFT}, True),
        (conduction.left_bundle_branch_block, {"qrs": 150.0}, False),
        (conduction.left_bundle_branch_block, {"qrs": 150.0, "shapes": LEFT, "reversal": "LA/LL"}, True),  # V5 and V6
        # of chest leads that seem exchanged only those count that the pattern is made of
        (conduction.left_bundle_branch_block, {"qrs": 150.0, "shapes": LEFT, "reversal": "V2/V4"}, True),
        (conduction.left_bundle_branch_block, {"qrs": 150.0, "shapes": LEFT, "reversal": "V1/V2"}, None),
        (
            conduction.right_bundle_branch_block,
            {"qrs": 130.0, "shapes": NORMAL.shapes | LATE, "reversal": "V4/V6"},
            True,
        ),
        (
            conduction.left_bundle_branch_block,  # broad in the limb leads only: without its pattern
            {"qrs": 150.0, "shapes": LEFT | dict.fromkeys(("V5", "V6"), SHAPE)},
            False,
        ),
        (
            conduction.left_bundle_branch_block,  # from 140 ms on R may peak a little earlier
            {"qrs": 150.0, "shapes": LEFT | dict.fromkeys(("V5", "V6"), replace(SHAPE, r_peak_ms=54.0, net=0.05))},
            True,
        ),
        (
            conduction.right_bundle_branch_block,  # not both: V1 points down, and the lateral leads are broad
            {"qrs": 150.0, "shapes": LEFT | {"V2": replace(SHAPE, terminal=0.2, r_peak_ms=90.0)}},
            False,
        ),
        (conduction.left_bundle_branch_block, {"qrs": 150.0, "shapes": LEFT, "paced_fraction": 1.0}, None),
        (conduction.left_bundle_branch_block, {"qrs": 150.0, "shapes": LEFT, "pr": 95.0, "slow_start_ms": 50.0}, None),
        (conduction.left_bundle_branch_block, {"shapes": {"II": BROAD}}, None),  # one lead does not show the width
        (conduction.left_bundle_branch_block, NO_P | {"qrs": 150.0, "shapes": LEFT, "heart_rate": 170.0}, None),
        (conduction.bifascicular_block, {"qrs": 130.0, "shapes": NORMAL.shapes | LATE}, False),
        (conduction.bifascicular_block, {"qrs": 130.0, "shapes": NORMAL.shapes | LATE, "qrs_axis": -60.0}, True),
        (conduction.bifascicular_block, {"qrs": 130.0, "shapes": NORMAL.shapes | LATE, "qrs_axis": 110.0}, True),
        (conduction.bifascicular_block, {"qrs_axis": -60.0}, False),
        (conduction.accessory_pathway, {"pr": 100.0, "qrs": 130.0, "slow_start_ms": 50.0}, True),
        (conduction.accessory_pathway, {"pr": 100.0, "qrs": 130.0}, None),
        (conduction.accessory_pathway, {"pr": 100.0}, False),
        (conduction.accessory_pathway, NO_P, None),
        (infarction.infarction, {}, None),
    ],
)  # fmt: skip
def test_criterion(rule, changes: dict[str, object], present: bool | None):
    finding = rule(having(**changes))
    assert finding.present is present, finding.evidence


def with_q(leads: tuple[str, ...], **shape: float) -> dict[str, QrsShape]:
    return NORMAL.shapes | dict.fromkeys(leads, replace(SHAPE, q_ms=40.0, q_depth=0.3, **shape))


@pytest.mark.parametrize(
    ("shapes", "present"),
    [
        (with_q(("II", "aVF", "III")), True),
        (with_q(("V3", "V4")), True),
        (with_q(("III",)), None),  # one lead alone
        (with_q(("I", "V6")), None),  # of different groups
        (with_q(("V1", "V2")), None),  # V1 may have a QS in health
        (with_q(("I", "aVL"), r=2.0), None),  # shallow against R
    ],
)
def test_q_waves_count_in_two_neighbouring_leads(shapes: dict[str, QrsShape], present: bool | None):
    assert infarction.infarction(having(shapes=shapes)).present is present


@pytest.mark.parametrize(
    "changes",
    [
        {"paced_fraction": 1.0},
        {"qrs": 150.0},
        {"unit_known": False},
        {"reversal": "LA/LL"},
        {"pr": 95.0, "qrs": 130.0, "slow_start_ms": 50.0},
        NO_P | {"heart_rate": 170.0, "qrs": 170.0},
    ],
)
def test_q_waves_are_not_read_where_they_mean_something_else(changes: dict[str, object]):
    shapes = with_q(("II", "III", "aVF")) | (LEFT if "qrs" in changes else {})
    assert infarction.infarction(having(shapes=shapes, **changes)).present is None


def test_a_pr_whose_beginning_is_hidden_is_quoted_as_a_lower_bound():
    assert "PR 160 ms" in rhythm.sinus_rhythm(NORMAL).evidence
    assert "PR over 160 ms" in rhythm.sinus_rhythm(having(p_in_t=True)).evidence
    assert "PR over 160 ms" in rhythm.atrial_fibrillation(having(p_in_t=True)).evidence


def test_right_bundle_branch_block_names_what_decided():
    beside_s = conduction.right_bundle_branch_block(having(qrs=130.0, shapes=NORMAL.shapes | LATE))
    dominant = NORMAL.shapes | {"V1": replace(SHAPE, terminal=0.28, r_peak_ms=90.0)}
    without_s = conduction.right_bundle_branch_block(having(qrs=130.0, shapes=dominant))
    assert "S in I or V6" in beside_s.evidence
    assert "dominant late R'" in without_s.evidence
    assert "S in" not in without_s.evidence


def test_flutter_without_a_rate_leaves_the_block_open():
    flutter = having(**NO_P | {"atria": AtrialActivity(300.0, 0.8, 0.5), "heart_rate": None})
    assert conduction.av_block(flutter).present is None
    assert "without a rate" in conduction.av_block(flutter).evidence
