"""`measure`: what a cardiologist reads off the paper, each value with its spread or the reason for its absence."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ecg.beats import Beats, find_beats
from ecg.delineation.condition import condition
from ecg.delineation.crossing import FS_HZ, Float
from ecg.delineation.median import MedianBeat, irregularity, median_beat
from ecg.delineation.pacing import spikes_show
from ecg.qrs_shape import may_be_paced
from ecg.record import EcgRecord
from ecg.values import PLAUSIBLE_MV, Value, missing

NO_BEATS = "fewer than three beats were found"
NO_RR = "too few beats follow each other without a gap of missing samples"
NO_QRS = "the QRS complex has no clear edges"
NO_T = "the end of the T wave was not found"
NO_AXIS = "two usable limb leads are needed for an axis"
NO_PACING_KNOWN = "pacing spikes do not show at this bandwidth, and the QRS complex could be a paced one"
NO_LEAD = "the lead is flat or mostly missing"
NO_UNIT = "the unit of the samples is not known"
#: A limb lead made from two others is flat below this share of their height.
FLAT_LEAD = 0.02


@dataclass(frozen=True)
class LeadAmplitudes:
    """Amplitudes of one lead in mV against the isoelectric level before the QRS complex; signed."""

    p: Value
    q: Value
    r: Value
    s: Value
    t: Value
    st_j: Value
    st_60: Value
    st_80: Value


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
    """Rate, intervals, axes and amplitudes of a recording, as `Measurements`; never raises for a valid record."""
    conditioned = condition(record)
    found = find_beats(conditioned)
    median = median_beat(conditioned, record.leads, found)
    rr = found.rr * 1000.0 / FS_HZ
    steps = np.diff(rr)
    rr, steps = rr[~np.isnan(rr)], steps[~np.isnan(steps)]
    intervals = _intervals(median)
    no_rr = NO_RR if found.after_gap.any() else NO_BEATS
    rr_mean = Value(float(rr.mean()), "ms", float(rr.std())) if len(rr) >= 2 else missing("ms", no_rr)
    rate = _rate(rr_mean, rr, steps)
    paced = found.is_class("paced").any()
    suspect = median is not None and not paced and may_be_paced(median, rate["heart_rate"].value)
    pacing_open = suspect and not spikes_show(record.signal, record.fs_hz)
    if pacing_open and intervals["pr_interval"].value is not None:
        intervals["pr_interval"] = missing("ms", NO_PACING_KNOWN)
    last = record.n_samples - 1
    r_samples = np.minimum(np.rint(found.r_samples * conditioned.ratio).astype(np.int64), last)
    return Measurements(
        **rate,
        **intervals,
        **_corrected(intervals["qt_interval"], rr_mean),
        **_axes(median),
        lead_amplitudes=_amplitudes(median, record.unit),
        rhythm=_rhythm(found, median, pacing_open),
        beats=replace(found, r_samples=r_samples),
        median_beat=median,
    )


def _rhythm(beats: Beats, median: MedianBeat | None, pacing_open: bool) -> Rhythm:
    if median is None:
        return Rhythm(missing("", NO_BEATS), missing("", NO_BEATS), missing("", NO_BEATS))
    paced = missing("", NO_PACING_KNOWN) if pacing_open else Value(float(beats.is_class("paced").mean()), "")
    return Rhythm(Value(irregularity(beats), ""), Value(median.p_fraction, ""), paced)


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


def _intervals(median: MedianBeat | None) -> dict[str, Value]:
    names = ("pr_interval", "p_duration", "qrs_duration", "qt_interval")
    if median is None:
        return {name: missing("ms", NO_BEATS) for name in names}
    if median.qrs_onset is None or median.qrs_offset is None:
        return {name: missing("ms", NO_QRS) for name in names}
    no_p = median.no_p or ""
    return {
        "pr_interval": _span(median.p_onset, median.qrs_onset, (median.p_onset_sd, median.qrs_onset_sd), no_p),
        "p_duration": _span(median.p_onset, median.p_offset, None, no_p),
        "qrs_duration": _span(median.qrs_onset, median.qrs_offset, (median.qrs_onset_sd, median.qrs_offset_sd), NO_QRS),
        "qt_interval": _span(median.qrs_onset, median.t_end, (median.qrs_onset_sd, median.t_end_sd), NO_T),
    }


def _span(
    start: float | None, end: float | None, spreads: tuple[float | None, float | None] | None, reason: str
) -> Value:
    """A stretch of the median beat in ms; its spread is that of both ends over the leads, taken as independent."""
    if start is None or end is None:
        return missing("ms", reason)
    known = None if spreads is None else [sd for sd in spreads if sd is not None]
    spread = math.hypot(*known) * 1000.0 / FS_HZ if known is not None and len(known) == 2 else None
    return Value((end - start) * 1000.0 / FS_HZ, "ms", spread)


def _corrected(qt: Value, rr_mean: Value) -> dict[str, Value]:
    """QT corrected for rate by Bazett, Fridericia, Framingham (Sagie 1992) and Hodges, all in ms."""
    names = ("qtc_bazett", "qtc_fridericia", "qtc_framingham", "qtc_hodges")
    if qt.value is None or rr_mean.value is None:
        return {name: missing("ms", qt.reason or rr_mean.reason or NO_BEATS) for name in names}
    rr_s = rr_mean.value / 1000.0
    corrected = (
        qt.value / rr_s**0.5,
        qt.value / rr_s ** (1 / 3),
        qt.value + 154.0 * (1.0 - rr_s),
        qt.value + 1.75 * (60.0 / rr_s - 60.0),
    )
    return {name: Value(value, "ms") for name, value in zip(names, corrected, strict=True)}


def _axes(median: MedianBeat | None) -> dict[str, Value]:
    names = ("p_axis", "qrs_axis", "t_axis")
    if median is None:
        return {name: missing("deg", NO_BEATS) for name in names}
    spans = (
        (median.p_onset, median.p_offset, median.no_p or ""),
        (median.qrs_onset, median.qrs_offset, NO_QRS),
        (median.qrs_offset, median.t_end, NO_T),
    )
    return {name: _axis(median, *span) for name, span in zip(names, spans, strict=True)}


def _axis(median: MedianBeat, start: float | None, end: float | None, reason: str) -> Value:
    """Frontal axis from the net areas in I and aVF, each above the chord from the wave's onset to its offset.

    aVF is scaled by 2/√3: Goldberger's leads are shorter than Einthoven's.
    """
    if start is None or end is None:
        return missing("deg", reason)
    limbs = _frontal_leads(median, slice(round(start), round(end) + 1))
    if limbs is None:
        return missing("deg", NO_AXIS)
    net_i, net_avf = (float(wave.sum() - len(wave) * (wave[0] + wave[-1]) / 2) for wave in limbs)
    if net_i == net_avf == 0.0:
        return missing("deg", NO_AXIS)
    return Value(float(np.degrees(np.arctan2(net_avf * 2 / 3**0.5, net_i))), "deg")


def _frontal_leads(median: MedianBeat, span: slice) -> tuple[Float, Float] | None:
    """Leads I and aVF over a span of the median beat, each [sample]; one that is unusable is made of two others.

    None without two usable limb leads, and where the lead that is made would be flat: then the others were made from
    the dead one, and show its zero and not the heart.
    """
    wave = {lead: median.signal[row, span] for row, lead in enumerate(median.leads) if median.usable[row]}
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
    return None if np.ptp(pair[made]) < FLAT_LEAD * np.ptp(pair[1 - made]) else pair


def _amplitudes(median: MedianBeat | None, unit: str | None) -> dict[str, LeadAmplitudes]:
    if median is None:
        return {}
    columns = _amplitude_columns(median, unit)
    return {
        lead: LeadAmplitudes(
            *(missing("mV", column) if isinstance(column, str) else Value(column[row], "mV") for column in columns)
        )
        if median.usable[row]
        else LeadAmplitudes(*[missing("mV", NO_LEAD)] * len(columns))
        for row, lead in enumerate(median.leads)
    }


def _amplitude_columns(median: MedianBeat, unit: str | None) -> list[list[float] | str]:
    """The amplitudes of all leads in the order of `LeadAmplitudes`, or why there are none."""
    no_mv = no_millivolts(median, unit)
    if no_mv is not None or median.qrs_onset is None or median.qrs_offset is None:
        return [no_mv or NO_QRS] * 8
    onset, offset = round(median.qrs_onset), round(median.qrs_offset)
    wave = median.signal - median.signal[:, max(0, onset - 10) : onset + 1].mean(axis=1, keepdims=True)
    qrs = wave[:, onset : offset + 1]
    top = qrs.argmax(axis=1)[:, None]
    at = np.arange(qrs.shape[1])
    last = wave.shape[1] - 1
    return [
        _extremes(wave, median.p_onset, median.p_offset, median.no_p or ""),
        np.where(at <= top, qrs, 0.0).min(axis=1, initial=0.0).tolist(),
        qrs.max(axis=1, initial=0.0).tolist(),
        np.where(at >= top, qrs, 0.0).min(axis=1, initial=0.0).tolist(),
        _extremes(wave, median.qrs_offset, median.t_end, NO_T),
        *(wave[:, min(offset + ms // 2, last)].tolist() for ms in (0, 60, 80)),
    ]


def no_millivolts(median: MedianBeat | None, unit: str | None) -> str | None:
    """Why the samples cannot be taken as mV: their unit is unknown, or the QRS is not of a size that an ECG has.

    None when they can.
    """
    if unit is None:
        return NO_UNIT
    if median is None or median.qrs_onset is None or median.qrs_offset is None:
        return None
    qrs = median.signal[median.usable, round(median.qrs_onset) : round(median.qrs_offset) + 1]
    height = float(np.median(np.ptp(qrs, axis=1)))
    low, high = PLAUSIBLE_MV
    return None if low <= height <= high else f"a QRS complex of {height:.3g} mV is not plausible: check the unit"


def _extremes(wave: Float, start: float | None, end: float | None, reason: str) -> list[float] | str:
    """The value farthest from zero in each lead within a span, or the reason why there is no span."""
    if start is None or end is None:
        return reason
    piece = wave[:, round(start) : round(end) + 1]
    farthest: list[float] = piece[np.arange(len(piece)), np.abs(piece).argmax(axis=1)].tolist()
    return farthest
