"""`measure`: what a cardiologist reads off the paper, each value with its spread or the reason for its absence."""

from dataclasses import dataclass

import numpy as np

from ecg.beats import Beats, align_and_classify, find_r
from ecg.delineation.condition import FS_HZ, Conditioned, Float, condition
from ecg.delineation.edges import Edges, find_edges
from ecg.delineation.median import BEFORE, MedianBeat, median_signal, milliseconds, stack_beats
from ecg.record import EcgRecord
from ecg.values import Value, missing

NO_BEATS = "fewer than three beats were found"
NO_QRS = "the QRS complex has no clear edges"
NO_P = "no P wave was found"
NO_T = "the end of the T wave was not found"
NO_AXIS = "leads I and aVF (or I and II) are needed for an axis"
NO_UNIT = "the unit of the samples is not known"


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
        Root mean square of successive differences of dominant RR intervals over their mean; pure number.
    p_wave_fraction
        Share of dominant beats with a P wave like the median beat's, 0 to 1.
    """

    rr_irregularity: Value
    p_wave_fraction: Value


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
    r, classes = align_and_classify(conditioned, find_r(conditioned))
    beats = Beats(np.rint(r * conditioned.ratio).astype(np.int64), classes, None)
    rr = np.diff(r) * 1000.0 / FS_HZ
    median = _median_beat(conditioned, record.leads, r, beats)
    intervals = _intervals(median)
    rr_mean = Value(float(rr.mean()), "ms", float(rr.std())) if len(rr) >= 2 else missing("ms", NO_BEATS)
    return Measurements(
        **_rate(rr_mean, rr),
        **intervals,
        **_corrected(intervals["qt_interval"], rr_mean),
        **_axes(median),
        lead_amplitudes=_amplitudes(median, record.unit),
        rhythm=Rhythm(missing("", NO_BEATS), missing("", NO_BEATS)),
        beats=beats,
        median_beat=median,
    )


def _median_beat(conditioned: Conditioned, leads: tuple[str, ...], r: np.ndarray, beats: Beats) -> MedianBeat | None:
    dominant = r[beats.of("dominant")]
    if len(r) < 3 or len(dominant) == 0:
        return None
    signal = median_signal(stack_beats(conditioned, dominant))
    rr = float(np.median(np.diff(r)))
    signal -= np.median(signal[:, BEFORE - 60 : BEFORE - 30], axis=1, keepdims=True)
    edges = find_edges(signal[conditioned.usable], BEFORE, rr)
    return MedianBeat(signal, leads, FS_HZ, BEFORE, len(dominant), *_points(edges))


def _points(edges: Edges) -> tuple[float | None, ...]:
    return (
        edges.p_onset, edges.p_peak, edges.p_offset, edges.qrs_onset, edges.qrs_offset, edges.t_peak, edges.t_end,
    )  # fmt: skip


def _rate(rr_mean: Value, rr: Float) -> dict[str, Value]:
    if rr_mean.value is None:
        absent = {name: missing("ms", NO_BEATS) for name in ("rr_mean", "rr_sd", "rmssd")}
        return {"heart_rate": missing("bpm", NO_BEATS)} | absent
    return {
        "heart_rate": Value(60000.0 / rr_mean.value, "bpm", float((60000.0 / rr).std())),
        "rr_mean": rr_mean,
        "rr_sd": Value(float(rr.std(ddof=1)), "ms"),
        "rmssd": Value(float(np.sqrt((np.diff(rr) ** 2).mean())), "ms"),
    }


def _intervals(median: MedianBeat | None) -> dict[str, Value]:
    names = ("pr_interval", "p_duration", "qrs_duration", "qt_interval")
    if median is None:
        return {name: missing("ms", NO_BEATS) for name in names}
    if median.qrs_onset is None or median.qrs_offset is None:
        return {name: missing("ms", NO_QRS) for name in names}
    return {
        "pr_interval": _span(median.p_onset, median.qrs_onset, NO_P),
        "p_duration": _span(median.p_onset, median.p_offset, NO_P),
        "qrs_duration": _span(median.qrs_onset, median.qrs_offset, NO_QRS),
        "qt_interval": _span(median.qrs_onset, median.t_end, NO_T),
    }


def _span(start: float | None, end: float | None, reason: str) -> Value:
    return missing("ms", reason) if start is None or end is None else Value(milliseconds(end - start), "ms")


def _corrected(qt: Value, rr_mean: Value) -> dict[str, Value]:
    """QT corrected for rate by Bazett, Fridericia, Framingham (Sagie 1992) and Hodges, all in ms."""
    names = ("qtc_bazett", "qtc_fridericia", "qtc_framingham", "qtc_hodges")
    if qt.value is None or rr_mean.value is None:
        return {name: missing("ms", qt.reason or NO_BEATS) for name in names}
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
        (median.p_onset, median.p_offset, NO_P),
        (median.qrs_onset, median.qrs_offset, NO_QRS),
        (median.qrs_offset, median.t_end, NO_T),
    )
    return {name: _axis(median, *span) for name, span in zip(names, spans, strict=True)}


def _axis(median: MedianBeat, start: float | None, end: float | None, reason: str) -> Value:
    if start is None or end is None:
        return missing("deg", reason)
    window = slice(round(start), round(end) + 1)
    area = {lead: float(median.signal[i, window].sum()) for i, lead in enumerate(median.leads)}
    if "aVF" not in area and {"I", "II"} <= area.keys():
        area["aVF"] = area["II"] - 0.5 * area["I"]
    if not {"I", "aVF"} <= area.keys() or area["I"] == area["aVF"] == 0.0:
        return missing("deg", NO_AXIS)
    return Value(float(np.degrees(np.arctan2(area["aVF"] * 2 / 3**0.5, area["I"]))), "deg")


def _amplitudes(median: MedianBeat | None, unit: str | None) -> dict[str, LeadAmplitudes]:
    if median is None:
        return {}
    return {lead: _lead_amplitudes(median, row, unit) for row, lead in enumerate(median.leads)}


def _lead_amplitudes(median: MedianBeat, row: int, unit: str | None) -> LeadAmplitudes:
    if unit is None:
        return LeadAmplitudes(*(missing("mV", NO_UNIT) for _ in range(8)))
    if median.qrs_onset is None or median.qrs_offset is None:
        return LeadAmplitudes(*(missing("mV", NO_QRS) for _ in range(8)))
    onset, offset = round(median.qrs_onset), round(median.qrs_offset)
    level = median.signal[row, max(0, onset - 10) : onset + 1].mean()
    wave = median.signal[row] - level
    qrs = wave[onset : offset + 1]
    top = int(qrs.argmax())
    st = [Value(float(wave[min(offset + ms // 2, len(wave) - 1)]), "mV") for ms in (0, 60, 80)]
    return LeadAmplitudes(
        _extreme(wave, median.p_onset, median.p_offset, NO_P),
        Value(float(min(qrs[: top + 1].min(), 0.0)), "mV"),
        Value(float(max(qrs[top], 0.0)), "mV"),
        Value(float(min(qrs[top:].min(), 0.0)), "mV"),
        _extreme(wave, median.qrs_offset, median.t_end, NO_T),
        *st,
    )


def _extreme(wave: Float, start: float | None, end: float | None, reason: str) -> Value:
    if start is None or end is None:
        return missing("mV", reason)
    piece = wave[round(start) : round(end) + 1]
    return Value(float(piece[np.abs(piece).argmax()]), "mV")
