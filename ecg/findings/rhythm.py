"""Rate and rhythm: sinus rhythm, tachycardia, bradycardia, fibrillation, flutter, ectopy, wide tachycardias, pacing."""

from ecg.findings.ectopic_beats import ExtraBeat
from ecg.findings.evidence import PACED_BEATS, Evidence
from ecg.findings.finding import Finding
from ecg.measurement.pacing import MIN_FS_HZ

#: Median RR difference over RR: from the first on irregular alone, from the second on if the root mean square is high.
#: Below `STEADY` it is not fibrillation.
IRREGULAR, REGULAR, IRREGULAR_RMS, STEADY = 0.1, 0.06, 0.12, 0.04
IRREGULAR_RMS_PACED, MIN_UNPACED = 0.05, 2
UPRIGHT_P = (-30.0, 90.0)  # degrees in which P is upright in both I and II
AXIS_MARGIN, AXIS_MARGIN_IN_T = 15.0, 45.0  # what shows of a P wave that begins in T has an axis up to 45° off
EARLY, WIDE, WIDE_MS, LARGE = 0.9, 1.2, 100.0, 0.6  # 100 ms as `ExtraBeat` takes it is a QRS of 120 ms
WIDE_QRS_MS, RUN = 120.0, 3
WIDEST = 0.6  # of RR: a longer QRS has its T wave in it


def sinus_rhythm(e: Evidence) -> Finding:  # noqa: PLR0911 (one return an outcome)
    """A P wave of sinus direction before every beat."""
    label = "Sinus rhythm"
    if e.paced:
        return Finding(label, None, "the ventricles are paced: the atrial rhythm is not decided")
    if e.flutter:
        return Finding(label, False, _flutter_words(e))
    if _fibrillates(e):
        return Finding(label, False, _fibrillation_words(e))
    if e.pr is None or e.p_axis is None:
        return Finding(label, None, "no P wave is common to the beats, and the rhythm is not irregular enough for AF")
    words = f"P wave before the beats at {e.pr_words}, P axis {e.p_axis:.0f}°; criterion upright in I and II"
    if _is_upright(e.p_axis):
        return Finding(label, True, words)
    if e.reversal is not None or _is_upright(e.p_axis, AXIS_MARGIN_IN_T if e.p_in_t else AXIS_MARGIN):
        return Finding(label, None, words)
    return Finding(label, False, words)


def _is_upright(p_axis: float, margin: float = 0.0) -> bool:
    return UPRIGHT_P[0] - margin <= p_axis <= UPRIGHT_P[1] + margin


def tachycardia(e: Evidence) -> Finding:
    """More than 100 beats a minute (AHA/ACC/HRS)."""
    return _rate("Tachycardia", e, ">", 100.0)


def bradycardia(e: Evidence) -> Finding:
    """Fewer than 60 beats a minute, the bound under which readers write bradycardia; the 2018 guideline treats < 50."""
    return _rate("Bradycardia", e, "<", 60.0)


def _rate(label: str, e: Evidence, sign: str, bound: float) -> Finding:
    if e.heart_rate is None:
        return Finding(label, None, "the heart rate could not be measured")
    present = e.heart_rate > bound if sign == ">" else e.heart_rate < bound
    return Finding(label, present, f"heart rate {e.heart_rate:.1f} bpm; criterion {sign} {bound:.0f} bpm")


def atrial_fibrillation(e: Evidence) -> Finding:  # noqa: PLR0911 (one return an outcome)
    """Irregular ventricles without a P wave that belongs to them (2023 ACC/AHA/ACCP/HRS guideline)."""
    label = "Atrial fibrillation"
    if e.irregularity is None:
        return Finding(label, None, "too few beats")
    if e.flutter:
        return Finding(label, False, _flutter_words(e))
    if _fibrillates(e):
        return Finding(label, True, _fibrillation_words(e))
    if e.pacing_open and e.pr is None:
        return Finding(label, None, "a regular rhythm without P waves, in which pacing is not excluded")
    clock = e.own_p_clock_s
    if clock is not None and (e.paced or e.pr is None):
        return Finding(label, False, f"the atria have a regular clock of their own ({60 / clock:.0f}/min)")
    if e.paced:
        return Finding(label, None, "the ventricles are paced, with too few or too regular beats of their own")
    if e.late_p:
        return Finding(label, None, "the beats after longer intervals share a P wave, as with premature atrial beats")
    if e.pr is not None:
        return Finding(label, False, f"a P wave is common to the beats ({e.pr_words})")
    words = f"no P wave is common to the beats; RR irregularity {e.irregularity:.2f}"
    if e.irregular_by_ectopy:
        words += ", hardly any without the ectopic beats"
    return Finding(label, False if e.irregularity < STEADY else None, f"{words}; criterion ≥ {IRREGULAR}")


