"""Pacing spikes: found, and taken out of the signal before anything is measured on it."""

import numpy as np
from numpy.typing import NDArray

from ecg.dsp import FS_HZ, Float

_QUIET_BEFORE = 12  # samples, 24 ms
_UNSMEARED_HZ, _MIN_HZ = 450.0, 240.0
#: Height of a spike over the largest excursion, its rise over the steepest step before it, what of it may remain.
_SPIKE = (0.25, 6.0, 0.4)
#: The same once a pacemaker is known: spikes in the other chamber are smaller.
_SMALL_SPIKE = (0.1, 3.0, 0.8)
_STOPS = 0.3  # the step after a smeared spike over the steepest step of the spike
MIN_SPIKES = 3  # fewer are artefacts
_SMEARED_EVERY_S = 10.0  # rarer smeared ones are artefacts, or odd beats, of a long recording
#: Below this rate recorders smear spikes, and not all are found: at 250 Hz five of the six paced recordings of LUDB.
MIN_FS_HZ = 400.0
#: A recording brought to a higher rate holds nothing above the old one's half: less power in the first band than this
#: share of that in the second. What was recorded at 400 Hz and more has at least 0.03, the simulator 0.005.
_HIGH_HZ, _BELOW_HZ, _EMPTY = (135.0, 195.0), (70.0, 110.0), 0.002


def spike_rise(fs_hz: float) -> int:
    """Samples at 500 Hz in which a spike rises in a recording made at `fs_hz`; 0 where it cannot be told from a QRS.

    Within 2 ms where the recorder is quick enough; a slow one smears it over two of its own samples each way.
    """
    if fs_hz >= _UNSMEARED_HZ:
        return 1
    return round(2 * FS_HZ / fs_hz) if fs_hz >= _MIN_HZ else 0


def find_spikes(signal: Float, rise: int) -> NDArray[np.int64]:
    """Pacing spikes in a signal [lead, sample] at 500 Hz: the sample before each one leaves the line, int64 [spike].

    A spike is a rise of the spatial vector within `rise` samples out of a quiet line, that is back near its starting
    level after twice that and 8 ms. Nothing physiological rises out of a flat line within 2 ms. Both ends tell it from
    a QRS complex, the return also from a step of the recorder. A smeared spike is hardly shorter than the R wave of a
    narrow complex; but such an R wave goes straight on into S, whereas the return of a spike stops.
    """
    if signal.shape[1] < 100 or len(signal) == 0 or rise == 0:
        return np.zeros(0, dtype=np.int64)
    step = _size(signal[:, rise:] - signal[:, :-rise])
    usual = float(np.percentile(_size(signal), 99))
    spikes = _spikes(signal, step, usual, _SPIKE, rise)
    if rise > 1 and len(spikes) < signal.shape[1] / (_SMEARED_EVERY_S * FS_HZ):
        return np.zeros(0, dtype=np.int64)
    if len(spikes) >= MIN_SPIKES:
        spikes = _spikes(signal, step, usual, _SMALL_SPIKE, rise)
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


def _spikes(
    signal: Float, step: Float, usual: float, limits: tuple[float, float, float], rise: int
) -> NDArray[np.int64]:
    height, over_before, remainder = limits
    width = _width(rise)
    steep = np.flatnonzero(step > height * usual)
    steep = steep[(steep >= _QUIET_BEFORE + rise) & (steep < len(step) - 2 * width)]
    before = step[steep[:, None] + np.arange(1 - rise - _QUIET_BEFORE, -rise)].max(axis=1)
    found: list[int] = []
    for at in steep[step[steep] > over_before * before]:
        if found and at - found[-1] < 2 * width:
            continue
        away = _size(signal[:, at + 1 : at + width + 1] - signal[:, at, None])
        top = at + 1 + int(away[: width // 2].argmax())
        stops = rise == 1 or step[top + 1 : top + rise + 3].min() < _STOPS * step[at:top].max()
        if stops and away[-1] < remainder * away[: width // 2].max():
            found.append(int(at))
    return np.array(found, dtype=np.int64)


def _width(rise: int) -> int:
    """Samples after which a spike has returned: 12 ms for a sharp one."""
    return 2 * rise + 4


def _size(vectors: Float) -> Float:
    """Length of each column of [lead, sample]."""
    size: Float = np.sqrt(np.einsum("ls,ls->s", vectors, vectors))
    return size


def remove_spikes(signal: Float, spikes: NDArray[np.int64], rise: int) -> None:
    """Bridge each spike in place with a straight line from before it to 4 ms after its return."""
    for at in spikes:
        left, right = at - 1 - rise, at + _width(rise) + 2
        weight = np.linspace(0.0, 1.0, right - left + 1)
        signal[:, left : right + 1] = signal[:, left, None] * (1 - weight) + signal[:, right, None] * weight
