"""Unconducted P waves, found by their likeness to the conducted ones."""

from dataclasses import dataclass

import numpy as np

from ecg.dsp import median as median_of
from ecg.dsp import quantile
from ecg.findings.limits import ATRIAL
from ecg.findings.low_rate import Float, LowRateSignal
from ecg.measurement.beats import Beats
from ecg.measurement.median import MedianBeat
from ecg.peaks import peaks_apart


@dataclass(frozen=True)
class UnconductedP:
    """A P wave between a beat and the next one's P wave.

    Attributes
    ----------
    interval
        RR interval in which it stands, over the lower quartile of RR.
    after
        Time from the P wave before over the same.
    """

    interval: float
    after: float


def unconducted_p_waves(low_rate: LowRateSignal, beats: Beats, median: MedianBeat | None) -> tuple[UnconductedP, ...]:
    """The lone P waves of the first minute, at most one an interval; none without a common P wave to compare with."""
    if median is None or median.p is None:
        return ()
    fs_hz = low_rate.fs_hz
    begin, end = ((at - median.r) / median.fs_hz * fs_hz for at in (median.p.onset, median.p.offset))
    signal = low_rate.signal[:, : round(ATRIAL.p_span_s * fs_hz)]
    width = round(end - begin)
    starts = np.rint(low_rate.r + begin).astype(np.int64)
    inside = (starts >= 0) & (starts + width <= signal.shape[1])
    own = starts[inside & beats.measured]
    if width < 5 or len(own) < 3:
        return ()
    template = _level(median_of(signal[:, own[:, None] + np.arange(width)], axis=1))
    likeness = _likeness(signal, template)
    peaks = peaks_apart(likeness, round(ATRIAL.lone_p_apart_s * fs_hz), ATRIAL.lone_p_likeness)
    t_end = ATRIAL.lone_p_t_end_s if median.t is None else (median.t.end - median.r) / median.fs_hz
    usual = quantile(np.diff(low_rate.r), 0.25)
    found = []
    for beat in np.flatnonzero(inside[:-1] & inside[1:] & ~beats.after_gap[1:]):
        first, last = low_rate.r[beat] + t_end * fs_hz, starts[beat + 1] - ATRIAL.lone_p_before_s * fs_hz - width
        between = peaks[(peaks >= first) & (peaks <= last)]
        if len(between):
            best = between[likeness[between].argmax()]
            rr = low_rate.r[beat + 1] - low_rate.r[beat]
            found.append(UnconductedP(float(rr) / usual, float(best - starts[beat]) / usual))
    return tuple(found)


def _level(waves: Float) -> Float:
    """Waves [lead, sample] less their straight lines."""
    line = np.linspace(-1.0, 1.0, waves.shape[1])
    centred = waves - waves.mean(axis=1, keepdims=True)
    level: Float = centred - (centred @ line / (line @ line))[:, None] * line
    return level


def _likeness(signal: Float, template: Float) -> Float:
    """Of the signal from each sample on with a level template [lead, sample], 0 where it is not of its size."""
    n = template.shape[1]
    product = sum(np.correlate(row, wave) for row, wave in zip(signal, template, strict=True))
    # Each window's power about its own straight line, from the sums of x, x² and of x times its place in the window.
    first = np.arange(signal.shape[1] - n + 1)
    total = _window_sums(signal, n)
    tilt = _window_sums(signal * np.arange(signal.shape[1]), n) - total * (first + (n - 1) / 2)
    power = _window_sums((signal**2).sum(axis=0)[None], n)[0]
    power -= (total**2).sum(axis=0) / n + (tilt**2).sum(axis=0) * 12 / (n * (n * n - 1))
    own = float((template**2).sum())
    if own == 0.0:
        return np.zeros(len(power))
    likeness = product / np.maximum(np.sqrt(np.maximum(power, 0.0) * own), own)
    return np.where(product <= ATRIAL.lone_p_height * own, likeness, 0.0)


def _window_sums(rows: Float, n: int) -> Float:
    """Sums of `n` samples from each one on, float64 [row, place]."""
    until = np.zeros((len(rows), rows.shape[1] + 1))
    np.cumsum(rows, axis=1, out=until[:, 1:])
    sums: Float = until[:, n:] - until[:, :-n]
    return sums
