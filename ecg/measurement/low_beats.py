"""Beats of the usual shape that are too low for the detector, as every second one in electrical alternans."""

import numpy as np

from ecg.dsp import FS_HZ, Float, block_means, median
from ecg.measurement.detect import Index
from ecg.measurement.limits import LOW_BEATS


def add_low_beats(signal: Float, r: Index) -> Index:
    """R positions with those of low beats in most of the long intervals between them, int64 [beat] rising.

    `signal` is [lead, sample] at 500 Hz. What is compared are slopes, in which T and P waves have little part. Fewer
    than three leads are left as they are: their complexes have too little shape.
    """
    if len(r) < LOW_BEATS.min_found + 1 or len(signal) < 3:
        return r
    slope = np.diff(block_means(signal, LOW_BEATS.step), axis=1)
    at = r // LOW_BEATS.step
    inside = at[(at > LOW_BEATS.half) & (at < slope.shape[1] - LOW_BEATS.half)][: LOW_BEATS.max_template]
    long = np.flatnonzero(np.diff(r) >= LOW_BEATS.min_rr_s * FS_HZ)
    if len(inside) < 3 or len(long) < LOW_BEATS.min_found:
        return r
    template = median(slope[:, inside[:, None] + np.arange(-LOW_BEATS.half, LOW_BEATS.half + 1)], axis=1)
    size = float((template**2).sum())
    product = sum(np.correlate(row, wave) for row, wave in zip(slope, template, strict=True))
    power = np.correlate((slope**2).sum(axis=0), np.ones(2 * LOW_BEATS.half + 1))
    alike = np.where(
        product >= LOW_BEATS.lowest * size, product / np.sqrt(np.maximum(power * size, np.finfo(float).tiny)), 0.0
    )
    found, likeness = [], []
    for beat in long:
        away = max(LOW_BEATS.away * (at[beat + 1] - at[beat]), LOW_BEATS.away_s * FS_HZ / LOW_BEATS.step)
        first, last = int(at[beat] + away), int(at[beat + 1] - away)
        if last > first:
            best = first + int(alike[first - LOW_BEATS.half : last - LOW_BEATS.half].argmax())
            found.append(LOW_BEATS.step * best)
            likeness.append(float(alike[best - LOW_BEATS.half]))
    sure = np.array(likeness) >= LOW_BEATS.alike
    if sure.sum() < max(LOW_BEATS.min_found, LOW_BEATS.share * len(long)):
        return r
    return np.union1d(r, np.array(found, dtype=np.int64)[np.array(likeness) >= LOW_BEATS.rather_alike])
