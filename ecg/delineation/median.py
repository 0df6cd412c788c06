"""The median beat: every lead's sample-wise median over the dominant beats, with its fiducial points."""

from dataclasses import dataclass

import numpy as np

from ecg.beats import Index
from ecg.delineation.condition import FS_HZ, Conditioned, Float

BEFORE = 225  # samples before R: 450 ms, room for a PR of 320 ms and some baseline
AFTER = 350  # samples after R: 700 ms, room for a QT of 650 ms


@dataclass(frozen=True, eq=False)
class MedianBeat:
    """The representative beat of a recording.

    Attributes
    ----------
    signal
        float64 [lead, sample], the recording's unit, zero at the isoelectric stretch before the QRS complex.
    leads
        Name of each row.
    fs_hz
        Sampling rate of `signal` in Hz.
    r
        Sample of the R fiducial.
    n_beats
        How many beats went into it.
    p_onset, p_peak, p_offset, qrs_onset, qrs_offset, t_peak, t_end
        Global fiducial points in samples of `signal`, not rounded; None where the wave was not found.
    """

    signal: Float
    leads: tuple[str, ...]
    fs_hz: float
    r: int
    n_beats: int
    p_onset: float | None
    p_peak: float | None
    p_offset: float | None
    qrs_onset: float | None
    qrs_offset: float | None
    t_peak: float | None
    t_end: float | None


def stack_beats(conditioned: Conditioned, r: Index) -> Float:
    """Beats cut around R, float64 [beat, lead, sample]; samples outside the recording are NaN."""
    index = r[:, None] + np.arange(-BEFORE, AFTER)
    n = conditioned.signal.shape[1]
    beats: Float = conditioned.signal[:, np.clip(index, 0, n - 1)].transpose(1, 0, 2).copy()
    outside = (index < 0) | (index >= n)
    if outside.any():
        beats[np.broadcast_to(outside[:, None, :], beats.shape)] = np.nan
    return beats


def median_signal(beats: Float) -> Float:
    """Sample-wise median over beats, float64 [lead, sample]; where no beat reaches, the nearest value is held."""
    if not np.isnan(beats).any():
        return np.median(beats, axis=0)
    covered = ~np.isnan(beats[:, 0, :]).all(axis=0)
    median = np.zeros(beats.shape[1:])
    median[:, covered] = np.nanmedian(beats[:, :, covered], axis=0)
    first, last = np.flatnonzero(covered)[[0, -1]]
    median[:, :first] = median[:, first, None]
    median[:, last + 1 :] = median[:, last, None]
    return median


def milliseconds(samples: float) -> float:
    """Samples of the conditioned signal as milliseconds."""
    return samples * 1000.0 / FS_HZ
