"""Where a slope signal falls under a threshold: the one primitive all edges are made of. All at 500 Hz."""

import numpy as np
from numpy.typing import NDArray

from ecg.filters import Float, Floating

FS_HZ = 500.0
ROBUST_SD = 1.4826  # standard deviations in a median distance from the median, for normal deviations


def median(values: NDArray[Floating], axis: int = -1) -> NDArray[Floating]:
    """The median over an axis without NaN, for the many short rows on which `numpy.median` is slow."""
    rising = values.copy()
    rising.sort(axis=axis)
    n = rising.shape[axis]
    middle: NDArray[Floating] = rising.take(n // 2, axis=axis)
    return middle if n % 2 else (rising.take(n // 2 - 1, axis=axis) + middle) / 2


def quantile(values: NDArray[np.floating], share: float) -> float:
    """The quantile of values [n] without NaN, interpolated as `numpy.quantile` does, which is slow on short rows."""
    rising = np.sort(values)
    place = share * (len(rising) - 1)
    low = int(place)
    before, after = float(rising[low]), float(rising[min(low + 1, len(rising) - 1)])
    return before + (after - before) * (place - low)


def block_means(signal: NDArray[Floating], step: int) -> NDArray[Floating]:
    """Means of blocks of `step` samples of [lead, sample]; the remainder is dropped. Quick for short blocks."""
    n = signal.shape[1] // step * step
    total = signal[:, 0:n:step].copy()
    for first in range(1, step):
        total += signal[:, first:n:step]
    return total / signal.dtype.type(step)


def rank(values: NDArray[Floating], share: float) -> NDArray[Floating]:
    """The order statistic at a share (0 to 1) of the last axis; a quantile without interpolation."""
    at = int(share * (values.shape[-1] - 1))
    statistic: NDArray[Floating] = np.sort(values, axis=-1)[..., at]  # NumPy sorts faster than it partitions
    return statistic


def slopes(signal: Float) -> Float:
    """Magnitude of the central difference, float64 [lead, sample], unit per sample."""
    slope = np.empty_like(signal)
    slope[:, 1:-1] = (signal[:, 2:] - signal[:, :-2]) / 2
    slope[:, 0], slope[:, -1] = slope[:, 1], slope[:, -2]
    return np.abs(slope)


def falls_after(values: Float, start: NDArray[np.int64], threshold: Float, hold: int) -> Float:
    """First position at or after `start` from which a row stays under its threshold for `hold` samples.

    `values` is [row, sample], `start` and `threshold` [row]. Returns float64 [row], interpolated between samples; NaN
    where it never happens.
    """
    # What lies before every start is not looked at, but for the samples that a stay needs.
    begin = max(0, min(int(start.min(initial=values.shape[1])), values.shape[1] - hold))
    values, start = values[:, begin:], start - begin
    n = values.shape[1]
    count = np.zeros((len(values), n + 1), dtype=np.int64)
    np.cumsum(values < threshold[:, None], axis=1, out=count[:, 1:])
    held = count[:, hold:] - count[:, :-hold] == hold
    held &= np.arange(held.shape[1]) >= start[:, None]
    at = held.argmax(axis=1)
    rows = np.arange(len(values))
    found = held[rows, at]
    before, here = values[rows, np.maximum(at - 1, 0)], values[rows, at]
    step = before - here
    crossed = (at > start) & (step > 0) & (before >= threshold)
    part = np.where(crossed, (threshold - here) / np.where(step > 0, step, 1.0), 0.0)
    position: Float = np.where(found, at - part + begin, np.nan)
    return position


def falls_before(values: Float, start: NDArray[np.int64], threshold: Float, hold: int) -> Float:
    """`falls_after`, looking from `start` towards the first sample."""
    last = values.shape[1] - 1
    position: Float = last - falls_after(values[:, ::-1], last - start, threshold, hold)
    return position


def spread(values: Float) -> Float:
    """Robust standard deviation over the first axis: 1.48 times the median distance from the median."""
    return ROBUST_SD * median(np.abs(values - median(values, axis=0)), axis=0)


def lead_spread(positions: Float) -> float | None:
    """`spread` of single leads' positions; None for under three."""
    found = positions[~np.isnan(positions)]
    return float(spread(found)) if len(found) >= 3 else None
