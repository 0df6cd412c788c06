"""Ventricular beats: premature ones, and wide tachycardias."""

from ecg.findings.ectopic_beats import EctopicBeat
from ecg.findings.evidence import Evidence
from ecg.findings.finding import Finding
from ecg.findings.limits import ECTOPY, RHYTHM, WIDE_TACHYCARDIA
from ecg.findings.vocabulary import Label
from ecg.leads import PRECORDIAL_LEADS
from ecg.measurement.qrs_shape import QrsShape


def premature_ventricular(evidence: Evidence) -> Finding:
    """A beat of another shape that is early and wide (AHA/ACCF/HRS 2009)."""
    label = Label.PREMATURE_VENTRICULAR
    if evidence.irregularity is None:
        return Finding(label, None, "too few beats")
    beats = [beat for beat in evidence.ectopic if beat.size >= ECTOPY.size]  # smaller ones are noise or T waves
    early = [beat for beat in beats if _early(beat, evidence) and _ventricular(beat)]
    aberrant = [beat for beat in early if _aberrant(beat)]
    if len(aberrant) == len(early) > 0:
        words = f"{len(early)} early, wide beat(s) that begin as the others do and are followed by no full pause"
        return Finding(label, None, f"{words}: atrial premature beats with aberrancy, or ventricular ones")
    if early:
        beat = min(early, key=lambda beat: beat.coupling or 1.0)
        came = "the first, before a pause" if beat.coupling is None else f"coupling {beat.coupling:.2f} of RR"
        words = (
            f"{len(early)} beat(s) of another shape, early ({came}; criterion < {ECTOPY.early}), "
            f"{beat.width:.1f} times as wide as the others (criterion ≥ {ECTOPY.wide}) "
            f"or {beat.size:.1f} times as large (criterion ≥ {ECTOPY.large})"
        )
        return Finding(label, True, words)
    if beats:
        return Finding(label, None, f"{len(beats)} beat(s) of another shape, but not both early and wide")
    return Finding(label, False, "no early beat of another shape")


def ventricular_tachycardia(evidence: Evidence) -> Finding:
    """Three or more wide beats in a row at over 100 a minute, and a sign that they are ventricular.

    Such signs are dissociated P waves, an axis between -90° and ±180°, or precordial concordance; or two of a QRS over
    160 ms, no RS complex in V1 to V6, and an R peak in II after 50 ms (Brugada 1991, Vereckei 2008, Pava 2010).
    """
    label = Label.VENTRICULAR_TACHYCARDIA
    wide = [beat for beat in evidence.ectopic if _wide(beat) and beat.size >= ECTOPY.size]
    run = _longest_run([beat.at for beat in wide if _fast(beat, evidence)])
    if run >= WIDE_TACHYCARDIA.run:
        return Finding(label, True, f"{run} wide beats of another shape in a row at over 100 bpm")
    if (absent := _no_wide_tachycardia(label, evidence)) is not None:
        return absent
    rate = f"QRS {evidence.qrs:.0f} ms at {evidence.heart_rate:.0f} bpm without P waves tied to the beats"
    if (evidence.irregularity or 0.0) >= RHYTHM.irregular and not evidence.flutter:
        return Finding(label, False, f"{rate}, irregular by {evidence.irregularity:.2f} of RR: fibrillation")
    sure, supporting = _sure_signs(evidence), _supporting_signs(evidence)
    if sure or len(supporting) >= WIDE_TACHYCARDIA.supporting_signs:
        return Finding(label, True, f"{rate}; {', '.join(sure + supporting)}")
    return Finding(label, None, f"{rate}: ventricular or supraventricular with aberrancy is not decided")


def aberrant_tachycardia(evidence: Evidence) -> Finding:
    """A wide tachycardia that is not ventricular: left open, as exclusion is not proof."""
    label = Label.ABERRANT_TACHYCARDIA
    if (absent := _no_wide_tachycardia(label, evidence)) is not None:
        return absent
    words = f"QRS {evidence.qrs:.0f} ms at {evidence.heart_rate:.0f} bpm"
    return Finding(label, None, f"{words}: ventricular or supraventricular with aberrancy is not decided")


