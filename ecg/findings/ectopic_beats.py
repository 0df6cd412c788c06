"""Ectopic beats: how early, how wide and how large each is beside the beats of the measured rhythm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg.dsp import median
from ecg.findings.limits import ECTOPY
from ecg.findings.low_rate import Float, LowRateSignal
from ecg.measurement.beats import Beats


@dataclass(frozen=True)
class EctopicBeat:
    """One beat of another shape than the measured ones, wholly inside the recording.

    Attributes
    ----------
    at
        Its place among the beats.
    coupling
        Interval from the beat before over the usual RR; None for the first and after a gap.
    after
        Interval to the next beat over the same; None for the last and before a gap.
    width_ms, width
        Time between the first and the last sample at over a fifth of the beat's own greatest spatial speed (about
        20 ms less than the QRS duration), and the same over the median of the measured beats.
    size
        Its path length (summed spatial speed) over theirs.
    initial
        Correlation over all leads of its first 40 ms with theirs, -1 to 1: high where it begins in the same way.
    """

    at: int
    coupling: float | None
    width_ms: float
    width: float
    size: float
    after: float | None = None
    initial: float = 0.0


def ectopic_beats(low_rate: LowRateSignal, beats: Beats) -> tuple[EctopicBeat, ...]:
    """The beats of no common shape, and in a paced rhythm those without a spike, in order."""
    own = beats.measured
    unpaced_in_paced = ~beats.is_class("paced") & (beats.is_class("paced").sum() >= 3)
    others = np.flatnonzero((beats.is_class("ectopic") & ~own) | unpaced_in_paced)
    if len(others) == 0 or not own.any() or len(own) < 3:
        return ()
    widths, sizes = _widths(low_rate)
    width, size = float(median(widths[own])), float(median(sizes[own]))
    rr = beats.rr
    usual = usual_rr(beats)
    initial = _initial_likeness(low_rate, own)
    edge = ECTOPY.edge_s * low_rate.fs_hz
    return tuple(
        EctopicBeat(
            int(beat),
            float(rr[beat - 1] / usual) if beat and not beats.after_gap[beat] else None,
            float(widths[beat]) * 1000.0 / low_rate.fs_hz,
            float(widths[beat] / width) if width else 0.0,
            float(sizes[beat] / size) if size else 0.0,
            float(rr[beat] / usual) if beat < len(rr) and not beats.after_gap[beat + 1] else None,
            float(initial[beat]),
        )
        for beat in others
        if edge <= low_rate.r[beat] <= low_rate.signal.shape[1] - edge
    )


def usual_rr(beats: Beats) -> float:
    """The interval at which the next beat is due, in samples: the median RR, or that of two beats where they alternate.

    In bigeminy short and long intervals alternate, and the median of all of them is one or the other.
    """
    pairs = (beats.rr[1:] + beats.rr[:-1]) / 2
    pairs = pairs[~np.isnan(pairs)]
    return max(beats.typical_rr, float(median(pairs)) if len(pairs) else 0.0)


def _initial_likeness(low_rate: LowRateSignal, own: NDArray[np.bool_]) -> Float:
    """Correlation over all leads of each beat's slope in its first 40 ms with the measured beats', float64 [beat]."""
    slope = np.diff(low_rate.signal, axis=1)
    speed = np.sqrt((slope**2).sum(axis=0))
    half, span = round(ECTOPY.half_window_s * low_rate.fs_hz), round(ECTOPY.initial_s * low_rate.fs_hz)
    at = np.rint(low_rate.r).astype(np.int64)
    index = np.clip(at[:, None] + np.arange(-half, half), 0, slope.shape[1] - 1)
    around = speed[index]
    first = (around > ECTOPY.speed_share * around.max(axis=1, keepdims=True)).argmax(axis=1)
    begin = np.clip(index[np.arange(len(at)), first], 0, max(0, slope.shape[1] - span))
    pieces = slope[:, begin[:, None] + np.arange(span)].transpose(1, 0, 2).reshape(len(at), -1)
    usual = median(pieces[own], axis=0)
    norm = np.sqrt((pieces**2).sum(axis=1) * (usual**2).sum())
    likeness: Float = pieces @ usual / np.where(norm > 0, norm, 1.0)
    return likeness


def _widths(low_rate: LowRateSignal) -> tuple[Float, Float]:
    """Samples between the first and the last fast one, and the path length, of each beat, float64 [beat]."""
    speed = np.sqrt((np.diff(low_rate.signal, axis=1) ** 2).sum(axis=0))
    half = round(ECTOPY.half_window_s * low_rate.fs_hz)
    at = np.clip(np.rint(low_rate.r).astype(np.int64)[:, None] + np.arange(-half, half), 0, len(speed) - 1)
    around = speed[at]
    fast = around > ECTOPY.speed_share * around.max(axis=1, keepdims=True)
    first, last = fast.argmax(axis=1), fast.shape[1] - fast[:, ::-1].argmax(axis=1)
    return np.where(fast.any(axis=1), last - first, 0).astype(np.float64), around.sum(axis=1)
