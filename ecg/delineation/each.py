"""Marks on every beat, for recordings whose beats are wanted one by one."""

from dataclasses import dataclass

import numpy as np

from ecg.beats import Beats
from ecg.delineation.condition import Conditioned
from ecg.delineation.crossing import Float
from ecg.delineation.median import BEFORE, MedianBeat, level_beat, median_signal, stack_beats
from ecg.delineation.qrs import qrs_edges
from ecg.delineation.twave import smoothed, t_wave

_NEIGHBOURS = 3  # a beat is delineated on the median of itself and its nearest look-alikes


@dataclass(frozen=True, eq=False)
class BeatMarks:
    """Global marks of each beat in samples of the recording, float64 [beat], NaN where there is none."""

    qrs_onset: Float
    qrs_offset: Float
    t_end: Float


def mark_beats(conditioned: Conditioned, beats: Beats, median: MedianBeat | None) -> BeatMarks:
    """QRS onset, QRS offset and T end of every beat. `beats` is in 500 Hz samples, the marks in the recording's.

    Beats of the measured class are smoothed by the median over their nearest neighbours of that class, aligned on R;
    every other beat stands alone.
    """
    r = beats.r_samples
    marks = np.full((3, len(r)), np.nan)
    pool = np.flatnonzero(beats.measured)
    p_lead = None if median is None or median.p_onset is None else median.r - median.p_onset
    for beat in range(len(r)):
        among = np.array([beat])
        if beats.measured[beat] and len(pool) >= _NEIGHBOURS:
            at = int(np.clip(np.searchsorted(pool, beat) - _NEIGHBOURS // 2, 0, len(pool) - _NEIGHBOURS))
            among = pool[at : at + _NEIGHBOURS]
        signal = level_beat(median_signal(stack_beats(conditioned.signal[conditioned.usable], r[among])))
        edges = qrs_edges(signal, BEFORE)
        if edges is None:
            continue
        rr = float(r[beat + 1] - r[beat]) if beat + 1 < len(r) else float(np.median(np.diff(r, prepend=0)))
        limit = rr - 5 + (edges.onset if p_lead is None else BEFORE - p_lead)
        t = t_wave(smoothed(signal), BEFORE, edges.offset, rr, limit)
        marks[:, beat] = edges.onset, edges.offset, np.nan if t is None else t.end
    return BeatMarks(*((marks + r - BEFORE) * conditioned.ratio))
