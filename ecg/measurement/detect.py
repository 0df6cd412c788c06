"""Where the QRS complexes are, from all leads at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal as dsp
from scipy.ndimage import median_filter, uniform_filter1d
from sleepecg import detect_heartbeats

from ecg.dsp import FS_HZ, Float, band_passed, block_means, median

Index = NDArray[np.int64]

_FS_HZ = 250.0  # detection runs at half the rate of everything else
_BAND_HZ = (8.0, 30.0)
_QRS_S = 0.1  # slope energy is averaged over the length of a QRS complex
_REFRACTORY_S, _T_WAVE_S = 0.22, 0.36
_LEVEL_BLOCK, _NOISE_BLOCK = 375, 125  # samples: 1.5 s holds a beat, 0.5 s is mostly not QRS
_EMPTY = 0.15  # a block whose maximum is a smaller share of both its neighbours' holds no beat
_THRESHOLD, _PER_NOISE = 0.35, 0.6  # share of the usual QRS height a beat must reach, and more of it in noise
_LOW, _LOW_OVER_NOISE = 0.15, 2.0  # the same when a gap is searched again
_FULL = 0.95  # a peak of the usual height fills a gap in any noise
_GAP = 1.6  # an RR interval longer than this many median ones is a gap
_HOLDS = 0.12  # what fills a gap holds that share of a usual beat: CPSC's do 0.14 and more, blocked P waves up to 0.1
_NOISY, _ALIKE = 0.25, 0.5  # above this noise a beat must correlate that well with the quiet beats
_VERY_ALIKE, _AS_LARGE = 0.85, 0.4  # and one that does so well and is this large needs no height
_UNLIKE, _SMALL = 0.8, 0.7  # one that correlates less and is a smaller share of a quiet beat is doubtful
_UNQUIET, _SPLIT = 0.12, 1.4  # in less noise it goes where its neighbours are no more than this many RR apart
_MODEST = 0.7  # and is lower than this share of the usual height: an ectopic beat is steep or late
_TOO_CLOSE = 0.35  # share of the usual RR: of two beats in noise so close together, one is none
_RESTLESS = 0.65  # above this noise throughout, slopes do not tell the complexes from what is between them
_LEARN_S = 2.0  # sleepecg learns its thresholds from that much, and reads beyond the end of what is shorter
_HALF, _SHIFT = 18, 8  # samples each side of a beat, and shifts, for that correlation
_EDGE_S = 0.03  # complexes nearer to the ends of the recording are cut off


@dataclass(frozen=True, eq=False)
class _Trace:
    """What beats are told by: slopes and weights of `_slopes` [lead, sample], their energy and its noise [sample]."""

    slope: Float
    weight: Float
    energy: Float
    noise: Float


def detect_qrs(signal: Float) -> Index:
    """Fiducial R positions, int64 [beat] rising, in a conditioned signal [lead, sample] at 500 Hz.

    The slope of each lead in the 8–30 Hz band is scaled to its own usual QRS, clipped at twice that, and the leads
    are averaged with weights inverse to their noise power of the moment. Beats are the peaks of that energy over a
    threshold that rises with the noise; gaps are searched again with a lower one; in noise a beat must also look
    like the quiet ones. Where the signal never comes to rest, as with wide complexes at a high rate, their height tells
    more than their slope, and sleepecg finds them. Each fiducial is the largest summed magnitude within 50 ms, nearer
    ones preferred.
    """
    n = signal.shape[1] // 2
    if len(signal) == 0 or n < _FS_HZ:
        return np.zeros(0, dtype=np.int64)
    half = block_means(signal, 2)
    slope, weight = _slopes(half)
    energy = uniform_filter1d((weight * slope**2).sum(axis=0), int(_QRS_S * _FS_HZ))
    energy = np.sqrt(np.maximum(energy, 0.0))  # where nothing moves, the running mean may end a little below zero
    level = _level(energy)
    energy = np.minimum(energy / np.where(level > 0, level, 1.0), 1.5)
    noise = np.minimum(_stretch(median(_blocks(energy[None], 2 * _NOISE_BLOCK)), n)[0], 0.8)
    if np.median(noise) > _RESTLESS:
        return _fiducials(2 * _by_height(half, energy), signal)
    padded = np.concatenate([[0.0], energy, [0.0]])  # a peak may stand at either end
    peaks = dsp.find_peaks(padded, height=_LOW, distance=int(_REFRACTORY_S * _FS_HZ))[0] - 1
    high = energy[peaks] >= _THRESHOLD + _PER_NOISE * noise[peaks]
    beats = _without_t_waves(peaks[high], energy)
    quiet = beats[noise[beats] <= np.median(noise[beats])][:60] if len(beats) else beats
    trace = _Trace(slope, weight, energy, noise)
    beats = _by_looks(beats, peaks[~high], quiet, trace)
    for _ in range(2):
        beats = _fill_gaps(beats, peaks, quiet, trace)
    return _fiducials(2 * beats, signal)


def _by_height(half: Float, energy: Float) -> Index:
    """Beats of sleepecg (Pan-Tompkins, modified) on the mean magnitude over leads, each scaled to its own deviation,
    moved to the steepest place near it. None where the height varies for less than two seconds.
    """  # fmt: skip
    scale = half.std(axis=1, keepdims=True)
    height = np.abs(half / np.where(scale > 0, scale, 1.0)).mean(axis=0)
    varies = np.flatnonzero(height != height[0])  # sleepecg begins there, and refuses what never does
    if len(varies) == 0 or len(height) - varies[0] < _LEARN_S * _FS_HZ:
        return np.zeros(0, dtype=np.int64)
    found = np.asarray(detect_heartbeats(height, _FS_HZ), dtype=np.int64)
    near = np.clip(found[:, None] + np.arange(-_HALF, _HALF + 1), 0, len(energy) - 1)
    steepest: Index = np.take_along_axis(near, energy[near].argmax(axis=1)[:, None], axis=1)[:, 0]
    return steepest


def _slopes(half: Float) -> tuple[Float, Float]:
    """Band slopes in units of each lead's usual QRS, clipped at 2, and lead weights that sum to one; [lead, sample]."""
    slope = np.gradient(band_passed(half, *_BAND_HZ, _FS_HZ), axis=1)
    size = np.abs(slope)
    usual = median(_beat_maxima(size))[:, None]
    usual = np.where(usual > 0, usual, 1.0)
    background = np.maximum(median(_blocks(size, _NOISE_BLOCK)) / usual, 0.02)
    weight = 1.0 / _stretch(background, half.shape[1]) ** 2
    scaled: Float = np.clip(slope / usual, -2.0, 2.0)
    return scaled, weight / weight.sum(axis=0)


