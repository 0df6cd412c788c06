"""Atrial activity between the beats: flutter waves, and P waves with a clock of their own."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ecg.findings.limits import ATRIAL
from ecg.findings.low_rate import Float, LowRateSignal
from ecg.measurement.median import MedianBeat
from ecg.peaks import peaks_apart

ATRIAL_LEADS = ("II", "III", "aVF", "V1")  # where P and flutter waves are largest
FLUTTER_HZ = np.arange(3.4, 6.6, 0.05)  # 204 to 393 waves a minute


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
        Shortest lag at which the activity between the beats is much alike itself; None when there is too little.
    p_regularity
        Its highest correlation with itself over the same leads, 0 to 1: high for P waves with a regular clock,
        whatever the ventricles do.
    """

    flutter_per_min: float | None = None
    flutter_fit: float | None = None
    flutter_fit_with_t: float | None = None
    p_interval_s: float | None = None
    p_regularity: float | None = None


def atrial_activity(low_rate: LowRateSignal, median: MedianBeat | None) -> AtrialActivity:
    """`AtrialActivity` of a recording; all None when there is no median beat with QRS edges."""
    if median is None or median.qrs is None:
        return AtrialActivity()
    onset_s = (median.r - median.qrs.onset) / median.fs_hz + ATRIAL.margin_s
    offset_s = (median.qrs.offset - median.r) / median.fs_hz + ATRIAL.margin_s
    t_end_s = ATRIAL.usual_t_end_s if median.t is None else (median.t.end - median.r) / median.fs_hz
    short = low_rate.coarser(ATRIAL.flutter_span_s)
    (hz, fit), (hz_with_t, fit_with_t) = _oscillations(short, onset_s, (t_end_s, offset_s))
    if hz is not None and (hz_with_t is None or abs(hz - hz_with_t) > ATRIAL.one_frequency_hz):
        fit = 0.0
    interval, regularity = _own_clock(low_rate, onset_s + ATRIAL.margin_s, t_end_s + ATRIAL.margin_s)
    return AtrialActivity(None if hz_with_t is None else 60.0 * hz_with_t, fit, fit_with_t, interval, regularity)


def _oscillations(
    short: LowRateSignal, before_s: float, afters_s: tuple[float, ...]
) -> list[tuple[float | None, float | None]]:
    """Frequency in Hz of the best oscillation with its first harmonic outside the beats, and what it explains.

    Once for each of the times after R at which a beat is taken to end.
    """
    signal = short.signal[[row for row, lead in enumerate(short.leads) if lead in ATRIAL_LEADS]]
    turns = _turns(signal.shape[1], short.fs_hz)
    frees = [short.outside_beats(before_s, after_s) for after_s in afters_s]
    columns = []
    for free in frees:
        mean = signal[:, free].mean(axis=1, keepdims=True) if free.any() else 0.0
        columns.append(np.vstack([np.where(free, signal - mean, 0.0), free]))
    sums = (turns @ np.concatenate(columns).T.astype(np.float32)).astype(np.float64)
    by_end = sums.reshape(4, 2, len(FLUTTER_HZ), len(frees), -1)  # [turn, cosine or sine, frequency, end, lead or mask]
    return [_best(by_end[:, :, :, end], column) for end, column in enumerate(columns)]


def _best(sums: Float, column: Float) -> tuple[float | None, float | None]:
    """The best oscillation from the products of its terms with the leads and with the mask, the last of `column`."""
    n_free, total = float(column[-1].sum()), float((column[:-1] ** 2).sum())
    if n_free < ATRIAL.room * column.shape[1] or total == 0.0:
        return None, None
    moment = sums[:2, ..., :-1].reshape(4, len(FLUTTER_HZ), -1).transpose(1, 0, 2)
    weights = np.linalg.solve(_normal_matrix(sums[:, 0, :, -1], sums[:, 1, :, -1], n_free), moment)
    explained = (weights * moment).sum(axis=(1, 2)) / total
    best = int(explained.argmax())
    return float(FLUTTER_HZ[best]), float(explained[best])


@lru_cache(maxsize=2)
def _turns(n: int, fs_hz: float) -> NDArray[np.float32]:
    """Cosine and sine of 1 to 4 times each of `FLUTTER_HZ` over n samples, float32 [4 * 2 * frequency, n]."""
    angle = 2 * np.pi * np.arange(1, 5)[:, None, None] * FLUTTER_HZ[:, None] * (np.arange(n) / fs_hz)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).reshape(-1, n).astype(np.float32)


def _normal_matrix(c: Float, s: Float, n: float) -> Float:
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


def _own_clock(low_rate: LowRateSignal, before_s: float, after_s: float) -> tuple[float | None, float | None]:
    """Lag of the highest autocorrelation outside the beats in s, each lead scaled to unit power, and its value."""
    short = low_rate.coarser(ATRIAL.p_span_s)
    rows = [row for row, lead in enumerate(short.leads) if lead in ATRIAL_LEADS]
    free = short.outside_beats(before_s, after_s)
    low, high = (round(lag * short.fs_hz) for lag in ATRIAL.p_interval_s)
    if not rows or free.sum() < ATRIAL.overlap_s * short.fs_hz or len(free) <= high:
        return None, None
    signal = short.signal[rows]
    values = np.where(free, signal - signal[:, free].mean(axis=1, keepdims=True), 0.0)
    power = (values**2).sum(axis=1, keepdims=True)
    values /= np.sqrt(np.where(power > 0, power, 1.0))
    likeness, overlap = _masked_autocorrelation(values, free)
    span = slice(low, high)
    likeness = np.where(overlap[span] >= ATRIAL.overlap_s * short.fs_hz, likeness[span], 0.0)
    best = float(max(likeness.max(), 0.0))
    # A clock is as alike after two of its intervals, and more where other stretches overlap: the shortest lag counts.
    first = peaks_apart(np.concatenate([[0.0], likeness, [0.0]]), 1, ATRIAL.nearest_lag * best)[:1] - 1
    return float((first[0] if len(first) else likeness.argmax()) + low) / short.fs_hz, best


def _masked_autocorrelation(values: Float, free: NDArray[np.bool_]) -> tuple[Float, Float]:
    """Autocorrelation over lags, normalised by the power in each lag's overlap, and the overlap in samples."""
    n = values.shape[1]
    *spectrum, energy, mask = np.fft.rfft(np.vstack([values, (values**2).sum(axis=0), free]), 2 * n, axis=1)
    products = [(np.abs(spectrum) ** 2).sum(axis=0), energy * np.conj(mask), mask * np.conj(energy), np.abs(mask) ** 2]
    product, ahead, behind, overlap = np.fft.irfft(products, 2 * n, axis=1)[:, :n]
    return product / np.sqrt(np.maximum(ahead * behind, 1e-9)), overlap
