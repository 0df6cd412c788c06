"""Global fiducial points of a median beat."""

from dataclasses import dataclass

import numpy as np
from scipy import signal as dsp

from ecg.delineation.condition import FS_HZ, Float

QRS_LOWPASS_HZ = 30.0
T_LOWPASS_HZ = 10.0
#: Fractions of the largest slope at which an edge is set, and what the annotators' marks lie beyond it in samples.
QRS_FRACTION, QRS_ONSET_SHIFT, QRS_OFFSET_SHIFT = 0.04, -3.3, 1.7
T_FRACTION, T_SHIFT = 0.2, 0.0


@dataclass(frozen=True)
class Edges:
    """Fiducial points in samples of the beat at 500 Hz, not rounded; None where the wave was not found."""

    p_onset: float | None
    p_peak: float | None
    p_offset: float | None
    qrs_onset: float | None
    qrs_offset: float | None
    t_peak: float | None
    t_end: float | None


def find_edges(beat: Float, r: int, rr: float) -> Edges:
    """Global edges of a median beat [lead, sample] at 500 Hz with R at sample `r`, for a mean RR of `rr` samples."""
    onset, offset = _qrs(beat, r)
    if onset is None or offset is None:
        return Edges(None, None, None, None, None, None, None)
    t_peak, t_end = _t(beat, offset, r, rr)
    p_onset, p_peak, p_offset = _p(beat, onset, r, rr)
    return Edges(p_onset, p_peak, p_offset, onset, offset, t_peak, t_end)


def low_pass(beat: Float, cutoff_hz: float) -> Float:
    """Zero-phase second-order Butterworth low-pass, float64 [lead, sample]."""
    smooth: Float = dsp.sosfiltfilt(dsp.butter(2, cutoff_hz, fs=FS_HZ, output="sos"), beat, axis=1)
    return smooth


def _speed(beat: Float, cutoff_hz: float) -> Float:
    """Spatial velocity: root of the summed squared slopes over leads, float64 [sample]."""
    speed: Float = np.sqrt((np.gradient(low_pass(beat, cutoff_hz), axis=1) ** 2).sum(axis=0))
    return speed


def _qrs(beat: Float, r: int) -> tuple[float | None, float | None]:
    speed = _speed(beat, QRS_LOWPASS_HZ)
    peak = int(speed[r - 50 : r + 60].argmax()) + r - 50
    before, after = np.percentile(speed[r - 60 : r - 25], 20), np.percentile(speed[r + 40 : r + 110], 20)
    onset = first_below(speed[peak::-1], before + QRS_FRACTION * (speed[peak] - before), 4)
    offset = first_below(speed[peak:], after + QRS_FRACTION * (speed[peak] - after), 6)
    if onset is None or offset is None:
        return None, None
    return peak - onset + QRS_ONSET_SHIFT, peak + offset + QRS_OFFSET_SHIFT


def _t(beat: Float, qrs_offset: float, r: int, rr: float) -> tuple[float | None, float | None]:
    low = int(qrs_offset) + 20
    high = int(min(r + 0.55 * rr + 40, beat.shape[1] - 30))
    if high - low < 40:
        return None, None
    smooth = low_pass(beat, T_LOWPASS_HZ)
    height = np.sqrt((smooth**2).mean(axis=0))
    speed = np.sqrt((np.gradient(smooth, axis=1) ** 2).mean(axis=0))
    peak = int(height[low:high].argmax()) + low
    end = min(high + 30, beat.shape[1])
    steepest = int(speed[peak:end].argmax()) + peak
    floor = np.percentile(speed[steepest:end], 10)
    fall = first_below(speed[steepest:end], floor + T_FRACTION * (speed[steepest] - floor), 1)
    return float(peak), None if fall is None else steepest + fall + T_SHIFT


def _p(beat: Float, qrs_onset: float, r: int, rr: float) -> tuple[float | None, float | None, float | None]:
    high = int(qrs_onset) - 5
    low = int(max(r - 0.45 * rr, 10, high - 160))
    if high - low < 40:
        return None, None, None
    smooth = low_pass(beat, 15.0)
    speed = np.sqrt((np.gradient(smooth, axis=1) ** 2).mean(axis=0))
    level = np.median(smooth[:, low:high], axis=1, keepdims=True)
    height = np.sqrt(((smooth - level)[:, low:high] ** 2).mean(axis=0))
    peak = int(height.argmax()) + low
    floor = np.percentile(speed[low:high], 10)
    left, right = max(low, peak - 40), min(high, peak + 40)
    up = int(speed[left : peak + 1].argmax()) + left
    down = int(speed[peak:right].argmax()) + peak if right > peak else peak
    onset = first_below(speed[up::-1], floor + T_FRACTION * (speed[up] - floor), 2)
    offset = first_below(speed[down:], floor + T_FRACTION * (speed[down] - floor), 2)
    if onset is None or offset is None:
        return None, None, None
    return up - onset, float(peak), down + offset


def first_below(values: Float, threshold: float, hold: int) -> float | None:
    """Where `values` first falls under a threshold and stays there for `hold` samples, interpolated; None if never."""
    below = values < threshold
    runs = np.convolve(below, np.ones(hold, dtype=np.int64), mode="valid") == hold
    found = np.flatnonzero(runs)
    if len(found) == 0:
        return None
    at = int(found[0])
    if at == 0:
        return 0.0
    before, after = values[at - 1], values[at]
    return float(at - (threshold - after) / (before - after)) if before > after else float(at)