def _fibrillates(e: Evidence) -> bool:
    if e.irregularity is None or e.irregularity_rms is None or e.pr is not None or e.own_p_clock_s is not None:
        return False
    if e.late_p or (e.irregular_by_ectopy and not e.paced):
        return False
    if e.paced:
        # a pacemaker fills the pauses at an even rate: the irregularity is in the few beats that come before it
        looked = e.atria.p_regularity is not None
        return looked and e.n_unpaced >= MIN_UNPACED and e.irregularity_rms >= IRREGULAR_RMS_PACED
    return e.irregularity >= (REGULAR if e.irregularity_rms >= IRREGULAR_RMS else IRREGULAR)


def _fibrillation_words(e: Evidence) -> str:
    if e.paced:
        return (
            f"no regular P waves, and {e.n_unpaced} unpaced beats come irregularly "
            f"(RR difference {e.irregularity_rms:.2f} of RR; criterion ≥ {IRREGULAR_RMS_PACED})"
        )
    return (
        f"no P wave is common to the beats, and RR varies without order "
        f"(difference {e.irregularity:.2f} of RR; criterion ≥ {IRREGULAR}, or ≥ {REGULAR} with rms ≥ {IRREGULAR_RMS})"
    )


def atrial_flutter(e: Evidence) -> Finding:
    """One oscillation of 200 to 390 a minute without pause (typical flutter: 240 to 340)."""
    label = "Atrial flutter"
    atria = e.atria
    if e.flutter:
        return Finding(label, True, _flutter_words(e))
    if atria.flutter_fit_with_t is None or (atria.flutter_fit is None and (e.heart_rate or 0.0) > 100 and e.pr is None):
        return Finding(label, None, "there is too little room between the beats to look for flutter waves")
    fit = atria.flutter_fit_with_t if atria.flutter_fit is None else atria.flutter_fit
    return Finding(
        label, False, f"the best atrial oscillation explains {100 * fit:.0f} % of the activity between beats"
    )


def _flutter_words(e: Evidence) -> str:
    fit = e.atria.flutter_fit_with_t if e.atria.flutter_fit is None else e.atria.flutter_fit
    return (
        f"one atrial oscillation of {e.atria.flutter_per_min:.0f}/min explains {100 * (fit or 0.0):.0f} % "
        "of the activity between the beats"
    )


def premature_ventricular(e: Evidence) -> Finding:
    """A beat of another shape that is early and wide (AHA/ACCF/HRS 2009)."""
    label = "Premature ventricular contraction"
    if e.irregularity is None:
        return Finding(label, None, "too few beats")
    beats = [beat for beat in e.extra if beat.size >= LARGE]  # smaller ones are noise or T waves
    early = [beat for beat in beats if beat.coupling is not None and beat.coupling < EARLY and _wide(beat)]
    if early:
        beat = min(early, key=lambda beat: beat.coupling or 1.0)
        return Finding(
            label, True,
            f"{len(early)} beat(s) of another shape, early (coupling {beat.coupling:.2f} of RR; criterion < {EARLY}) "
            f"and {beat.width:.1f} times as wide as the others (criterion ≥ {WIDE})",
        )  # fmt: skip
    if beats:
        return Finding(label, None, f"{len(beats)} beat(s) of another shape, but not both early and wide")
    return Finding(label, False, "no early beat of another shape")


