"""Ventricular beats: premature ones, and wide tachycardias."""

from ecg.findings.ectopic_beats import ExtraBeat
from ecg.findings.evidence import Evidence
from ecg.findings.finding import Finding
from ecg.findings.limits import ECTOPY, RHYTHM, WIDE_TACHYCARDIA
from ecg.findings.rhythm import is_upright
from ecg.findings.vocabulary import Label


def premature_ventricular(evidence: Evidence) -> Finding:
    """A beat of another shape that is early and wide (AHA/ACCF/HRS 2009)."""
    label = Label.PREMATURE_VENTRICULAR
    if evidence.irregularity is None:
        return Finding(label, None, "too few beats")
    beats = [beat for beat in evidence.extra if beat.size >= ECTOPY.size]  # smaller ones are noise or T waves
    early = [beat for beat in beats if beat.coupling is not None and beat.coupling < ECTOPY.early and _wide(beat)]
    if early:
        beat = min(early, key=lambda beat: beat.coupling or 1.0)
        words = (
            f"{len(early)} beat(s) of another shape, early (coupling {beat.coupling:.2f} of RR; "
            f"criterion < {ECTOPY.early}) and {beat.width:.1f} times as wide as the others (criterion ≥ {ECTOPY.wide})"
        )
        return Finding(label, True, words)
    if beats:
        return Finding(label, None, f"{len(beats)} beat(s) of another shape, but not both early and wide")
    return Finding(label, False, "no early beat of another shape")


def ventricular_tachycardia(evidence: Evidence) -> Finding:
    """Three or more wide beats in a row at over 100 a minute, and a sign that they are ventricular.

    Such signs are dissociated P waves, a QRS over 160 ms, an axis between -90° and ±180°, or precordial concordance
    (Brugada 1991, Vereckei 2008).
    """
    label = Label.VENTRICULAR_TACHYCARDIA
    run = _longest_run(
        [beat.at for beat in evidence.extra if _wide(beat) and beat.size >= ECTOPY.size and _fast(beat, evidence)]
    )
    if run >= WIDE_TACHYCARDIA.run:
        return Finding(label, True, f"{run} wide beats of another shape in a row at over 100 bpm")
    if (absent := _no_wide_tachycardia(label, evidence)) is not None:
        return absent
    signs = (
        _ventricular_signs(evidence) if (evidence.irregularity or 0.0) < RHYTHM.irregular else []
    )  # AF conducts aberrantly, too
    rate = f"QRS {evidence.qrs:.0f} ms at {evidence.heart_rate:.0f} bpm without P waves tied to the beats"
    if signs:
        return Finding(label, True, f"{rate}; {', '.join(signs)}")
    return Finding(label, None, f"{rate}: ventricular or supraventricular with aberrancy is not decided")


def aberrant_tachycardia(evidence: Evidence) -> Finding:
    """A wide tachycardia that is not ventricular: left open, as exclusion is not proof."""
    label = Label.ABERRANT_TACHYCARDIA
    if (absent := _no_wide_tachycardia(label, evidence)) is not None:
        return absent
    words = f"QRS {evidence.qrs:.0f} ms at {evidence.heart_rate:.0f} bpm"
    return Finding(label, None, f"{words}: ventricular or supraventricular with aberrancy is not decided")


def _wide(beat: ExtraBeat) -> bool:
    return beat.width >= ECTOPY.wide and beat.width_ms >= ECTOPY.wide_ms


def _fast(beat: ExtraBeat, evidence: Evidence) -> bool:
    return (
        bool(beat.coupling) and evidence.heart_rate is not None and evidence.heart_rate / (beat.coupling or 1.0) > 100
    )


def _longest_run(places: list[int]) -> int:
    longest = length = 0
    previous = None
    for place in places:
        length = length + 1 if previous is not None and place == previous + 1 else 1
        longest, previous = max(longest, length), place
    return longest


def _no_wide_tachycardia(label: str, evidence: Evidence) -> Finding | None:
    if evidence.heart_rate is None or evidence.qrs is None:
        return Finding(label, None, "rate or QRS duration could not be measured")
    if evidence.heart_rate <= RHYTHM.tachycardia_bpm:
        return Finding(label, False, f"heart rate {evidence.heart_rate:.0f} bpm; criterion > 100 bpm")
    if evidence.qrs < WIDE_TACHYCARDIA.wide_ms:
        return Finding(label, False, f"QRS {evidence.qrs:.0f} ms; criterion ≥ {WIDE_TACHYCARDIA.wide_ms:.0f} ms")
    if evidence.paced or evidence.pacing_open:
        return Finding(label, None, "the ventricles are paced, or pacing is not excluded")
    if evidence.pr is not None and not evidence.flutter:
        words = f"a P wave is tied to the beats ({evidence.pr_words})"
        # Ventricular beats may be conducted to the atria, one for one: that P wave is not upright and follows its QRS.
        forward = not evidence.p_in_t and evidence.p_axis is not None and is_upright(evidence.p_axis)
        if not forward:
            words += ", which is not upright or begins in T: it may be conducted backwards"
        return Finding(label, False if forward else None, words)
    return None


def _ventricular_signs(evidence: Evidence) -> list[str]:
    signs = []
    if (
        evidence.own_p_clock_s is not None
        and evidence.heart_rate is not None
        and 60 / evidence.own_p_clock_s < WIDE_TACHYCARDIA.dissociated * evidence.heart_rate
    ):
        signs.append(f"dissociated P waves at {60 / evidence.own_p_clock_s:.0f}/min")
    if evidence.qrs is not None and WIDE_TACHYCARDIA.very_wide_ms < evidence.qrs < WIDE_TACHYCARDIA.widest * 60e3 / (
        evidence.heart_rate or 1.0
    ):
        signs.append("QRS over 160 ms")
    if (
        evidence.qrs_axis is not None
        and evidence.qrs_axis < WIDE_TACHYCARDIA.extreme_axis
        and evidence.reversal is None
    ):
        signs.append(f"QRS axis {evidence.qrs_axis:.0f}°")
    nets = [evidence.shapes[f"V{n}"].net for n in range(1, 7) if f"V{n}" in evidence.shapes]
    if len(nets) == 6 and (min(nets) > WIDE_TACHYCARDIA.concordance or max(nets) < -WIDE_TACHYCARDIA.concordance):
        signs.append("all precordial leads point one way")
    return signs
