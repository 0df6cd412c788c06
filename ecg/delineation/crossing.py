"""Where a slope signal falls under a threshold: the one primitive all edges are made of. All at 500 Hz."""

import numpy as np
from numpy.typing import NDArray
from scipy import signal as dsp

Float = NDArray[np.float64]
FS_HZ = 500.0


def low_pass_filter(cutoff_hz: float, fs_hz: float = FS_HZ) -> Float:
    """Second-order sections of a second-order Butterworth low-pass, for `sosfiltfilt`."""
    sections: Float = dsp.butter(2, cutoff_hz, fs=fs_hz, output="sos")
    return sections


def filtered(sections: Float, signal: Float) -> Float:
    """The signal [lead, sample] through second-order sections forwards and backwards: no phase shift."""
    smooth: Float = dsp.sosfiltfilt(sections, signal, axis=1)
    return smooth


def rank(values: Float, share: float) -> Float:
    """The order statistic at a share (0 to 1) of the last axis; a quantile without interpolation."""
    at = int(share * (values.shape[-1] - 1))
    statistic: Float = np.partition(values, at, axis=-1)[..., at]
    return statistic


def slopes(signal: Float) -> Float:
    """Magnitude of the central difference, float64 [lead, sample], unit per sample."""
    slope = np.empty_like(signal)
    slope[:, 1:-1] = (signal[:, 2:] - signal[:, :-2]) / 2
    slope[:, 0], slope[:, -1] = slope[:, 1], slope[:, -2]
    return np.abs(slope)


def falls_after(values: Float, start: NDArray[np.int64], threshold: Float, hold: int) -> Float:
    """First position at or after `start` from which a row stays under its threshold for `hold` samples.

    `values` is [row, sample], `start` and `threshold` [row]. Returns float64 [row], interpolated between samples; NaN
    where it never happens.
    """
    n = values.shape[1]
    count = np.zeros((len(values), n + 1), dtype=np.int64)
    np.cumsum(values < threshold[:, None], axis=1, out=count[:, 1:])
    held = count[:, hold:] - count[:, :-hold] == hold
    held &= np.arange(held.shape[1]) >= start[:, None]
    at = held.argmax(axis=1)
    rows = np.arange(len(values))
    found = held[rows, at]
    before, here = values[rows, np.maximum(at - 1, 0)], values[rows, at]
    step = before - here
    crossed = (at > start) & (step > 0) & (before >= threshold)
    part = np.where(crossed, (threshold - here) / np.where(step > 0, step, 1.0), 0.0)
    position: Float = np.where(found, at - part, np.nan)
    return position


def falls_before(values: Float, start: NDArray[np.int64], threshold: Float, hold: int) -> Float:
    """`falls_after`, looking from `start` towards the first sample."""
    last = values.shape[1] - 1
    position: Float = last - falls_after(values[:, ::-1], last - start, threshold, hold)
    return position


def lead_spread(positions: Float) -> float | None:
    """Robust SD of single leads' positions (1.48 times the median distance from their median); None for under three."""
    found = positions[~np.isnan(positions)]
    return float(1.4826 * np.median(np.abs(found - np.median(found)))) if len(found) >= 3 else None
