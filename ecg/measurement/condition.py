"""A recording made ready for measurement: one rate, no baseline wander, dead leads named."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ecg.dsp import FS_HZ
from ecg.filters import Float, LowPass, filtered, resampled
from ecg.measurement.limits import CONDITIONING
from ecg.measurement.pacing import find_spikes, remove_spikes, spike_rise
from ecg.record import EcgRecord

Complex = NDArray[np.complex128]

#: `frozen` of the records that still exist: measurement and quality ask for it four times.
_FROZEN: WeakKeyDictionary[EcgRecord, Float] = WeakKeyDictionary()
_BASELINE = LowPass(CONDITIONING.high_pass_hz, FS_HZ / CONDITIONING.baseline_block)


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

    @property
    def usable_signal(self) -> Float:
        """The rows of `signal` that are usable; all of them without a copy."""
        return self.signal if self.usable.all() else self.signal[self.usable]


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
        samples = resampled(samples, rate.numerator, rate.denominator)
    samples -= _baseline(samples)
    _remove_hum(samples)
    samples[~usable] = 0.0
    rise = spike_rise(record.fs_hz)
    spikes = find_spikes(samples, rise)
    remove_spikes(samples, spikes, rise)
    return Conditioned(samples, usable, spikes, float(1 / rate), gaps * float(rate))


def without_padding(record: EcgRecord) -> EcgRecord:
    """The recording with NaN where every lead stands still at its start or end for longer than a heart rests.

    Files are padded so, with zeros or with the last value, to a length that a program asks for. More than that is a
    recorder that stopped: the recording is returned as it is.
    """
    last = record.n_samples - 1
    runs = [(int(a), int(b)) for a, b in frozen(record) if a <= 0 or b >= last]
    if not runs or sum(b - a for a, b in runs) > CONDITIONING.max_padding * last:
        return record
    samples = record.signal.copy()
    for a, b in runs:
        # one sample of the run beside the heart is its own
        samples[:, a if a <= 0 else a + 1 : b + 1 if b >= last else b] = np.nan
    return replace(record, signal=samples)


def frozen(record: EcgRecord) -> Float:
    """First and last sample of the stretches in which every lead stands still, float64 [stretch, 2], read-only.

    A recorder that has stopped shows no pause of the heart.
    """
    if (known := _FROZEN.get(record)) is None:
        known = _FROZEN[record] = _stands_still(record)
        known.flags.writeable = False
    return known


def _stands_still(record: EcgRecord) -> Float:
    every = max(1, int(CONDITIONING.frozen_s * record.fs_hz))  # a longer stretch holds one of these places
    if record.n_samples > every and not _may_be_still(record.signal[:, :-1:every] == record.signal[:, 1::every]):
        return np.zeros((0, 2))
    still = record.signal[:, 1:] == record.signal[:, :-1]
    still = still[~still.all(axis=1)]
    if len(still) == 0:
        return np.zeros((0, 2))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], still.all(axis=0), [False]])))
    runs = edges.reshape(-1, 2).astype(np.float64)
    seconds = (runs[:, 1] - runs[:, 0]) / record.fs_hz
    rests = seconds[seconds > CONDITIONING.shortest_rest_s]
    usual = float(np.quantile(rests, 0.75)) if len(rests) >= CONDITIONING.fewest_rests else 0.0
    return runs[seconds > CONDITIONING.frozen_s + CONDITIONING.frozen_times * usual]


def _may_be_still(still: NDArray[np.bool_]) -> bool:
    """Whether all leads that ever move stand still at one of some places; `still` is [lead, place]."""
    moves = still[~still.all(axis=1)]
    return bool(moves.all(axis=0).any())


def _bridge(samples: Float, absent: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bridge missing samples in place; which leads are usable, bool [lead]."""
    usable = np.ones(len(samples), dtype=bool)
    at = np.arange(samples.shape[1])
    for row in np.flatnonzero(absent.any(axis=1)):
        present = ~absent[row]
        if present.mean() < 1 - CONDITIONING.max_missing:
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
    long: Float = edges[edges[:, 1] - edges[:, 0] > CONDITIONING.max_bridge_s * fs_hz] - np.array([0.0, 1.0])
    return long


