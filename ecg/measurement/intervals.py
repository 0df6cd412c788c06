"""`measure`: what a cardiologist reads off the paper, each value with its spread or the reason for its absence."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ecg.dsp import FS_HZ, spread
from ecg.filters import Float
from ecg.measurement.amplitudes import NO_QRS, NO_T, LeadAmplitudes, lead_amplitudes
from ecg.measurement.beats import Beats, find_beats
from ecg.measurement.condition import condition, without_padding
from ecg.measurement.limits import CLASSES, QRS_SHAPE, SPIKES, T_WAVE, VARIATION
from ecg.measurement.median import MedianBeat, measured_stack, median_beat
from ecg.measurement.pacing import remove_spikes, small_spikes, spikes_show
from ecg.measurement.qrs_shape import may_be_paced
from ecg.measurement.variation import angle_spread, shifts, whole_beats
from ecg.record import EcgRecord
from ecg.threads import one_thread
from ecg.values import Value, missing

NO_BEATS = "fewer than three beats were found"
NO_RR = "too few beats follow each other without a gap of missing samples"
NO_AXIS = "two usable limb leads are needed for an axis"
P_IN_T = "the P wave begins before the T wave has ended: its onset does not show"
T_MAY_HOLD_P = "at this rate a P wave may lie in the T wave: its end does not show"
NO_PACING_KNOWN = "pacing spikes do not show at this bandwidth, and the QRS complex could be a paced one"


@dataclass(frozen=True)
class Rhythm:
    """Evidence about the rhythm.

    Attributes
    ----------
    rr_irregularity
        Median magnitude of successive RR differences over the median RR; about 0.03 in sinus rhythm, 0.2 in atrial
        fibrillation.
    p_wave_fraction
        Share of the measured beats with a P wave like the others', 0 to 1.
    paced_fraction
        Share of the beats that follow a pacing spike, 0 to 1; None with a reason where the QRS complex could be a
        paced one and the bandwidth is too low for spikes.
    """

    rr_irregularity: Value
    p_wave_fraction: Value
    paced_fraction: Value


@dataclass(frozen=True, eq=False)
class Measurements:
    """Everything measured on one recording; names and units as on the wire."""

    heart_rate: Value
    rr_mean: Value
    rr_sd: Value
    rmssd: Value
    pr_interval: Value
    p_duration: Value
    qrs_duration: Value
    qt_interval: Value
    qtc_bazett: Value
    qtc_fridericia: Value
    qtc_framingham: Value
    qtc_hodges: Value
    p_axis: Value
    qrs_axis: Value
    t_axis: Value
    lead_amplitudes: dict[str, LeadAmplitudes]
    rhythm: Rhythm
    beats: Beats
    median_beat: MedianBeat | None


def measure(record: EcgRecord) -> Measurements:
    """Rate, intervals, axes and amplitudes of a recording, as `Measurements`; never raises for a valid record.

    Of I, II and V1 to V6 all twelve leads are measured (`EcgRecord.completed`), so that it does not matter whether the
    other four were recorded or are derived. What is missing in every lead at the start and the end is not measured, and
    neither is what stands still there: padding.
    """
    record = without_padding(record.completed())
    present = np.flatnonzero(~np.isnan(record.signal).all(axis=0))
    with one_thread():
        if len(present) == 0 or present[-1] - present[0] + 1 == record.n_samples:
            return _measured(record)
        first = int(present[0])
        found = _measured(replace(record, signal=record.signal[:, first : present[-1] + 1]))
    return replace(found, beats=replace(found.beats, r_samples=found.beats.r_samples + first))


def _measured(record: EcgRecord) -> Measurements:
    """`measure` of a recording with all its leads."""
    conditioned = condition(record)
    found = find_beats(conditioned)
    if len(conditioned.spikes) < SPIKES.min_spikes:
        spikes = small_spikes(conditioned.usable_signal, found.r_samples, record.fs_hz)
        if len(spikes) >= SPIKES.min_spikes:
            remove_spikes(conditioned.signal, spikes, 1)
            conditioned = replace(conditioned, spikes=spikes)
            found = find_beats(conditioned)
    stack = measured_stack(conditioned, found)
    median = median_beat(conditioned, record.leads, found, stack)
    beats = np.zeros((0, 0, 0)) if stack is None else whole_beats(stack)
    rr = found.rr * 1000.0 / FS_HZ
    steps = np.diff(rr)
    rr, steps = rr[~np.isnan(rr)], steps[~np.isnan(steps)]
    intervals = _intervals(median, beats)
    if intervals["qt_interval"].value is not None and _t_may_hold_p(found, median):
        intervals["qt_interval"] = missing("ms", T_MAY_HOLD_P)
    no_rr = NO_RR if found.after_gap.any() else NO_BEATS
    rr_mean = Value(float(rr.mean()), "ms", float(rr.std())) if len(rr) >= 2 else missing("ms", no_rr)
    rate = _rate(rr_mean, rr, steps)
    paced = found.is_class("paced").sum() >= SPIKES.min_spikes
    suspect = median is not None and not paced and may_be_paced(median, rate["heart_rate"].value)
    low_pass_hz = None if record.origin is None else record.origin.low_pass_hz
    pacing_open = suspect and not spikes_show(record.signal, record.fs_hz, low_pass_hz)
    last = record.n_samples - 1
    r_samples = np.minimum(np.rint(found.r_samples * conditioned.ratio).astype(np.int64), last)
    return Measurements(
        **rate,
        **intervals,
        **_corrected(intervals["qt_interval"], rr_mean),
        **_axes(median, beats),
        lead_amplitudes=lead_amplitudes(median, beats, record.unit),
        rhythm=_rhythm(found, median, pacing_open),
        beats=replace(found, r_samples=r_samples),
        median_beat=median,
    )


def _rhythm(beats: Beats, median: MedianBeat | None, pacing_open: bool) -> Rhythm:
    if median is None:
        return Rhythm(missing("", NO_BEATS), missing("", NO_BEATS), missing("", NO_BEATS))
    paced = missing("", NO_PACING_KNOWN) if pacing_open else Value(float(beats.is_class("paced").mean()), "")
    return Rhythm(Value(beats.irregularity, ""), Value(median.p_fraction, ""), paced)


def _rate(rr_mean: Value, rr: Float, steps: Float) -> dict[str, Value]:
    if rr_mean.value is None:
        reason = rr_mean.reason or NO_BEATS
        absent = {name: missing("ms", reason) for name in ("rr_mean", "rr_sd", "rmssd")}
        return {"heart_rate": missing("bpm", reason)} | absent
    return {
        "heart_rate": Value(60000.0 / rr_mean.value, "bpm", float((60000.0 / rr).std())),
        "rr_mean": rr_mean,
        "rr_sd": Value(float(rr.std(ddof=1)), "ms"),
        "rmssd": Value(float(np.sqrt((steps**2).mean())), "ms") if len(steps) else missing("ms", NO_RR),
    }


def _t_may_hold_p(beats: Beats, median: MedianBeat | None) -> bool:
    """Whether a narrow, regular rhythm is so fast that the P wave which is not found may be in the T wave."""
    if median is None or median.qrs is None or median.p is not None:
        return False
    narrow = (median.qrs.offset - median.qrs.onset) * 1000.0 / FS_HZ < QRS_SHAPE.wide_ms
    fast = beats.typical_rr < T_WAVE.apart_from_p_s * FS_HZ
    return narrow and fast and beats.irregularity < CLASSES.steady


class _Mark(NamedTuple):
    """A fiducial point: where it is, its spread over the leads, and how much later each beat has it; all in samples."""

    at: float
    lead_sd: float | None
    shifts: Float | None


def _intervals(median: MedianBeat | None, beats: Float) -> dict[str, Value]:
    """PR, P duration, QRS and QT in ms with their spreads; `beats` [beat, lead, sample] made the median beat."""
    if median is None or median.qrs is None:
        reason = NO_BEATS if median is None else NO_QRS
        return {name: missing("ms", reason) for name in ("pr_interval", "p_duration", "qrs_duration", "qt_interval")}

    def mark(at: float, lead_sd: float | None, begin: float, end: float) -> _Mark:
        """A point whose shifts are those of the flank from `begin` to `end`."""
        return _Mark(at, lead_sd, shifts(beats, median.signal, begin, end) if len(beats) else None)

    qrs, p, t = median.qrs, None if median.p_in_t else median.p, median.t
    no_p = P_IN_T if median.p_in_t else median.no_p or ""
    p_onset = None if p is None else mark(p.onset, p.onset_sd, p.onset, p.peak)
    p_offset = None if p is None else mark(p.offset, None, p.peak, p.offset)
    qrs_onset = mark(qrs.onset, qrs.onset_sd, qrs.onset, median.r)
    qrs_offset = mark(qrs.offset, qrs.offset_sd, median.r, qrs.offset)
    t_end = None if t is None else mark(t.end, t.end_sd, t.peak, t.end)
    return {
        "pr_interval": _span(p_onset, qrs_onset, no_p),
        "p_duration": _span(p_onset, p_offset, no_p),
        "qrs_duration": _span(qrs_onset, qrs_offset, NO_QRS),
        "qt_interval": _span(qrs_onset, t_end, NO_T),
    }


def _span(start: _Mark | None, end: _Mark | None, reason: str) -> Value:
    """The time between two points in ms; its spreads over leads and over beats are taken as independent."""
    if start is None or end is None:
        return missing("ms", reason)
    spreads = []
    if start.lead_sd is not None and end.lead_sd is not None:
        spreads.append(math.hypot(start.lead_sd, end.lead_sd))
    if start.shifts is not None and end.shifts is not None:
        spreads.append(float(spread(end.shifts - start.shifts)))
    ms = 1000.0 / FS_HZ
    return Value((end.at - start.at) * ms, "ms", math.hypot(*spreads) * ms if spreads else None)


def _corrected(qt: Value, rr_mean: Value) -> dict[str, Value]:
    """QT corrected for rate by Bazett, Fridericia, Framingham (Sagie 1992) and Hodges, all in ms."""
    names = ("qtc_bazett", "qtc_fridericia", "qtc_framingham", "qtc_hodges")
    if qt.value is None or rr_mean.value is None:
        return {name: missing("ms", qt.reason or rr_mean.reason or NO_BEATS) for name in names}
    rr_s = rr_mean.value / 1000.0
    corrections = (
        (rr_s**-0.5, 0.0),
        (rr_s ** (-1 / 3), 0.0),
        (1.0, 154.0 * (1.0 - rr_s)),
        (1.0, 1.75 * (60.0 / rr_s - 60.0)),
    )
    return {
        name: Value(qt.value * factor + more, "ms", None if qt.spread is None else qt.spread * factor)
        for name, (factor, more) in zip(names, corrections, strict=True)
    }


def _axes(median: MedianBeat | None, beats: Float) -> dict[str, Value]:
    names = ("p_axis", "qrs_axis", "t_axis")
    if median is None:
        return {name: missing("deg", NO_BEATS) for name in names}
    qrs, p, t = median.qrs, median.p, median.t
    spans = (
        (None if p is None else (p.onset, p.offset), median.no_p or ""),
        (None if qrs is None else (qrs.onset, qrs.offset), NO_QRS),
        (None if qrs is None or t is None else (qrs.offset, t.end), NO_T),
    )
    return {name: _axis(median, beats, *span) for name, span in zip(names, spans, strict=True)}


def _axis(median: MedianBeat, beats: Float, ends: tuple[float, float] | None, reason: str) -> Value:
    """Frontal axis from the net areas in I and aVF, each above the chord from the wave's onset to its offset."""
    if ends is None:
        return missing("deg", reason)
    span = slice(round(ends[0]), round(ends[1]) + 1)
    limbs = _frontal_leads(median, median.signal[:, span])
    if limbs is None or all(_net_area(limb) == 0.0 for limb in limbs):
        return missing("deg", NO_AXIS)
    axis = float(_angle(*limbs))
    limbs = _frontal_leads(median, beats[:, :, span]) if len(beats) else None
    return Value(axis, "deg", None if limbs is None else angle_spread(_angle(*limbs), axis))


