"""Pacing spikes: found, and taken out of the signal before anything is measured on it."""

import numpy as np
from numpy.typing import NDArray

from ecg.delineation.crossing import Float

_QUIET_BEFORE = 6  # samples, 12 ms: nothing physiological rises out of a flat line within 2 ms
_WIDTH = 6  # samples, 12 ms: by then the spike has returned
_RISE_OVER_BEFORE = 6.0
_SHARE_OF_QRS = 0.25  # a spike's height over the recording's largest excursion


def find_spikes(signal: Float) -> NDArray[np.int64]:
    """Pacing spikes in a signal [lead, sample] at 500 Hz: the sample before each one leaves the line, int64 [spike].

    A spike is a rise of the spatial vector within 2 ms out of a quiet line, that is back near its starting level
    12 ms later. Both ends tell it from a QRS complex, the return also from a step of the recorder.
    """
    n = signal.shape[1]
    if n < 100 or len(signal) == 0:
        return np.zeros(0, dtype=np.int64)
    step = np.sqrt((np.diff(signal, axis=1) ** 2).sum(axis=0))
    size = np.sqrt((signal**2).sum(axis=0))
    enough = _SHARE_OF_QRS * np.percentile(size, 99)
    found: list[int] = []
    for at in np.flatnonzero(step > enough):
        if at < 2 * _QUIET_BEFORE or at + 2 * _WIDTH >= n or (found and at - found[-1] < 2 * _WIDTH):
            continue
        before = step[at - 2 * _QUIET_BEFORE : at - 1].max()
        top = np.sqrt(((signal[:, at + 1 : at + 4] - signal[:, at, None]) ** 2).sum(axis=0)).max()
        rest = np.sqrt(((signal[:, at + _WIDTH] - signal[:, at]) ** 2).sum())
        if step[at] > _RISE_OVER_BEFORE * before and rest < 0.4 * top:
            found.append(int(at))
    return np.array(found, dtype=np.int64)


def remove_spikes(signal: Float, spikes: NDArray[np.int64]) -> None:
    """Bridge each spike in place with a straight line from 4 ms before it to 16 ms after."""
    for at in spikes:
        left, right = at - 2, at + 8
        weight = np.linspace(0.0, 1.0, right - left + 1)
        signal[:, left : right + 1] = signal[:, left, None] * (1 - weight) + signal[:, right, None] * weight
