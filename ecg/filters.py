"""Zero-phase filters, running means and the change of the sampling rate, over the last axis of arrays.

In NumPy: `scipy.signal` and what it imports cost each process of the service 78 MB and 1.5 s at its start, for these
few functions (docs/decisions/0070).
"""

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log, pi, sqrt, tan
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Single = NDArray[np.float32]
Complex = NDArray[np.complex128]
Floating = TypeVar("Floating", bound=np.floating)
Ends = Literal["symmetric", "edge", "constant"]  # beyond the ends: turned over, the last value, zeros

_SILENT = 1e-16  # of a response: what is left of it when it is cut off
_LONGEST = 1 << 26  # samples of a Fourier transform
_FAST = sorted(n for a in range(27) for b in range(17) for c in range(12) if (n := 2**a * 3**b * 5**c) <= _LONGEST)
_TAPS_EACH_SIDE = 10  # of the resampling filter, in samples of the lower rate
_KAISER_BETA = 5.0
_AT_A_TIME = 1 << 16  # samples of each lead that are copied for it at once
_BLOCK = 64  # samples, at least, that are resampled by one matrix product


@dataclass(frozen=True)
class LowPass:
    """A second-order Butterworth low-pass by its corner (half power, in Hz) and the sampling rate it works at."""

    cutoff_hz: float
    fs_hz: float

    def __post_init__(self) -> None:
        if not 0 < self.cutoff_hz < self.fs_hz / 2:
            raise ValueError(f"a corner of {self.cutoff_hz:g} Hz does not lie below half of {self.fs_hz:g} Hz")

    @property
    def settles(self) -> int:
        """Samples after which its response has died away."""
        return ceil(2 * log(_SILENT) / log(self.poles[1]))

    @property
    def poles(self) -> tuple[float, float]:
        """What the last output and the one before it take away from the next, by the bilinear transform."""
        corner = tan(pi * self.cutoff_hz / self.fs_hz)
        scale = 1 / (1 + sqrt(2) * corner + corner**2)
        return 2 * (corner**2 - 1) * scale, (1 - sqrt(2) * corner + corner**2) * scale


def filtered(low_pass: LowPass, signal: Float, pad: int = 9) -> Float:
    """The signal [lead, sample] through the low-pass forwards and backwards: no phase shift.

    `pad` samples are mirrored at each end, fewer in a shorter signal, and each way begins as if its first sample had
    been there for ever.
    """
    n = signal.shape[1]
    pad = min(pad, n - 1)
    smooth = mirrored(signal, pad)
    length = fast_length(smooth.shape[1] + low_pass.settles)
    response = _response(low_pass, length)
    for _ in range(2):
        first = smooth[:, :1]
        spectrum = np.fft.rfft(smooth - first, length, axis=1)
        spectrum *= response
        smooth = (np.fft.irfft(spectrum, length, axis=1)[:, : n + 2 * pad] + first)[:, ::-1]
    both_ways: Float = smooth[:, pad : n + pad]
    return both_ways


def band_passed(signal: NDArray[Floating], low_hz: float, high_hz: float, fs_hz: float) -> NDArray[Floating]:
    """The signal [lead, sample] through a second-order Butterworth band-pass forwards and backwards, by its spectrum.

    Within half a second of the ends, which are mirrored there, it differs from a filter that runs along the samples.
    """
    n = signal.shape[1]
    pad = min(round(fs_hz / 2), n - 1)
    padded = mirrored(signal, pad)
    # Without the line between its ends the signal goes round without a jump; the band has no part of a line.
    padded -= _line(padded, np.linspace(0.0, 1.0, n + 2 * pad))
    length = fast_length(n + 2 * pad)
    spectrum = np.fft.rfft(padded, length, axis=1)
    spectrum *= _gain(length, low_hz, high_hz, fs_hz, signal.dtype)
    band = np.fft.irfft(spectrum, length, axis=1)[:, pad : n + pad]
    return band.astype(signal.dtype, copy=False)


def mirrored(signal: NDArray[Floating], pad: int) -> NDArray[Floating]:
    """The signal [lead, sample] with `pad` samples before and after it, turned about its first and last one."""
    before, after = 2 * signal[:, :1] - signal[:, pad:0:-1], 2 * signal[:, -1:] - signal[:, -2 : -pad - 2 : -1]
    return np.concatenate([before, signal, after], axis=1)


