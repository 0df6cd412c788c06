"""What the atria do, as far as it shows between the beats: flutter, or P waves with a clock of their own."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ecg.delineation.median import MedianBeat
from ecg.rules.reduced import Float, Reduced

ATRIAL_LEADS = ("II", "III", "aVF", "V1")  # where P and flutter waves are largest
FLUTTER_HZ = np.arange(3.4, 6.6, 0.05)  # 204 to 393 waves a minute
FLUTTER_SPAN_S = 12.0  # one flutter clock cannot be assumed for longer
P_SPAN_S = 60.0
P_INTERVALS_S = (0.35, 1.6)
#: Least time in which a stretch between beats must overlap with another one for their likeness to count.
MIN_OVERLAP_S = 2.5
MIN_FREE = 0.2  # of the recording: with less between T and QRS nothing can be fitted there
MARGIN_S = 0.02


@dataclass(frozen=True)
class AtrialActivity:
    """Evidence about the atria, from the stretches between T end and QRS onset.

    Attributes
    ----------
    flutter_per_min
        Rate of the best continuous oscillation of 204 to 393 a minute in II, III, aVF and V1; None when it cannot be
        looked for.
    flutter_fit
        Share of the variance there that this one oscillation and its first harmonic explain with one phase from the
        first beat to the last, 0 to 1; 0 when it is not the best one with the T waves left in, too; None when there is
        too little room between T and QRS.
    flutter_fit_with_t
        The same with the T waves left in.
    p_interval_s
        Lag at which the activity between the beats is most alike itself; None when there is too little of it.
    p_regularity
        Its correlation there over the same leads, 0 to 1: high for P waves with a regular clock, whatever the
        ventricles do.
    """

    flutter_per_min: float | None = None
    flutter_fit: float | None = None
    flutter_fit_with_t: float | None = None
    p_interval_s: float | None = None
    p_regularity: float | None = None


def atrial_activity(reduced: Reduced, median: MedianBeat | None) -> AtrialActivity:
    """`AtrialActivity` of a recording; all None when there is no median beat with QRS edges."""
    if median is None or median.qrs_onset is None or median.qrs_offset is None:
        return AtrialActivity()
    onset_s = (median.r - median.qrs_onset) / median.fs_hz + MARGIN_S
    offset_s = (median.qrs_offset - median.r) / median.fs_hz + MARGIN_S
    t_end_s = 0.36 if median.t_end is None else (median.t_end - median.r) / median.fs_hz
    hz, fit = _oscillation(reduced, onset_s, t_end_s)
    hz_with_t, fit_with_t = _oscillation(reduced, onset_s, offset_s)
    if hz is not None and (hz_with_t is None or abs(hz - hz_with_t) > 0.15):
        fit = 0.0
    interval, regularity = _own_clock(reduced, onset_s + MARGIN_S, t_end_s + MARGIN_S)
    return AtrialActivity(None if hz_with_t is None else 60.0 * hz_with_t, fit, fit_with_t, interval, regularity)


def _oscillation(reduced: Reduced, before_s: float, after_s: float) -> tuple[float | None, float | None]:
    """Frequency in Hz of the best oscillation with its first harmonic outside the beats, and what it explains."""
    short = reduced.coarser(FLUTTER_SPAN_S)
    rows = [row for row, lead in enumerate(short.leads) if lead in ATRIAL_LEADS]
    free = short.outside_beats(before_s, after_s)
    n_free = int(free.sum())
    if not rows or n_free < MIN_FREE * len(free):
        return None, None
    signal = short.signal[rows]
    values = np.where(free, signal - signal[:, free].mean(axis=1, keepdims=True), 0.0)
    total = float((values**2).sum())
    if total == 0.0:
        return None, None
    cos, sin = _turns(len(free), short.fs_hz)
    moment = np.stack([*(part @ values.T for turn in range(2) for part in (cos[turn], sin[turn]))], axis=1)
    weights = np.linalg.solve(_normal_matrix(cos @ free, sin @ free, n_free), moment)
    explained = (weights * moment).sum(axis=(1, 2)) / total
    best = int(explained.argmax())
    return float(FLUTTER_HZ[best]), float(explained[best])


@lru_cache(maxsize=2)
def _turns(n: int, fs_hz: float) -> tuple[Float, Float]:
    """Cosine and sine of 1 to 4 times each of `FLUTTER_HZ` over n samples, float64 [4, frequency, n] each."""
    angle = 2 * np.pi * np.arange(1, 5)[:, None, None] * FLUTTER_HZ[:, None] * (np.arange(n) / fs_hz)
    return np.cos(angle), np.sin(angle)


def _normal_matrix(c: Float, s: Float, n: int) -> Float:
    """Products of cos θ, sin θ, cos 2θ, sin 2θ with each other summed over the free samples, [frequency, 4, 4].

    `c` and `s` are the sums of cos kθ and sin kθ for k of 1 to 4, [4, frequency]: a product of two is half the sum of
    two others, so that no sample is looked at again.
    """
    (c1, c2, c3, c4), (s1, s2, s3, s4) = c, s
    rows = [
        [n + c2, s2, c1 + c3, s3 + s1],
        [s2, n - c2, s3 - s1, c1 - c3],
        [c1 + c3, s3 - s1, n + c4, s4],
        [s3 + s1, c1 - c3, s4, n - c4],
    ]
    return 0.5 * np.moveaxis(np.array(rows), 2, 0)


def _own_clock(reduced: Reduced, before_s: float, after_s: float) -> tuple[float | None, float | None]:
    """Lag of the highest autocorrelation outside the beats in s, each lead scaled to unit power, and its value."""
    short = reduced.coarser(P_SPAN_S)
    rows = [row for row, lead in enumerate(short.leads) if lead in ATRIAL_LEADS]
    free = short.outside_beats(before_s, after_s)
    low, high = (round(lag * short.fs_hz) for lag in P_INTERVALS_S)
    if not rows or free.sum() < MIN_OVERLAP_S * short.fs_hz or len(free) <= high:
        return None, None
    signal = short.signal[rows]
    values = np.where(free, signal - signal[:, free].mean(axis=1, keepdims=True), 0.0)
    power = (values**2).sum(axis=1, keepdims=True)
    values /= np.sqrt(np.where(power > 0, power, 1.0))
    likeness, overlap = _masked_autocorrelation(values, free)
    span = slice(low, high)
    likeness = np.where(overlap[span] >= MIN_OVERLAP_S * short.fs_hz, likeness[span], 0.0)
    best = int(likeness.argmax())
    return (best + low) / short.fs_hz, float(max(likeness[best], 0.0))


def _masked_autocorrelation(values: Float, free: NDArray[np.bool_]) -> tuple[Float, Float]:
    """Autocorrelation over lags, normalised by the power in each lag's overlap, and the overlap in samples."""
    n = values.shape[1]
    spectrum = np.fft.rfft(values, 2 * n, axis=1)
    energy, mask = np.fft.rfft((values**2).sum(axis=0), 2 * n), np.fft.rfft(free.astype(np.float64), 2 * n)
    product = np.fft.irfft((np.abs(spectrum) ** 2).sum(axis=0), 2 * n)[:n]
    ahead = np.fft.irfft(energy * np.conj(mask), 2 * n)[:n]
    behind = np.fft.irfft(mask * np.conj(energy), 2 * n)[:n]
    overlap = np.fft.irfft(np.abs(mask) ** 2, 2 * n)[:n]
    return product / np.sqrt(np.maximum(ahead * behind, 1e-9)), overlap
