"""Rate and rhythm: sinus rhythm, tachycardia, bradycardia, fibrillation, flutter, pacing."""

from ecg.findings.evidence import Evidence
from ecg.findings.finding import Finding
from ecg.findings.limits import PACING, RHYTHM
from ecg.findings.vocabulary import Label
from ecg.measurement.limits import SPIKES


def sinus_rhythm(evidence: Evidence) -> Finding:  # noqa: PLR0911 (one return an outcome)
    """A P wave of sinus direction before every beat."""
    label = Label.SINUS_RHYTHM
    if evidence.paced:
        return Finding(label, None, "the ventricles are paced: the atrial rhythm is not decided")
    if evidence.flutter:
        return Finding(label, False, _flutter_words(evidence))
    if fibrillates(evidence):
        return Finding(label, False, _fibrillation_words(evidence))
    if evidence.pr is None or evidence.p_axis is None:
        return Finding(label, None, "no P wave is common to the beats, and the rhythm is not irregular enough for AF")
    words = (
        f"P wave before the beats at {evidence.pr_words}, P axis {evidence.p_axis:.0f}°; criterion upright in I and II"
    )
    if evidence.p_upright():
        return Finding(label, True, words)
    # Exchanged with the left leg, the left arm makes II of I and I of II: upright in both is then what it was.
    turned = evidence.limb_reversal and evidence.reversal != "LA/LL"
    if turned or evidence.p_upright(RHYTHM.p_axis_margin_in_t if evidence.p_in_t else RHYTHM.p_axis_margin):
        return Finding(label, None, words)
    return Finding(label, False, words)


def tachycardia(evidence: Evidence) -> Finding:
    """More than 100 beats a minute (AHA/ACC/HRS)."""
    return _rate(Label.TACHYCARDIA, evidence, ">", RHYTHM.tachycardia_bpm)


def bradycardia(evidence: Evidence) -> Finding:
    """Fewer than 60 beats a minute, the bound under which readers write bradycardia; the 2018 guideline treats < 50."""
    return _rate(Label.BRADYCARDIA, evidence, "<", RHYTHM.bradycardia_bpm)


def _rate(label: str, evidence: Evidence, sign: str, bound: float) -> Finding:
    if evidence.heart_rate is None:
        return Finding(label, None, "the heart rate could not be measured")
    present = evidence.heart_rate > bound if sign == ">" else evidence.heart_rate < bound
    return Finding(label, present, f"heart rate {evidence.heart_rate:.1f} bpm; criterion {sign} {bound:.0f} bpm")


def atrial_fibrillation(evidence: Evidence) -> Finding:  # noqa: PLR0911 (one return an outcome)
    """Irregular ventricles without a P wave that belongs to them (2023 ACC/AHA/ACCP/HRS guideline)."""
    label = Label.ATRIAL_FIBRILLATION
    if evidence.irregularity is None:
        return Finding(label, None, "too few beats")
    if evidence.flutter:
        return Finding(label, False, _flutter_words(evidence))
    if fibrillates(evidence):
        return Finding(label, True, _fibrillation_words(evidence))
    if evidence.may_be_paced and evidence.pr is None:
        return Finding(label, None, "a regular rhythm without P waves, in which pacing is not excluded")
    clock = evidence.atrial_clock_s
    if clock is not None and (evidence.paced or evidence.pr is None):
        return Finding(label, False, f"the atria have a regular clock of their own ({60 / clock:.0f}/min)")
    if evidence.paced:
        return Finding(label, None, "the ventricles are paced, with too few or too regular beats of their own")
    if evidence.late_p:
        return Finding(label, None, "the beats after longer intervals share a P wave, as with premature atrial beats")
    if evidence.pr is not None:
        return Finding(label, False, f"a P wave is common to the beats ({evidence.pr_words})")
    words = f"no P wave is common to the beats; RR irregularity {evidence.irregularity:.2f}"
    if evidence.irregular_by_ectopy:
        words += ", hardly any without the ectopic beats"
    return Finding(
        label,
        False if evidence.irregularity < RHYTHM.not_fibrillation else None,
        f"{words}; criterion ≥ {RHYTHM.irregular}",
    )


