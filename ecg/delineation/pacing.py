"""Pacing spikes: found, and taken out of the signal before anything is measured on it."""

import numpy as np
from numpy.typing import NDArray

from ecg.delineation.crossing import Float

_QUIET_BEFORE = 6  # samples, 12 ms: nothing physiological rises out of a flat line within 2 ms
_WIDTH = 6  # samples, 12 ms: by then the spike has returned
#: Height of a spike over the largest excursion, its rise over the steepest step before it, what of it may remain.
_SPIKE = (0.25, 6.0, 0.4)
#: The same once a pacemaker is known: spikes in the other chamber are smaller.
_SMALL_SPIKE = (0.1, 3.0, 0.8)
MIN_SPIKES = 3  # fewer are artefacts
#: Below this rate recorders smear spikes: at 360 Hz none of the six paced recordings of LUDB shows them.
MIN_FS_HZ = 400.0
#: A recording brought to a higher rate holds nothing above the old one's half: less power in the first band than this
#: share of that in the second. What was recorded at 400 Hz and more has at least 0.03, the simulator 0.005.
_HIGH_HZ, _BELOW_HZ, _EMPTY = (135.0, 195.0), (70.0, 110.0), 0.002


def find_spikes(signal: Float) -> NDArray[np.int64]:
    """Pacing spikes in a signal [lead, sample] at 500 Hz: the sample before each one leaves the line, int64 [spike].

    A spike is a rise of the spatial vector within 2 ms out of a quiet line, that is back near its starting level
    12 ms later. Both ends tell it from a QRS complex, the return also from a step of the recorder.
    """
    if signal.shape[1] < 100 or len(signal) == 0:
        return np.zeros(0, dtype=np.int64)
    step = _size(np.diff(signal, axis=1))
    usual = float(np.percentile(_size(signal), 99))
    spikes = _spikes(signal, step, usual, _SPIKE)
    if len(spikes) >= MIN_SPIKES:
        spikes = _spikes(signal, step, usual, _SMALL_SPIKE)
    return spikes


def spikes_show(signal: NDArray[np.floating], fs_hz: float) -> bool:
    """Whether sampling rate and bandwidth of a recording [lead, sample] are enough for pacing spikes to show."""
    if fs_hz < MIN_FS_HZ:
        return False
    power = np.abs(np.fft.rfft(np.nan_to_num(signal) * np.hanning(signal.shape[1]), axis=1)) ** 2
    hz = np.fft.rfftfreq(signal.shape[1], 1.0 / fs_hz)
    high, below = (power[:, (hz >= low) & (hz < up)].mean(axis=1) for low, up in (_HIGH_HZ, _BELOW_HZ))
    alive = below > 0
    return not alive.any() or float(np.median(high[alive] / below[alive])) >= _EMPTY


def _spikes(signal: Float, step: Float, usual: float, limits: tuple[float, float, float]) -> NDArray[np.int64]:
    height, rise, remainder = limits
    steep = np.flatnonzero(step > height * usual)
    steep = steep[(steep >= 2 * _QUIET_BEFORE) & (steep < len(step) - 2 * _WIDTH)]
    before = step[steep[:, None] + np.arange(-2 * _QUIET_BEFORE, -1)].max(axis=1)
    found: list[int] = []
    for at in steep[step[steep] > rise * before]:
        if found and at - found[-1] < 2 * _WIDTH:
            continue
        away = _size(signal[:, at + 1 : at + _WIDTH + 1] - signal[:, at, None])
        if away[-1] < remainder * away[:3].max():
            found.append(int(at))
    return np.array(found, dtype=np.int64)


def _size(vectors: Float) -> Float:
    """Length of each column of [lead, sample]."""
    size: Float = np.sqrt(np.einsum("ls,ls->s", vectors, vectors))
    return size


def remove_spikes(signal: Float, spikes: NDArray[np.int64]) -> None:
    """Bridge each spike in place with a straight line from 4 ms before it to 16 ms after."""
    for at in spikes:
        left, right = at - 2, at + 8
        weight = np.linspace(0.0, 1.0, right - left + 1)
        signal[:, left : right + 1] = signal[:, left, None] * (1 - weight) + signal[:, right, None] * weight
