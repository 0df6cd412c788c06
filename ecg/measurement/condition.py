"""A recording made ready for measurement: one rate, no baseline wander, dead leads named."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy import signal as dsp

from ecg.dsp import FS_HZ, Float, filtered, low_pass_filter
from ecg.measurement.pacing import find_spikes, remove_spikes, spike_rise
from ecg.record import EcgRecord

#: A lead with more missing samples than this fraction is left out of every measurement.
MAX_MISSING = 0.2
#: Longer stretches without samples may hide a beat; at most one QRS complex is no longer than this.
MAX_BRIDGE_S = 0.1
#: Samples that stand still in every lead for longer than the first are not the heart's, unless they do so between all
#: beats, as in a recording without noise: then for longer than that and this many times what is usual there.
FROZEN_S, FROZEN_TIMES = 0.4, 2.0
_SHORTEST_REST_S, _FEWEST_RESTS = 0.1, 3
_BLOCK = 20  # samples a block mean: the baseline is estimated at 25 Hz
_BASELINE = low_pass_filter(0.5, FS_HZ / _BLOCK)


@dataclass(frozen=True, eq=False)
class Conditioned:
    """Samples at 500 Hz without baseline wander.

    Attributes
    ----------
    signal
        float64 [lead, sample] in the recording's unit, gaps of missing samples bridged by straight lines.
    usable
        bool [lead]: False for a lead that is flat or mostly missing; its row is zero.
    spikes
        int64 [spike], samples at which pacing spikes stood before they were taken out of `signal`.
    ratio
        Samples of the recording per sample here.
    gaps
        float64 [gap, 2], first and last sample of each stretch of more than 0.1 s that is missing in at least half
        of the usable leads, or is frozen; rising.
    """

    signal: Float
    usable: NDArray[np.bool_]
    spikes: NDArray[np.int64]
    ratio: float
    gaps: Float


def condition(record: EcgRecord) -> Conditioned:
    """The recording at 500 Hz, zero-phase high-passed at 0.5 Hz, pacing spikes removed, as `Conditioned`."""
    samples = record.signal.astype(np.float64)
    absent = np.isnan(samples)
    usable = _bridge(samples, absent)
    gaps = np.concatenate([_gaps(absent[usable], record.fs_hz), frozen(record)])
    gaps = gaps[gaps[:, 0].argsort()]
    # The rate is approximated by a fraction with a small denominator; `ratio` keeps the exact one that was used.
    rate = Fraction(FS_HZ / record.fs_hz).limit_denominator(200)
    if rate != 1:
        samples = dsp.resample_poly(samples, rate.numerator, rate.denominator, axis=1, padtype="line")
    samples -= _baseline(samples)
    samples[~usable] = 0.0
    rise = spike_rise(record.fs_hz)
    spikes = find_spikes(samples, rise)
    remove_spikes(samples, spikes, rise)
    return Conditioned(samples, usable, spikes, float(1 / rate), gaps * float(rate))


def frozen(record: EcgRecord) -> Float:
    """First and last sample of the stretches in which every lead stands still, float64 [stretch, 2].

    A recorder that has stopped shows no pause of the heart.
    """
    still = record.signal[:, 1:] == record.signal[:, :-1]
    still = still[~still.all(axis=1)]
    if len(still) == 0:
        return np.zeros((0, 2))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], still.all(axis=0), [False]])))
    runs = edges.reshape(-1, 2).astype(np.float64)
    seconds = (runs[:, 1] - runs[:, 0]) / record.fs_hz
    rests = seconds[seconds > _SHORTEST_REST_S]
    usual = float(np.quantile(rests, 0.75)) if len(rests) >= _FEWEST_RESTS else 0.0
    return runs[seconds > FROZEN_S + FROZEN_TIMES * usual]


def _bridge(samples: Float, absent: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bridge missing samples in place; which leads are usable, bool [lead]."""
    usable = np.ones(len(samples), dtype=bool)
    at = np.arange(samples.shape[1])
    for row in np.flatnonzero(absent.any(axis=1)):
        present = ~absent[row]
        if present.mean() < 1 - MAX_MISSING:
            usable[row] = False
            samples[row] = 0.0
        else:
            samples[row] = np.interp(at, at[present], samples[row, present])
    varies: NDArray[np.bool_] = samples.max(axis=1) > samples.min(axis=1)
    return usable & varies


def _gaps(absent: NDArray[np.bool_], fs_hz: float) -> Float:
    """First and last sample of the long stretches missing in at least half of the leads, float64 [gap, 2]."""
    if not absent.any():
        return np.zeros((0, 2))
    lost = np.concatenate([[False], absent.mean(axis=0) >= 0.5, [False]])
    edges = np.flatnonzero(np.diff(lost)).reshape(-1, 2)
    long: Float = edges[edges[:, 1] - edges[:, 0] > MAX_BRIDGE_S * fs_hz] - np.array([0.0, 1.0])
    return long


def _baseline(samples: Float) -> Float:
    n = samples.shape[1]
    n_blocks = n // _BLOCK
    if n_blocks < 10:
        return np.broadcast_to(np.median(samples, axis=1, keepdims=True), samples.shape)
    blocks = samples[:, : n_blocks * _BLOCK].reshape(len(samples), n_blocks, _BLOCK) @ np.full(_BLOCK, 1 / _BLOCK)
    return _stretch(filtered(_BASELINE, blocks, 75), n)


def _stretch(slow: Float, n: int) -> Float:
    """Linear interpolation of block means [lead, block] back to n samples, extended flat at both ends."""
    part = (np.arange(_BLOCK) + 0.5) / _BLOCK
    between = np.stack([slow[:, :-1], slow[:, 1:]], axis=2) @ np.stack([1 - part, part])
    stretched = np.empty((len(slow), n))
    half = _BLOCK // 2
    end = half + between.shape[1] * _BLOCK
    stretched[:, :half] = slow[:, :1]
    stretched[:, half:end] = between.reshape(len(slow), -1)
    stretched[:, end:] = slow[:, -1:]
    return stretched