def running_mean(signal: NDArray[Floating], size: int, ends: Ends = "symmetric") -> NDArray[Floating]:
    """Mean of the `size` samples around each one of the last axis; of an even number one more lies before it."""
    before, after = size // 2, size - size // 2 - 1
    n = signal.shape[-1]
    at = np.arange(-before - 1, n + after)
    if ends == "symmetric":
        at = np.minimum(at % (2 * n), -1 - at % (2 * n) + 2 * n)
    around = signal.take(at, axis=-1, mode="clip")
    if ends == "constant":
        around[..., (at < 0) | (at >= n)] = 0
    total = np.cumsum(around, axis=-1, dtype=np.float64)
    mean: NDArray[Floating] = ((total[..., size:] - total[..., :-size]) / size).astype(signal.dtype)
    return mean


def resampled(signal: Float, up: int, down: int) -> Float:
    """The signal [lead, sample] at `up / down` times its rate, float64 [lead, ceil(n * up / down)].

    A windowed sinc (Kaiser, β = 5, ten samples of the lower rate to each side) without what the lower rate cannot
    hold; the line between the ends is taken out before, so that nothing jumps there.
    """
    n = signal.shape[1]
    n_new = -(-n * up // down)
    together = max(1, _BLOCK // down)  # so that a block is long beside the samples around it
    taps, before = _taps(up * together, down * together, up)
    n_blocks = -(-n // (down * together))
    padded = np.zeros((len(signal), (n_blocks - 1) * down * together + taps.shape[0]))
    for row, lead in zip(padded, signal, strict=True):  # one by one: a copy of all leads can be hundreds of megabytes
        row[before : before + n] = lead - _line(lead, np.arange(n) / max(n - 1, 1))
    blocks = np.lib.stride_tricks.sliding_window_view(padded, taps.shape[0], axis=1)[:, :: down * together]
    by_block = np.empty((len(signal), n_blocks, taps.shape[1]))
    step = max(1, _AT_A_TIME // taps.shape[0])
    for first in range(0, n_blocks, step):  # a block with what is around it can be several times as long
        by_block[:, first : first + step] = np.ascontiguousarray(blocks[:, first : first + step]) @ taps
    new = by_block.reshape(len(signal), -1)[:, :n_new]
    new += _line(signal, np.arange(n_new) * (down / (up * max(n - 1, 1))))
    return new


def _line(signal: NDArray[Floating], along: Float) -> NDArray[Floating]:
    """The line between the ends of [..., sample], at places of which 0 is the first sample and 1 the last."""
    line: NDArray[Floating] = signal[..., -1:] - signal[..., :1]
    line = line * along.astype(signal.dtype, copy=False)
    line += signal[..., :1]
    return line


def fast_length(n: int) -> int:
    """The next number of samples of which a Fourier transform is quick: of the factors 2, 3 and 5 only."""
    return _FAST[bisect_left(_FAST, n)] if n <= _LONGEST else n


@lru_cache(maxsize=32)
def _response(low_pass: LowPass, length: int) -> Complex:
    """What the low-pass makes of each frequency of a spectrum, complex128 [frequency]."""
    last, before = low_pass.poles
    back = np.exp(-2j * pi * np.arange(length // 2 + 1) / length)  # one sample back
    response: Complex = (1 + last + before) / 4 * (1 + back) ** 2 / (1 + last * back + before * back**2)
    return response


@lru_cache(maxsize=16)
def _gain(length: int, low_hz: float, high_hz: float, fs_hz: float, dtype: np.dtype[Floating]) -> NDArray[Floating]:
    """The squared magnitude of the band-pass at each frequency of a spectrum, [frequency] of the `dtype`."""
    low, high = tan(pi * low_hz / fs_hz), tan(pi * high_hz / fs_hz)
    at = np.tan(pi * np.arange(length // 2 + 1) / length)
    at[0] = np.finfo(float).tiny ** 0.25  # nothing of the level passes, and nothing is divided by zero
    gain: Float = 1 / (1 + ((at**2 - low * high) / ((high - low) * at)) ** 4)
    return gain.astype(dtype)


@lru_cache(maxsize=16)
def _taps(up: int, down: int, places: int) -> tuple[Float, int]:
    """What each sample of a block of `down` and of those around it gives to `up` new ones, float64 [sample, new], and
    how many samples before the block there are. `places` is the number of different places between two samples.
    """
    steps = max(places, places * down // up)  # of the common multiple of the two rates in a sample of the lower one
    reach = _TAPS_EACH_SIDE * steps
    half = -(-reach // places)
    sample, new = np.arange(-half, down + half + 1), np.arange(up)
    apart = (new * down * places // up)[None, :] - sample[:, None] * places
    inside = np.abs(apart) <= reach
    window = np.i0(_KAISER_BETA * np.sqrt(np.where(inside, 1 - (apart / reach) ** 2, 0.0)))
    weights = np.where(inside, np.sinc(apart / steps) * window, 0.0)
    return weights / weights.sum(axis=0), half  # a level stays what it is