def ventricular_tachycardia(e: Evidence) -> Finding:
    """Three or more wide beats in a row at over 100 a minute, and a sign that they are ventricular (Brugada 1991,
    Vereckei 2008): dissociated P waves, a QRS over 160 ms, an axis between -90° and ±180°, or precordial concordance.
    """  # fmt: skip
    label = "Ventricular tachycardia"
    run = _longest_run([beat.at for beat in e.extra if _wide(beat) and beat.size >= LARGE and _fast(beat, e)])
    if run >= RUN:
        return Finding(label, True, f"{run} wide beats of another shape in a row at over 100 bpm")
    if (absent := _no_wide_tachycardia(label, e)) is not None:
        return absent
    signs = _ventricular_signs(e) if (e.irregularity or 0.0) < IRREGULAR else []  # AF conducts aberrantly, too
    rate = f"QRS {e.qrs:.0f} ms at {e.heart_rate:.0f} bpm without P waves tied to the beats"
    if signs:
        return Finding(label, True, f"{rate}; {', '.join(signs)}")
    return Finding(label, None, f"{rate}: ventricular or supraventricular with aberrancy is not decided")


def aberrant_tachycardia(e: Evidence) -> Finding:
    """A wide tachycardia that is not ventricular: left open, as exclusion is not proof."""
    label = "Supraventricular tachycardia with aberrancy"
    if (absent := _no_wide_tachycardia(label, e)) is not None:
        return absent
    return Finding(
        label, None,
        f"QRS {e.qrs:.0f} ms at {e.heart_rate:.0f} bpm: ventricular or supraventricular with aberrancy is not decided",
    )  # fmt: skip


def _wide(beat: ExtraBeat) -> bool:
    return beat.width >= WIDE and beat.width_ms >= WIDE_MS


def _fast(beat: ExtraBeat, e: Evidence) -> bool:
    return bool(beat.coupling) and e.heart_rate is not None and e.heart_rate / (beat.coupling or 1.0) > 100


def _longest_run(places: list[int]) -> int:
    longest = length = 0
    previous = None
    for place in places:
        length = length + 1 if previous is not None and place == previous + 1 else 1
        longest, previous = max(longest, length), place
    return longest


def _no_wide_tachycardia(label: str, e: Evidence) -> Finding | None:
    if e.heart_rate is None or e.qrs is None:
        return Finding(label, None, "rate or QRS duration could not be measured")
    if e.heart_rate <= 100:
        return Finding(label, False, f"heart rate {e.heart_rate:.0f} bpm; criterion > 100 bpm")
    if e.qrs < WIDE_QRS_MS:
        return Finding(label, False, f"QRS {e.qrs:.0f} ms; criterion ≥ {WIDE_QRS_MS:.0f} ms")
    if e.paced or e.pacing_open:
        return Finding(label, None, "the ventricles are paced, or pacing is not excluded")
    if e.pr is not None and not e.flutter:
        words = f"a P wave is tied to the beats ({e.pr_words})"
        # Ventricular beats may be conducted to the atria, one for one: that P wave is not upright and follows its QRS.
        forward = not e.p_in_t and e.p_axis is not None and _is_upright(e.p_axis)
        if not forward:
            words += ", which is not upright or begins in T: it may be conducted backwards"
        return Finding(label, False if forward else None, words)
    return None


def _ventricular_signs(e: Evidence) -> list[str]:
    signs = []
    if e.own_p_clock_s is not None and e.heart_rate is not None and 60 / e.own_p_clock_s < 0.9 * e.heart_rate:
        signs.append(f"dissociated P waves at {60 / e.own_p_clock_s:.0f}/min")
    if e.qrs is not None and 160.0 < e.qrs < WIDEST * 60e3 / (e.heart_rate or 1.0):
        signs.append("QRS over 160 ms")
    if e.qrs_axis is not None and e.qrs_axis < -90 and e.reversal is None:
        signs.append(f"QRS axis {e.qrs_axis:.0f}°")
    nets = [e.shapes[f"V{n}"].net for n in range(1, 7) if f"V{n}" in e.shapes]
    if len(nets) == 6 and (min(nets) > 0.1 or max(nets) < -0.1):
        signs.append("all precordial leads point one way")
    return signs


def pacemaker(e: Evidence) -> Finding:
    """Pacing spikes before three or more beats. Spikes of bipolar leads may be too small to be recorded."""
    label = "Electronic pacemaker"
    if e.n_beats == 0:
        return Finding(label, None, "no beats were found")
    if e.paced:
        return Finding(label, True, f"{100 * e.paced_fraction:.0f} % of the beats follow a pacing spike")
    if e.fs_hz < MIN_FS_HZ or e.pacing_open:
        return Finding(label, None, f"spikes do not always show at {min(e.fs_hz, MIN_FS_HZ):g} Hz and less")
    return Finding(label, False, f"no pacing spikes before {PACED_BEATS} or more beats")
