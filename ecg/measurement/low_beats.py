"""Beats of the usual shape that are too low for the detector, as every second one in electrical alternans."""

import numpy as np

from ecg.dsp import FS_HZ, block_means, median
from ecg.filters import Float
from ecg.measurement.limits import LOW_BEATS
from ecg.peaks import Index


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
    away = np.maximum(LOW_BEATS.away * (at[long + 1] - at[long]), LOW_BEATS.away_s * FS_HZ / LOW_BEATS.step)
    places = [
        np.arange(int(first), int(last))
        for first, last in zip(at[long] + away, at[long + 1] - away, strict=True)
        if int(last) > int(first)
    ]
    if not places:
        return r
    alike = np.split(_alike(slope, template, np.concatenate(places)), np.cumsum([len(one) for one in places])[:-1])
    best = [int(one.argmax()) for one in alike]
    found = LOW_BEATS.step * np.array([one[place] for one, place in zip(places, best, strict=True)], dtype=np.int64)
    likeness = np.array([one[place] for one, place in zip(alike, best, strict=True)])
    if (likeness >= LOW_BEATS.alike).sum() < max(LOW_BEATS.min_found, LOW_BEATS.share * len(long)):
        return r
    return np.union1d(r, found[likeness >= LOW_BEATS.rather_alike])


def _alike(slope: Float, template: Float, places: Index) -> Float:
    """Correlation of the slopes about each place with the template, 0 where they are too small, float64 [place]."""
    alike = np.zeros(len(places))
    size = float((template**2).sum())
    reach = np.arange(-LOW_BEATS.half, LOW_BEATS.half + 1)
    for begin in range(0, len(places), LOW_BEATS.at_once):
        some = slice(begin, begin + LOW_BEATS.at_once)
        pieces = slope[:, places[some, None] + reach]
        product = np.einsum("lps,ls->p", pieces, template)
        power = np.einsum("lps,lps->p", pieces, pieces)
        likeness = product / np.sqrt(np.maximum(power * size, np.finfo(float).tiny))
        alike[some] = np.where(product >= LOW_BEATS.lowest * size, likeness, 0.0)
    return alike