def _blocks(values: Float, size: int) -> Float:
    """Rows cut into blocks, float64 [row, block, size]; the remainder is dropped."""
    size = min(size, values.shape[1])
    count = values.shape[1] // size
    cut: Float = values[:, : count * size].reshape(len(values), count, size)
    return cut


def _beat_maxima(values: Float) -> Float:
    """Maxima of 1.5 s blocks [row, block]; one without a beat, in a slow rhythm, has the lower one of its neighbours.

    Without that the usual height between two slow beats would be the noise's, and P and T waves would reach it.
    """
    maxima: Float = _blocks(values, _LEVEL_BLOCK).max(axis=2)
    if maxima.shape[1] < 2:
        return maxima
    beyond = np.full((len(maxima), 1), np.inf)
    before, after = np.hstack([beyond, maxima[:, :-1]]), np.hstack([maxima[:, 1:], beyond])
    around = np.minimum(before, after)
    filled: Float = np.where(maxima < _EMPTY * around, around, maxima)
    return filled


def _stretch(blocks: Float, n: int) -> Float:
    """Values per block [row, block] interpolated to n samples."""
    count = blocks.shape[1]
    at = (np.arange(n) + 0.5) * count / n - 0.5
    return np.stack([np.interp(at, np.arange(count), row) for row in blocks])


def _level(energy: Float) -> Float:
    """Usual peak energy of the time around each sample: median over 7.5 s of the maxima of 1.5 s blocks."""
    maxima = _beat_maxima(energy[None])[0]
    width = min(5, len(maxima) - (len(maxima) + 1) % 2)
    usual: Float = median_filter(maxima, width, mode="nearest")
    level: Float = _stretch(usual[None], len(energy))[0]
    return level


def _without_t_waves(beats: Index, energy: Float) -> Index:
    """Of two peaks within 360 ms, one less than half the other goes."""
    kept: list[int] = []
    for beat in beats:
        if kept and beat - kept[-1] < _T_WAVE_S * _FS_HZ:
            if energy[beat] < 0.5 * energy[kept[-1]]:
                continue
            if energy[kept[-1]] < 0.5 * energy[beat]:
                kept.pop()
        kept.append(int(beat))
    return np.array(kept, dtype=np.int64)


