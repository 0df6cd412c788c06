"""P waves that no QRS complex follows, found by their likeness to those that one does."""

from dataclasses import dataclass

import numpy as np
from scipy import signal as dsp

from ecg.findings.atrial import P_SPAN_S
from ecg.findings.low_rate import Float, Reduced
from ecg.measurement.beats import Beats
from ecg.measurement.median import MedianBeat

LIKE_P = 0.8  # correlation over all leads; a lower wave counts for as much as it is high
HIGHEST = 1.8  # times the P wave's size: what is larger is a T wave
_APART_S, _BEFORE_P_S = 0.25, 0.1
_USUAL_T_END_S = 0.42


@dataclass(frozen=True)
class LoneP:
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


def lone_p_waves(reduced: Reduced, beats: Beats, median: MedianBeat | None) -> tuple[LoneP, ...]:
    """The lone P waves of the first minute, at most one an interval; none without a common P wave to compare with."""
    if median is None or median.p_onset is None or median.p_offset is None:
        return ()
    fs_hz = reduced.fs_hz
    begin, end = ((at - median.r) / median.fs_hz * fs_hz for at in (median.p_onset, median.p_offset))
    signal = reduced.signal[:, : round(P_SPAN_S * fs_hz)]
    width = round(end - begin)
    starts = np.rint(reduced.r + begin).astype(np.int64)
    inside = (starts >= 0) & (starts + width <= signal.shape[1])
    own = starts[inside & beats.measured]
    if width < 5 or len(own) < 3:
        return ()
    template = _level(np.median(signal[:, own[:, None] + np.arange(width)], axis=1))
    likeness = _likeness(signal, template)
    peaks = dsp.find_peaks(likeness, height=LIKE_P, distance=round(_APART_S * fs_hz))[0]
    t_end = _USUAL_T_END_S if median.t_end is None else (median.t_end - median.r) / median.fs_hz
    usual = float(np.quantile(np.diff(reduced.r), 0.25))
    found = []
    for beat in np.flatnonzero(inside[:-1] & inside[1:] & ~beats.after_gap[1:]):
        first, last = reduced.r[beat] + t_end * fs_hz, starts[beat + 1] - _BEFORE_P_S * fs_hz - width
        between = peaks[(peaks >= first) & (peaks <= last)]
        if len(between):
            best = between[likeness[between].argmax()]
            rr = reduced.r[beat + 1] - reduced.r[beat]
            found.append(LoneP(float(rr) / usual, float(best - starts[beat]) / usual))
    return tuple(found)


def _level(waves: Float) -> Float:
    """Waves [lead, sample] less their straight lines."""
    level: Float = dsp.detrend(waves, axis=1)
    return level


def _likeness(signal: Float, template: Float) -> Float:
    """Of the signal from each sample on with a level template [lead, sample], 0 where it is not of its size."""
    n = template.shape[1]
    line = np.linspace(-1.0, 1.0, n)
    line /= np.sqrt(line @ line)
    product = sum(np.correlate(row, wave) for row, wave in zip(signal, template, strict=True))
    power = np.zeros(signal.shape[1] - n + 1)
    for row in signal:
        power += np.correlate(row**2, np.ones(n)) - np.correlate(row, np.ones(n)) ** 2 / n
        power -= np.correlate(row, line) ** 2
    own = float((template**2).sum())
    if own == 0.0:
        return np.zeros(len(power))
    likeness = product / np.maximum(np.sqrt(np.maximum(power, 0.0) * own), own)
    return np.where(product <= HIGHEST * own, likeness, 0.0)
