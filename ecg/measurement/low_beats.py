"""Beats of the usual shape that are too low for the detector, as every second one in electrical alternans."""

import numpy as np

from ecg.dsp import FS_HZ, Float, block_means, median
from ecg.measurement.detect import Index

_STEP, _HALF = 4, 7  # samples a block: at 125 Hz the QRS is still whole; blocks each side of R, 60 ms
_MIN_RR_S = 0.6  # with a beat between, a shorter interval would be over 200 a minute
_AWAY, _AWAY_S = 0.3, 0.25  # from both neighbours, of the interval and at least: beyond P and T waves
#: Slopes must correlate that well over all leads, be of that share of the usual size, and so in that many intervals. On
#: the 133 recordings of docs/rules.md this adds no beat.
_ALIKE, _LOWEST, _SHARE, _MIN_FOUND = 0.8, 0.1, 0.7, 3
_RATHER_ALIKE = 0.6  # enough for the others once they are there
_MAX_TEMPLATE = 60


def add_low_beats(signal: Float, r: Index) -> Index:
    """R positions with those of low beats in most of the long intervals between them, int64 [beat] rising.

    `signal` is [lead, sample] at 500 Hz. What is compared are slopes, in which T and P waves have little part. Fewer
    than three leads are left as they are: their complexes have too little shape.
    """
    if len(r) < _MIN_FOUND + 1 or len(signal) < 3:
        return r
    slope = np.diff(block_means(signal, _STEP), axis=1)
    at = r // _STEP
    inside = at[(at > _HALF) & (at < slope.shape[1] - _HALF)][:_MAX_TEMPLATE]
    long = np.flatnonzero(np.diff(r) >= _MIN_RR_S * FS_HZ)
    if len(inside) < 3 or len(long) < _MIN_FOUND:
        return r
    template = median(slope[:, inside[:, None] + np.arange(-_HALF, _HALF + 1)], axis=1)
    size = float((template**2).sum())
    product = sum(np.correlate(row, wave) for row, wave in zip(slope, template, strict=True))
    power = np.correlate((slope**2).sum(axis=0), np.ones(2 * _HALF + 1))
    alike = np.where(product >= _LOWEST * size, product / np.sqrt(np.maximum(power * size, np.finfo(float).tiny)), 0.0)
    found, likeness = [], []
    for beat in long:
        away = max(_AWAY * (at[beat + 1] - at[beat]), _AWAY_S * FS_HZ / _STEP)
        first, last = int(at[beat] + away), int(at[beat + 1] - away)
        if last > first:
            best = first + int(alike[first - _HALF : last - _HALF].argmax())
            found.append(_STEP * best)
            likeness.append(float(alike[best - _HALF]))
    sure = np.array(likeness) >= _ALIKE
    if sure.sum() < max(_MIN_FOUND, _SHARE * len(long)):
        return r
    return np.union1d(r, np.array(found, dtype=np.int64)[np.array(likeness) >= _RATHER_ALIKE])