def _by_looks(beats: Index, low: Index, quiet: Index, trace: _Trace) -> Index:
    """The beats less those in noise that do not look like the quiet ones, and the `low` peaks in noise that do.

    A burst of noise has the slopes of a beat, but little of it lies along the shape of one: in the bursts of CPSC-2021
    that part was 0.9 of a quiet beat's and more in true beats, 0.2 to 0.7 in most invented ones. In little noise an
    ectopic beat looks the same, so that there a doubtful one must also split an ordinary RR interval and be low.
    """
    noise = trace.noise
    asked = np.concatenate([beats[noise[beats] > _UNQUIET], low[noise[low] > _NOISY]])
    if len(beats) < 4 or not len(asked):
        return beats
    likeness, size = _likeness(asked, quiet, trace)
    doubtful = (likeness < _UNLIKE) & (size < _SMALL)
    usual = float(np.median(np.diff(beats)))
    place = np.searchsorted(beats, asked)
    until = np.concatenate([beats, [np.iinfo(np.int64).max]])
    found = np.isin(asked, beats)
    splits = (trace.energy[asked] < _MODEST) & (place > 0) & (until[place + found] - beats[place - 1] < _SPLIT * usual)
    noisy = noise[asked] > _NOISY
    accepted = np.where(noisy, (likeness >= _ALIKE) & ~doubtful, ~(doubtful & splits))
    accepted = np.where(found, accepted, (likeness >= _VERY_ALIKE) & (size >= _AS_LARGE))
    kept = np.union1d(np.setdiff1d(beats, asked), asked[accepted])
    trust = np.ones(len(kept))
    trust[np.searchsorted(kept, asked[accepted])] = likeness[accepted]
    close = np.diff(kept) < _TOO_CLOSE * usual
    close &= np.maximum(noise[kept[:-1]], noise[kept[1:]]) > _NOISY
    worse = np.flatnonzero(close) + (trust[1:] <= trust[:-1])[close]
    return np.delete(kept, worse)


def _likeness(asked: Index, quiet: Index, trace: _Trace) -> tuple[Float, Float]:
    """Correlation of each place with the median of the quiet beats, best within 32 ms, and how much of one it holds."""
    reach = np.arange(-_HALF - _SHIFT, _HALF + _SHIFT + 1)
    slope = trace.slope
    inside = np.clip(quiet[:, None] + reach[_SHIFT:-_SHIFT], 0, slope.shape[1] - 1)
    template = median(slope[:, inside], axis=1)
    at = np.clip(asked[:, None] + reach, 0, slope.shape[1] - 1)
    trust = trace.weight[:, asked].T[:, :, None]
    pieces = slope[:, at].transpose(1, 0, 2)
    power = (trust * template**2).sum(axis=(1, 2))
    likeness, size = np.full(len(pieces), -1.0), np.zeros(len(pieces))
    for shift in range(2 * _SHIFT + 1):
        piece = pieces[:, :, shift : shift + 2 * _HALF + 1]
        product = (trust * piece * template).sum(axis=(1, 2))
        norm = np.sqrt((trust * piece**2).sum(axis=(1, 2)) * power)
        alike = product / np.where(norm > 0, norm, 1.0)
        size = np.where(alike > likeness, product / np.where(power > 0, power, 1.0), size)
        likeness = np.maximum(likeness, alike)
    return likeness, size


def _fill_gaps(beats: Index, peaks: Index, quiet: Index, trace: _Trace) -> Index:
    """The beats, with the strongest peak of every gap that stands out of the noise or looks like a quiet beat.

    A P wave that is not conducted holds too little of one.
    """
    if len(beats) < 3:
        return beats
    rr = float(np.median(np.diff(beats)))
    marks = np.concatenate([[-0.3 * rr], beats, [len(trace.energy) + 0.3 * rr]])
    gap = np.clip(np.searchsorted(marks, peaks) - 1, 0, len(beats))
    before, after = peaks - marks[gap], marks[gap + 1] - peaks
    asked = (before + after > _GAP * rr) & (np.minimum(before, after) > 0.4 * rr)
    peaks, gap = peaks[asked], gap[asked]
    if len(peaks) == 0:
        return beats
    likeness, size = _likeness(peaks, quiet, trace)
    fit = trace.energy[peaks] >= np.minimum(_LOW_OVER_NOISE * trace.noise[peaks], _FULL)
    fit |= (likeness >= _ALIKE) & (size >= _AS_LARGE)
    fit &= size >= _HOLDS
    peaks, gap = peaks[fit], gap[fit]
    rising = np.lexsort((trace.energy[peaks], gap))
    last = np.flatnonzero(np.diff(gap[rising], append=-1))
    return np.union1d(beats, peaks[rising[last]])


def _fiducials(rough: Index, signal: Float) -> Index:
    reach = 25
    at = np.clip(rough[:, None] + np.arange(-reach, reach + 1), 0, signal.shape[1] - 1)
    likely = np.abs(signal[:, at]).sum(axis=0) * np.hanning(2 * reach + 3)[1:-1]
    r = np.unique(np.take_along_axis(at, likely.argmax(axis=1)[:, None], axis=1)[:, 0])
    edge = _EDGE_S * FS_HZ
    inside: Index = r[(r >= edge) & (r < signal.shape[1] - edge)]
    return inside
