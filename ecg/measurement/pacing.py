"""Pacing spikes: found, and taken out of the signal before anything is measured on it."""

import numpy as np
from numpy.typing import NDArray

from ecg.dsp import FS_HZ, median, quantile
from ecg.filters import Float
from ecg.measurement.limits import SPIKES


def spike_rise(fs_hz: float) -> int:
    """Samples at 500 Hz in which a spike rises in a recording made at `fs_hz`; 0 where it cannot be told from a QRS.

    Within 2 ms where the recorder is quick enough; a slow one smears it over two of its own samples each way.
    """
    if fs_hz >= SPIKES.unsmeared_hz:
        return 1
    return round(2 * FS_HZ / fs_hz) if fs_hz >= SPIKES.min_fs_hz else 0


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
    usual = quantile(_size(signal), 0.99)
    spikes = _spikes(signal, step, usual, (SPIKES.height, SPIKES.over_before, SPIKES.remainder), rise)
    if rise > 1 and len(spikes) < signal.shape[1] / (SPIKES.smeared_every_s * FS_HZ):
        return np.zeros(0, dtype=np.int64)
    if len(spikes) >= SPIKES.min_spikes:
        small = (SPIKES.small_height, SPIKES.small_over_before, SPIKES.small_remainder)
        spikes = _spikes(signal, step, usual, small, rise)
    return spikes


def small_spikes(signal: Float, r: NDArray[np.int64], fs_hz: float) -> NDArray[np.int64]:
    """Spikes too small for `find_spikes`, as those of bipolar leads are: one before each R, int64 [beat], or none.

    What a beat has above 120 Hz, over the height of its lead and in the third-best lead, is greatest at its spike, and
    that stands at one time before R. In other beats it is greatest in the complex itself, and noise has no time of its
    own. The fourth difference is the high-pass.
    """
    before, after = SPIKES.small_before, SPIKES.small_after
    r = r[(r >= before + 2) & (r < signal.shape[1] - after - 2)]
    if fs_hz < SPIKES.sure_fs_hz or len(r) < SPIKES.min_spikes or len(signal) < SPIKES.small_leads:
        return r[:0]
    pieces = signal[:, r[:, None] + np.arange(-before - 2, after + 3)]
    high = np.abs(np.diff(pieces, 4, axis=2)) / 16.0
    height = np.ptp(pieces, axis=2).max(axis=1)
    high /= np.where(height > 0, height, np.inf)[:, None, None]
    best = np.sort(high.max(axis=2), axis=0)[-SPIKES.small_leads]
    total = high.sum(axis=0)
    at = (total >= SPIKES.small_first * total.max(axis=1, keepdims=True)).argmax(axis=1) - before
    usual = float(median(at.astype(np.float64)))
    steady = float(median(np.abs(at - usual))) <= SPIKES.small_spread
    if not steady or usual > -SPIKES.small_latest or float(median(best)) < SPIKES.small_score:
        return r[:0]
    spikes: NDArray[np.int64] = (r + at)[np.abs(at - usual) <= 2 * SPIKES.small_spread]
    return spikes - 1


def spikes_show(signal: NDArray[np.floating], fs_hz: float, low_pass_hz: float | None = None) -> bool:
    """Whether sampling rate and bandwidth of a recording [lead, sample] are enough for pacing spikes to show.

    `low_pass_hz` is the low-pass that its file names: what is left above a gentle one looks like a full bandwidth.
    """
    if fs_hz < SPIKES.sure_fs_hz or (low_pass_hz is not None and low_pass_hz < SPIKES.sure_low_pass_hz):
        return False
    power = np.abs(np.fft.rfft(np.nan_to_num(signal) * np.hanning(signal.shape[1]), axis=1)) ** 2
    hz = np.fft.rfftfreq(signal.shape[1], 1.0 / fs_hz)
    bands = ((SPIKES.high_from_hz, SPIKES.high_to_hz), (SPIKES.below_from_hz, SPIKES.below_to_hz))
    high, below = (power[:, (hz >= low) & (hz < up)].mean(axis=1) for low, up in bands)
    alive = below > 0
    return not alive.any() or float(median(high[alive] / below[alive])) >= SPIKES.empty


def _spikes(
    signal: Float, step: Float, usual: float, limits: tuple[float, float, float], rise: int
) -> NDArray[np.int64]:
    height, over_before, remainder = limits
    width = _width(rise)
    steep = np.flatnonzero(step > height * usual)
    steep = steep[(steep >= SPIKES.quiet_before + rise) & (steep < len(step) - 2 * width)]
    before = step[steep[:, None] + np.arange(1 - rise - SPIKES.quiet_before, -rise)].max(axis=1)
    found: list[int] = []
    for at in steep[step[steep] > over_before * before]:
        if found and at - found[-1] < 2 * width:
            continue
        away = _size(signal[:, at + 1 : at + width + 1] - signal[:, at, None])
        top = at + 1 + int(away[: width // 2].argmax())
        stops = rise == 1 or step[top + 1 : top + rise + 3].min() < SPIKES.stops * step[at:top].max()
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
        left, right = max(0, at - 1 - rise), min(at + _width(rise) + 2, signal.shape[1] - 1)
        weight = np.linspace(0.0, 1.0, right - left + 1)
        signal[:, left : right + 1] = signal[:, left, None] * (1 - weight) + signal[:, right, None] * weight
