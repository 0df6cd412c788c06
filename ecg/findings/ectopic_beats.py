"""Ectopic beats: how early, how wide and how large each is beside the beats of the measured rhythm."""

from dataclasses import dataclass

import numpy as np

from ecg.findings.limits import ECTOPY
from ecg.findings.low_rate import Float, LowRateSignal
from ecg.measurement.beats import Beats


@dataclass(frozen=True)
class ExtraBeat:
    """One beat of another shape than the measured ones, wholly inside the recording.

    Attributes
    ----------
    at
        Its place among the beats.
    coupling
        Interval from the beat before over the median RR; None for the first and after a gap.
    width_ms, width
        Time between the first and the last sample at over a fifth of the beat's own greatest spatial speed (about
        20 ms less than the QRS duration), and the same over the median of the measured beats.
    size
        Its path length (summed spatial speed) over theirs.
    """

    at: int
    coupling: float | None
    width_ms: float
    width: float
    size: float


def extra_beats(low_rate: LowRateSignal, beats: Beats) -> tuple[ExtraBeat, ...]:
    """The beats of no common shape, and in a paced rhythm those without a spike, in order."""
    own = beats.measured
    unpaced_in_paced = ~beats.is_class("paced") & (beats.is_class("paced").sum() >= 3)
    others = np.flatnonzero((beats.is_class("ectopic") & ~own) | unpaced_in_paced)
    if len(others) == 0 or not own.any() or len(own) < 3:
        return ()
    widths, sizes = _widths(low_rate)
    width, size = float(np.median(widths[own])), float(np.median(sizes[own]))
    rr = beats.rr
    usual = beats.typical_rr
    edge = ECTOPY.edge_s * low_rate.fs_hz
    return tuple(
        ExtraBeat(
            int(beat),
            float(rr[beat - 1] / usual) if beat and not beats.after_gap[beat] else None,
            float(widths[beat]) * 1000.0 / low_rate.fs_hz,
            float(widths[beat] / width) if width else 0.0,
            float(sizes[beat] / size) if size else 0.0,
        )
        for beat in others
        if edge <= low_rate.r[beat] <= low_rate.signal.shape[1] - edge
    )


def _widths(low_rate: LowRateSignal) -> tuple[Float, Float]:
    """Samples between the first and the last fast one, and the path length, of each beat, float64 [beat]."""
    speed = np.sqrt((np.diff(low_rate.signal, axis=1) ** 2).sum(axis=0))
    half = round(ECTOPY.half_window_s * low_rate.fs_hz)
    at = np.clip(np.rint(low_rate.r).astype(np.int64)[:, None] + np.arange(-half, half), 0, len(speed) - 1)
    around = speed[at]
    fast = around > ECTOPY.speed_share * around.max(axis=1, keepdims=True)
    first, last = fast.argmax(axis=1), fast.shape[1] - fast[:, ::-1].argmax(axis=1)
    return np.where(fast.any(axis=1), last - first, 0).astype(np.float64), around.sum(axis=1)
