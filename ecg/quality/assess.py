"""`assess_quality`: from figures to grades and causes."""

import numpy as np

from ecg.leads import INDEPENDENT_LEADS, PRECORDIAL_LEADS
from ecg.measurement.condition import without_padding
from ecg.measurement.intervals import Measurements, measure
from ecg.measurement.median import MedianBeat
from ecg.quality.figures import Figures, measure_figures
from ecg.quality.limits import GRADES_FROM, GRADING, GradeLimits
from ecg.quality.result import GRADES, Cause, CauseCode, Grade, LeadQuality, Quality, worst
from ecg.quality.reversal import (
    Suspicion,
    exchanged,
    has_clear_p,
    limb_models,
    limb_reversal,
    precordial_reversal,
    turned_over,
    wave_vectors,
)
from ecg.record import EcgRecord
from ecg.threads import one_thread
from ecg.values import PLAUSIBLE_MV

#: What is no shape of the heart's own: in one lead alone it makes a recording Fair.
DISTURBANCES = frozenset({"muscle_noise", "mains", "motion", "outlying", "saturated", "missing_samples", "flat"})


def assess_quality(record: EcgRecord, measurements: Measurements | None = None) -> Quality:
    """Grades and causes for a recording of any number of leads.

    Parameters
    ----------
    record
        Every criterion is relative to the recording's own QRS, so a record without a unit is graded alike; one in mV
        is faulted when its QRS has no height that an ECG has.
    measurements
        What `measure` gave for this record, if it is known: its beats are held against an independent detector, its
        median beat is asked for reversals.

    Returns
    -------
    Quality
        The recording's grade is the worst of what holds for the whole and the grade of its leads: Poor as soon as one
        lead is lost, Fair as soon as one is disturbed, otherwise one step better than its worst lead when fewer than a
        quarter of the leads share it.

    Notes
    -----
    Method, figures and validation: docs/quality.md.
    """
    if record.duration_s < GRADING.shortest_s:
        cause = Cause("too_short", None, record.duration_s, "s", "Poor")
        return Quality("Poor", False, (cause,), tuple(LeadQuality(name, "Poor", ()) for name in record.leads))
    measured = measure(record) if measurements is None else measurements
    record = without_padding(record)
    with one_thread():
        figures = measure_figures(record, measured.beats.r_samples)
        return grade(record.leads, figures, GRADES_FROM, record.unit, measured)


def grade(
    leads: tuple[str, ...],
    figures: Figures,
    limits: GradeLimits,
    unit: str | None = None,
    measured: Measurements | None = None,
) -> Quality:
    """The grades that `limits` give to `figures`; with the unit mV their height must be that of an ECG, too.

    Without measurements limb-lead reversals are not looked for.
    """
    per_lead = _grade_leads(leads, figures, limits)
    suspicion = _suspicion(leads, figures, per_lead, measured)
    if figures.swapped is not None:
        suspicion = Suspicion(figures.swapped, certain=True)
    whole = _found(
        limits.disagreement.judge(None, 1 - figures.beats.agreement),
        None if figures.residual is None else limits.residual.judge(None, figures.residual),
        None if figures.residual_at_r is None else limits.residual_at_r.judge(None, figures.residual_at_r),
        _too_few(figures.beats.n_beats),
        limits.frozen.judge(None, figures.frozen),
        limits.copies.judge(None, figures.copies),
        None if measured is None else limits.step.judge(None, _step(measured.median_beat)),
        _amplitude_cause(figures.height) if unit == "mV" else None,
        limits.mean_shift.judge(None, float(np.minimum(figures.shift, 1.0).mean())),
        None if suspicion is None else _suspicion_cause(suspicion),
    )
    overall = worst([_of_leads(per_lead), *(cause.grade for cause in whole)])
    causes = _sorted((*whole, *(cause for lead in per_lead for cause in lead.causes)))
    named = suspicion.what if suspicion is not None and suspicion.certain else None
    possible = suspicion.what if suspicion is not None and not suspicion.certain else None
    return Quality(overall, overall != "Poor", causes, per_lead, named, possible)


