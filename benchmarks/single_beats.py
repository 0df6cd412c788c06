"""Marks on every beat, for recordings whose beats are wanted one by one."""

from dataclasses import dataclass

import numpy as np

from ecg.filters import Float
from ecg.measurement.beats import Beats
from ecg.measurement.condition import Conditioned
from ecg.measurement.detect import Index
from ecg.measurement.median import BEFORE, MedianBeat, level_beat, median_signal, stack_beats
from ecg.measurement.qrs import qrs_edges
from ecg.measurement.twave import Limit, smoothed, t_wave

#: A beat is delineated on the median of itself and those of its ten neighbours on each side that look most like it.
_NEAR, _MOST, _ALIKE = 10, 7, 0.9
_LEFT, _RIGHT = 40, 70  # samples round R that are compared, 80 and 140 ms
#: A paced complex rises within 100 ms of its spike; 10 ms before it the bridge over the spike can look like its toe.
_SPIKE_REACH, _SPIKE_TOE = 50, 5


@dataclass(frozen=True, eq=False)
class BeatMarks:
    """Global marks of each beat in samples of the recording, float64 [beat], NaN where there is none."""

    qrs_onset: Float
    qrs_offset: Float
    t_end: Float


def mark_beats(conditioned: Conditioned, beats: Beats, median: MedianBeat | None) -> BeatMarks:
    """QRS onset, QRS offset and T end of every beat. `beats` is in 500 Hz samples, the marks in the recording's.

    Beats are smoothed by the median over their look-alikes near by, aligned on R; one like no other stands alone. A
    paced complex begins with its spike, as annotators have it.
    """
    r = beats.r_samples
    signal = conditioned.signal[conditioned.usable]
    marks = np.full((3, len(r)), np.nan)
    shapes = _shapes(signal, r)
    p_lead = None if median is None or median.p is None else median.r - median.p.onset
    for beat in range(len(r)):
        alike = _look_alikes(shapes, beat)
        averaged = level_beat(median_signal(stack_beats(signal, r[alike])))
        edges = qrs_edges(averaged, BEFORE)
        if edges is None:
            continue
        spikes = conditioned.spikes - r[beat] + BEFORE
        near = spikes[(spikes > edges.onset - _SPIKE_REACH) & (spikes <= edges.onset + _SPIKE_TOE)]
        onset = near[-1] if len(near) else edges.onset
        rr = float(r[beat + 1] - r[beat]) if beat + 1 < len(r) else float(np.median(np.diff(r, prepend=0)))
        limit = rr - 5 + (edges.onset if p_lead is None else BEFORE - p_lead)
        t = t_wave(smoothed(averaged, BEFORE), edges.offset, rr, Limit(limit))
        marks[:, beat] = onset, edges.offset, np.nan if t is None else t.end
    return BeatMarks(*((marks + r - BEFORE) * conditioned.ratio))


def _shapes(signal: Float, r: Index) -> Float:
    """The QRS complex of each beat, lead after lead and each about zero, scaled to length one; [beat, sample]."""
    at = np.clip(r[:, None] + np.arange(-_LEFT, _RIGHT), 0, signal.shape[1] - 1)
    pieces = signal[:, at].transpose(1, 0, 2)
    shapes = (pieces - pieces.mean(axis=2, keepdims=True)).reshape(len(r), -1)
    length = np.sqrt((shapes**2).sum(axis=1, keepdims=True))
    unit: Float = shapes / np.where(length > 0, length, 1.0)
    return unit


def _look_alikes(shapes: Float, beat: int) -> Index:
    """An odd number of beats, `beat` the first, that correlate with it; int64 [beat]."""
    first = max(0, min(beat - _NEAR, len(shapes) - 2 * _NEAR - 1))
    likeness = shapes[first : first + 2 * _NEAR + 1] @ shapes[beat]
    likeness[beat - first] = np.inf
    alike = np.argsort(-likeness)[: min(_MOST, int((likeness >= _ALIKE).sum()))]
    odd: Index = first + alike[: len(alike) - 1 + len(alike) % 2]
    return odd