def _remove_hum(samples: Float) -> None:
    """Subtract mains hum in place: in each lead the sinusoid at the frequency near 50 or 60 Hz, and at twice that, that
    fits it best over the whole recording, where that stands out of the frequencies beside it.
    """
    n = samples.shape[1]
    if n < CONDITIONING.hum_least_s * FS_HZ:
        return
    # A tenth of a second holds whole periods of both mains: what a block has of a line near one of them turns slowly
    # from block to block.
    size = CONDITIONING.hum_block
    n_blocks = n // size
    blocks = samples[:, : n_blocks * size].reshape(len(samples), n_blocks, size) @ _mains_waves()
    for number, mains in enumerate(CONDITIONING.mains_hz):
        at = (blocks[:, :, 2 * number] - 1j * blocks[:, :, 2 * number + 1]) @ _turns(n_blocks)
        power = (np.abs(at) ** 2).sum(axis=0)  # of each frequency, over all leads
        best = int(power[1:-1].argmax()) + 1
        if power[best] < CONDITIONING.hum_stands_out * max(power[0], power[-1]):
            continue
        for harmonic in (1, 2):
            wave = _wave(n, harmonic * (mains + CONDITIONING.hum_offsets_hz[best]))
            samples -= (samples @ wave.T * (2.0 / n)) @ wave


@lru_cache(maxsize=1)
def _mains_waves() -> Float:
    """Cosine and sine of each mains frequency over a block, float64 [sample, 2 * mains]."""
    return np.concatenate([_wave(CONDITIONING.hum_block, mains) for mains in CONDITIONING.mains_hz]).T.copy()


@lru_cache(maxsize=4)
def _turns(n_blocks: int) -> Complex:
    """A turn for each block at each of the offsets from mains frequency, complex128 [block, offset].

    Over what a line loses of its height within a block, in which it turns on.
    """
    block_s, offsets_hz = CONDITIONING.hum_block / FS_HZ, np.array(CONDITIONING.hum_offsets_hz)
    turns: Complex = np.exp(-2j * np.pi * np.arange(n_blocks)[:, None] * block_s * offsets_hz)
    return turns / np.sinc(offsets_hz * block_s)


def _wave(n: int, hz: float) -> Float:
    """Cosine and sine at 500 Hz, float64 [2, n]."""
    angle = 2 * np.pi * hz / FS_HZ * np.arange(n)
    return np.stack([np.cos(angle), np.sin(angle)])


def _baseline(samples: Float) -> Float:
    n = samples.shape[1]
    n_blocks = n // CONDITIONING.baseline_block
    if n_blocks < 10:
        return np.broadcast_to(np.median(samples, axis=1, keepdims=True), samples.shape)
    blocks = samples[:, : n_blocks * CONDITIONING.baseline_block].reshape(
        len(samples), n_blocks, CONDITIONING.baseline_block
    ) @ np.full(CONDITIONING.baseline_block, 1 / CONDITIONING.baseline_block)
    return _stretch(filtered(_BASELINE, blocks, 75), n)


def _stretch(slow: Float, n: int) -> Float:
    """Linear interpolation of block means [lead, block] back to n samples, extended flat at both ends."""
    part = (np.arange(CONDITIONING.baseline_block) + 0.5) / CONDITIONING.baseline_block
    between = np.stack([slow[:, :-1], slow[:, 1:]], axis=2) @ np.stack([1 - part, part])
    stretched = np.empty((len(slow), n))
    half = CONDITIONING.baseline_block // 2
    end = half + between.shape[1] * CONDITIONING.baseline_block
    stretched[:, :half] = slow[:, :1]
    stretched[:, half:end] = between.reshape(len(slow), -1)
    stretched[:, end:] = slow[:, -1:]
    return stretched