def _suspicion(
    leads: tuple[str, ...], figures: Figures, per_lead: tuple[LeadQuality, ...], measured: Measurements | None
) -> Suspicion | None:
    """Electrodes that seem exchanged, or leads turned over; None also where a lead that it takes is absent or lost."""
    lost = {lead.lead for lead in per_lead if lead.grade == "Poor"}
    if any(lead not in leads or lead in lost for lead in INDEPENDENT_LEADS):
        return None
    beats, pair = figures.beats.median_beats, None
    if beats is not None:
        pair = precordial_reversal(beats[[leads.index(lead) for lead in PRECORDIAL_LEADS]], figures.beats.fs_hz)
    precordial = None if pair is None else Suspicion(pair, certain=True)
    if measured is None or measured.median_beat is None or (waves := wave_vectors(measured.median_beat)) is None:
        return precordial
    rate, models = measured.heart_rate.value, limb_models()
    limb = limb_reversal(waves, rate, models)
    if limb is not None and pair is not None:
        # exchanged precordial leads contradict the limb leads, too: they must do so when put in order
        limb = limb_reversal(exchanged(waves, pair), rate, models)
    turned = turned_over(waves, clear_p=has_clear_p(waves, rate))
    found = [one for one in (limb, turned, precordial) if one is not None]
    if float(np.median(figures.noise)) > GRADING.noisy:  # the P wave, and what needs it, are not to be trusted
        found = [one for one in found if one.certain and one.what != "LA/LL"]
    return min(found, key=lambda one: not one.certain, default=None)


def _too_few(n_beats: int) -> Cause | None:
    return None if n_beats >= GRADING.fewest_beats else Cause("too_few_beats", None, float(n_beats), "beats", "Poor")


def _step(beat: MedianBeat | None) -> float:
    """How far the QRS complex ends from where it began, over its height, in the median lead; 1 when it has no edges.

    Heartbeats return (0.14 at most in the reference recordings), square waves and calibration pulses do not.
    """
    if beat is None:
        return 0.0
    if beat.qrs is None:
        return 1.0
    qrs = beat.signal[beat.usable, round(beat.qrs.onset) : round(beat.qrs.offset) + 1]
    return float(np.median(np.abs(qrs[:, -1] - qrs[:, 0]) / np.maximum(np.ptp(qrs, axis=1), 1e-12)))


def _amplitude_cause(height_mv: float) -> Cause | None:
    """The cause that samples in mV are far from any ECG's size; None too when nothing moves: that is flat."""
    low, high = PLAUSIBLE_MV
    if height_mv == 0.0 or low <= height_mv <= high:
        return None
    return Cause("implausible_amplitude", None, round(height_mv, 4), "mV", "Fair")


def _suspicion_cause(suspicion: Suspicion) -> Cause:
    if suspicion.what == "all leads":
        grade: Grade = "Poor" if suspicion.certain else "Fair"
        return Cause("inverted", None, 1.0, "suspected" if suspicion.certain else "possible", grade)
    code: CauseCode = "precordial_order" if suspicion.what.startswith("V") else "limb_lead_reversal"
    unit, grade = ("suspected", "Fair") if suspicion.certain else ("possible", "Good")
    return Cause(code, suspicion.what, 1.0, unit, grade)


def _of_leads(per_lead: tuple[LeadQuality, ...]) -> Grade:
    """The worst lead's grade; one step better where few share it and no disturbance makes it Fair."""
    grades = [lead.grade for lead in per_lead]
    lowest = worst(grades)
    if lowest in ("Poor", "Excellent") or 4 * grades.count(lowest) >= len(grades):
        return lowest
    causes = [cause for lead in per_lead for cause in lead.causes if cause.grade == "Fair"]
    if any(cause.code in DISTURBANCES for cause in causes):
        return "Fair"
    return GRADES[GRADES.index(lowest) - 1]


def _grade_leads(leads: tuple[str, ...], figures: Figures, limits: GradeLimits) -> tuple[LeadQuality, ...]:
    # a flat lead has no QRS either: one cause is enough
    unreadable = np.where(figures.flat < 0.5, 1 - figures.beats.readable, 0.0)
    judged = (
        (limits.missing, figures.missing),
        (limits.flat, figures.flat),
        (limits.saturated_s, figures.saturated_s),
        (limits.clipped, figures.clipped),
        (limits.outlying, figures.outlying),
        (limits.wander, figures.wander),
        (limits.shift, figures.shift),
        (limits.mains, figures.mains),
        (limits.noise, figures.noise),
        (limits.spikes, figures.spikes),
        (limits.unreadable, unreadable),
    )
    found: dict[str, list[Cause]] = {lead: [] for lead in leads}
    for criterion, values in judged:
        for lead, figure in zip(leads, values.tolist(), strict=True):
            if (cause := criterion.judge(lead, figure)) is not None:
                found[lead].append(cause)
    return tuple(
        LeadQuality(lead, worst([cause.grade for cause in causes]), _sorted(tuple(causes)))
        for lead, causes in found.items()
    )


def _found(*causes: Cause | None) -> tuple[Cause, ...]:
    return tuple(cause for cause in causes if cause is not None)


def _sorted(causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
    return tuple(sorted(causes, key=lambda cause: -GRADES.index(cause.grade)))