def fibrillates(evidence: Evidence) -> bool:
    """Whether the ventricles are irregular without a P wave or another order, as only fibrillation is."""
    if evidence.irregularity is None or evidence.irregularity_rms is None:
        return False
    if evidence.pr is not None or evidence.atrial_clock_s is not None:
        return False
    if evidence.late_p or (evidence.irregular_by_ectopy and not evidence.paced):
        return False
    if evidence.paced:
        # a pacemaker fills the pauses at an even rate: the irregularity is in the few beats that come before it
        looked = evidence.atria.p_regularity is not None
        return (
            looked
            and evidence.n_unpaced >= RHYTHM.fewest_unpaced
            and evidence.irregularity_rms >= RHYTHM.irregular_rms_paced
        )
    return evidence.irregularity >= (
        RHYTHM.irregular_if_rms if evidence.irregularity_rms >= RHYTHM.irregular_rms else RHYTHM.irregular
    )


def _fibrillation_words(evidence: Evidence) -> str:
    if evidence.paced:
        return (
            f"no regular P waves, and {evidence.n_unpaced} unpaced beats come irregularly "
            f"(RR difference {evidence.irregularity_rms:.2f} of RR; criterion ≥ {RHYTHM.irregular_rms_paced})"
        )
    limits = f"criterion ≥ {RHYTHM.irregular}, or ≥ {RHYTHM.irregular_if_rms} with rms ≥ {RHYTHM.irregular_rms}"
    return (
        "no P wave is common to the beats, and RR varies without order "
        f"(difference {evidence.irregularity:.2f} of RR; {limits})"
    )


def atrial_flutter(evidence: Evidence) -> Finding:
    """One oscillation of 200 to 390 a minute without pause (typical flutter: 240 to 340)."""
    label = Label.ATRIAL_FLUTTER
    atria = evidence.atria
    if evidence.flutter:
        return Finding(label, True, _flutter_words(evidence))
    if atria.flutter_fit_with_t is None or (
        atria.flutter_fit is None and (evidence.heart_rate or 0.0) > 100 and evidence.pr is None
    ):
        return Finding(label, None, "there is too little room between the beats to look for flutter waves")
    fit = atria.flutter_fit_with_t if atria.flutter_fit is None else atria.flutter_fit
    return Finding(
        label, False, f"the best atrial oscillation explains {100 * fit:.0f} % of the activity between beats"
    )


def _flutter_words(evidence: Evidence) -> str:
    fit = evidence.atria.flutter_fit_with_t if evidence.atria.flutter_fit is None else evidence.atria.flutter_fit
    return (
        f"one atrial oscillation of {evidence.atria.flutter_per_min:.0f}/min explains {100 * (fit or 0.0):.0f} % "
        "of the activity between the beats"
    )


def pacemaker(evidence: Evidence) -> Finding:
    """Pacing spikes before three or more beats. Spikes of bipolar leads may be too small to be recorded."""
    label = Label.PACEMAKER
    if evidence.n_beats == 0:
        return Finding(label, None, "no beats were found")
    if evidence.paced:
        return Finding(label, True, f"{100 * evidence.paced_fraction:.0f} % of the beats follow a pacing spike")
    if evidence.may_be_paced:
        words = "the QRS complex could be a paced one, and the beats come at even intervals or after a P wave"
        return Finding(label, None, f"{words}; spikes do not show at this bandwidth")
    if evidence.pacing_open:
        words = "no spikes show at this bandwidth; the beats come irregularly and without P waves, as paced ones do not"
        return Finding(label, False, words)
    words = f"no pacing spikes before {PACING.fewest_beats} or more beats"
    if evidence.fs_hz >= SPIKES.sure_fs_hz:
        return Finding(label, False, words)
    return Finding(label, False, f"{words}, and the QRS complex is not a paced one", not_excluded=("atrial pacing",))
