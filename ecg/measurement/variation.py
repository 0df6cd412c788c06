"""How much waves move and grow from beat to beat, each beat held against the median beat."""

import numpy as np
from numpy.typing import NDArray

from ecg.dsp import ROBUST_SD, median, spread
from ecg.filters import Float
from ecg.measurement.limits import VARIATION


def whole_beats(stack: Float) -> Float:
    """The beats of [beat, lead, sample] of which no sample lies outside the recording; none when under three do."""
    whole = stack[~np.isnan(stack[:, 0, :]).any(axis=1)]
    return whole if len(whole) >= VARIATION.fewest else whole[:0]


def shifts(beats: Float, signal: Float, start: float, end: float) -> Float:
    """By how many samples each beat has later what the median beat has from `start` to `end`, float64 [beat].

    The least-squares shift for small ones (Lucas and Kanade 1981): common to the leads, whatever the height and level
    of the wave in each of them. `beats` is [beat, lead, sample], `signal` [lead, sample].
    """
    first, last = round(start), round(end) + 1
    if last - first < 3:
        return np.zeros(len(beats))
    wave = signal[:, first:last]
    level = wave - wave.mean(axis=1, keepdims=True)
    slope = (signal[:, first + 1 : last + 1] - signal[:, first - 1 : last - 1]) / 2
    slope -= slope.mean(axis=1, keepdims=True)
    power = np.einsum("ls,ls->l", level, level)
    height = np.einsum("ls,ls->l", slope, level) / np.where(power > 0, power, 1.0)
    slope -= height[:, None] * level  # what is left is no change of level or height
    steepness = float((slope**2).sum())
    if steepness == 0.0:
        return np.zeros(len(beats))
    pieces = beats[:, :, first:last].reshape(len(beats), -1)
    gain = np.maximum(pieces @ level.ravel() / power.sum(), VARIATION.least_gain)
    later: Float = pieces @ slope.ravel() / (-steepness * gain)
    return later


def angle_spread(angles: Float, about: float) -> float | None:
    """Spread in degrees of angles [beat] about one of them, the short way round; None without beats."""
    if len(angles) == 0:
        return None
    away = (angles - about + 180.0) % 360.0 - 180.0
    return float(ROBUST_SD * median(np.abs(away)))


def height_spread(beats: Float, at: NDArray[np.int64], level: slice) -> Float:
    """Spread over the beats of each lead's height above its level at the samples `at` [lead, wave], [lead, wave]."""
    rows = np.arange(len(at))[:, None]
    return spread(beats[:, rows, at] - beats[:, :, level].mean(axis=2, keepdims=True))