def _angle(lead_i: Float, avf: Float) -> Float:
    """In degrees; aVF is scaled by 2/√3: Goldberger's leads are shorter than Einthoven's."""
    angle: Float = np.degrees(np.arctan2(_net_area(avf) * 2 / 3**0.5, _net_area(lead_i)))
    return angle


def _net_area(wave: Float) -> Float:
    """Sum over the last axis above the chord from the first sample to the last."""
    area: Float = wave.sum(axis=-1) - wave.shape[-1] * (wave[..., 0] + wave[..., -1]) / 2
    return area


def _frontal_leads(median: MedianBeat, signal: Float) -> tuple[Float, Float] | None:
    """Leads I and aVF of a signal [..., lead, sample]; one that is unusable is made of two others.

    None without two usable limb leads, and where the lead that is made would be flat: then the others were made from
    the dead one, and show its zero and not the heart.
    """
    wave = {lead: signal[..., row, :] for row, lead in enumerate(median.leads) if median.usable[row]}
    pair: tuple[Float, Float]
    if {"I", "aVF"} <= wave.keys():
        return wave["I"], wave["aVF"]
    if {"I", "II"} <= wave.keys():
        pair, made = (wave["I"], wave["II"] - 0.5 * wave["I"]), 1
    elif {"II", "III"} <= wave.keys():
        pair, made = (wave["II"] - wave["III"], (wave["II"] + wave["III"]) / 2), 0
    elif {"II", "aVF"} <= wave.keys():
        pair, made = (2 * (wave["II"] - wave["aVF"]), wave["aVF"]), 0
    else:
        return None
    return None if np.ptp(pair[made]) < VARIATION.flat_lead * np.ptp(pair[1 - made]) else pair