def _early(beat: EctopicBeat, evidence: Evidence) -> bool:
    """Whether a beat came before the next was due; the first beat of a recording shows it by the pause after it."""
    if beat.coupling is None:
        return beat.at == 0 and beat.after is not None and beat.after >= ECTOPY.late_after_first
    fibrillates = evidence.pr is None and (evidence.irregularity or 0.0) >= RHYTHM.irregular
    return beat.coupling < (ECTOPY.early_in_fibrillation if fibrillates else ECTOPY.early)


def _ventricular(beat: EctopicBeat) -> bool:
    """Whether a beat is wider than the others, or, beside others that are wide themselves, much larger."""
    return _wide(beat) or (beat.size >= ECTOPY.large and beat.width_ms >= ECTOPY.large_ms)


def _aberrant(beat: EctopicBeat) -> bool:
    """Whether an early beat begins as the conducted ones do and resets the sinus node: an atrial one, aberrant."""
    if beat.coupling is None or beat.after is None or beat.initial < ECTOPY.aberrant_initial:
        return False
    return beat.coupling + beat.after < ECTOPY.compensatory


def _wide(beat: EctopicBeat) -> bool:
    return beat.width >= ECTOPY.wide and beat.width_ms >= ECTOPY.wide_ms


def _fast(beat: EctopicBeat, evidence: Evidence) -> bool:
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
    if evidence.paced or (evidence.may_be_paced and evidence.pr is None):
        return Finding(label, None, "the ventricles are paced, or pacing is not excluded")
    if evidence.pr is not None and not evidence.flutter:
        words = f"a P wave is tied to the beats ({evidence.pr_words})"
        # Ventricular beats may be conducted to the atria, one for one: that P wave is not upright and follows its QRS.
        forward = not evidence.p_in_t and evidence.p_upright()
        if not forward:
            words += ", which is not upright or begins in T: it may be conducted backwards"
        return Finding(label, False if forward else None, words)
    return None


def _sure_signs(evidence: Evidence) -> list[str]:
    """Signs of which one is enough."""
    signs = []
    clock, rate, axis = evidence.own_p_clock_s, evidence.heart_rate, evidence.qrs_axis
    if clock is not None and rate is not None and 60 / clock < WIDE_TACHYCARDIA.dissociated * rate:
        signs.append(f"dissociated P waves at {60 / clock:.0f}/min")
    if axis is not None and axis < WIDE_TACHYCARDIA.extreme_axis and not evidence.limb_reversal:
        signs.append(f"QRS axis {axis:.0f}°")
    nets = [shape.net for shape in _precordial(evidence)]
    if len(nets) == 6 and (min(nets) > WIDE_TACHYCARDIA.concordance or max(nets) < -WIDE_TACHYCARDIA.concordance):
        signs.append("all precordial leads point one way")
    return signs


def _supporting_signs(evidence: Evidence) -> list[str]:
    """Signs that aberrant conduction shows at times, too."""
    signs = []
    longest = WIDE_TACHYCARDIA.widest * 60e3 / (evidence.heart_rate or 1.0)
    if evidence.qrs is not None and WIDE_TACHYCARDIA.very_wide_ms < evidence.qrs < longest:
        signs.append("QRS over 160 ms")
    chest = _precordial(evidence)
    one_way = WIDE_TACHYCARDIA.one_way
    if len(chest) == 6 and all(min(shape.r, shape.s) < one_way * shape.peak_to_peak for shape in chest):
        signs.append("no RS complex in V1 to V6")
    second = evidence.shapes.get("II")
    if second is not None and second.net > 0 and second.r_peak_ms >= WIDE_TACHYCARDIA.r_peak_ii_ms:
        signs.append(f"R peak in II after {second.r_peak_ms:.0f} ms")
    return signs


def _precordial(evidence: Evidence) -> list[QrsShape]:
    return [evidence.shapes[lead] for lead in PRECORDIAL_LEADS if lead in evidence.shapes]
