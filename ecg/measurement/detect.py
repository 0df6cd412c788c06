"""Where the QRS complexes are, from all leads at once."""

from dataclasses import dataclass

import numpy as np

from ecg.dsp import FS_HZ, block_means, median
from ecg.filters import Float, Single, band_passed, running_mean
from ecg.measurement.limits import DETECTION
from ecg.peaks import Index, peaks_apart


@dataclass(frozen=True, eq=False)
class _Trace:
    """What beats are told by: slopes and weights of `_slopes` [lead, sample], their energy and its noise [sample]."""

    slope: Single
    weight: Single
    energy: Single
    noise: Single


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
    if len(signal) == 0 or n < DETECTION.fs_hz:
        return np.zeros(0, dtype=np.int64)
    means = block_means(signal, 2)
    height = np.abs(means).max(axis=1, keepdims=True)
    # float32 has digits enough for what is compared here, and takes half of the time; no scale is too large for it.
    half = (means / np.where(height > 0, height, 1.0)).astype(np.float32)
    slope, weight = _slopes(half)
    energy = running_mean((weight * slope**2).sum(axis=0), int(DETECTION.qrs_s * DETECTION.fs_hz))
    energy = np.sqrt(np.maximum(energy, 0.0))  # where nothing moves, the running mean may end a little below zero
    level = _level(energy)
    energy = np.minimum(energy / np.where(level > 0, level, 1.0), 1.5)
    noise = np.minimum(_stretch(median(_blocks(energy[None], 2 * DETECTION.noise_block)), n)[0], 0.8)
    if median(noise) > DETECTION.restless:
        return _fiducials(2 * _by_height(half, energy), signal)
    padded = np.concatenate([[0.0], energy, [0.0]])  # a peak may stand at either end
    peaks = peaks_apart(padded, int(DETECTION.refractory_s * DETECTION.fs_hz), DETECTION.low) - 1
    high = energy[peaks] >= DETECTION.threshold + DETECTION.per_noise * noise[peaks]
    beats = _without_t_waves(peaks[high], energy)
    trace = _Trace(slope, weight, energy, noise)
    quiet = beats[noise[beats] <= median(noise[beats])][:60] if len(beats) else beats
    beats = _by_looks(beats, peaks[~high], quiet, trace)
    for _ in range(2):
        beats = _fill_gaps(beats, peaks, quiet, trace)
    return _fiducials(2 * _without_first_t(_without_every_t(beats, trace), trace), signal)


def _by_height(half: Single, energy: Single) -> Index:
    """Beats of sleepecg (Pan-Tompkins, modified) on the mean magnitude over leads, each scaled to its own deviation,
    moved to the steepest place near it. None where the height varies for less than two seconds.
    """
    scale = half.std(axis=1, keepdims=True)
    height = np.abs(half / np.where(scale > 0, scale, 1.0)).mean(axis=0)
    varies = np.flatnonzero(height != height[0])  # sleepecg begins there, and refuses what never does
    if len(varies) == 0 or len(height) - varies[0] < DETECTION.learn_s * DETECTION.fs_hz:
        return np.zeros(0, dtype=np.int64)
    from sleepecg import detect_heartbeats  # few recordings need it, and it brings scipy.signal and scipy.stats

    found = np.asarray(detect_heartbeats(height.astype(np.float64), DETECTION.fs_hz), dtype=np.int64)
    near = np.clip(found[:, None] + np.arange(-DETECTION.half, DETECTION.half + 1), 0, len(energy) - 1)
    steepest: Index = np.take_along_axis(near, energy[near].argmax(axis=1)[:, None], axis=1)[:, 0]
    return steepest


def _slopes(half: Single) -> tuple[Single, Single]:
    """Band slopes in units of each lead's usual QRS, clipped at 2, and lead weights that sum to one; [lead, sample]."""
    slope = np.gradient(band_passed(half, DETECTION.band_low_hz, DETECTION.band_high_hz, DETECTION.fs_hz), axis=1)
    size = np.abs(slope)
    usual = median(_beat_maxima(size))[:, None]
    usual = np.where(usual > 0, usual, 1.0)
    background = np.maximum(median(_blocks(size, DETECTION.noise_block)) / usual, 0.02)
    weight = 1.0 / _stretch(background, half.shape[1]) ** 2
    scaled: Single = np.clip(slope / usual, -2.0, 2.0)
    return scaled, weight / weight.sum(axis=0)


def _blocks(values: Single, size: int) -> Single:
    """Rows cut into blocks, float32 [row, block, size]; the remainder is dropped."""
    size = min(size, values.shape[1])
    count = values.shape[1] // size
    cut: Single = values[:, : count * size].reshape(len(values), count, size)
    return cut


def _beat_maxima(values: Single) -> Single:
    """Maxima of 1.5 s blocks [row, block]; one without a beat, in a slow rhythm, has the lower one of its neighbours.

    Without that the usual height between two slow beats would be the noise's, and P and T waves would reach it.
    """
    maxima: Single = _blocks(values, DETECTION.level_block).max(axis=2)
    if maxima.shape[1] < 2:
        return maxima
    beyond = np.full((len(maxima), 1), np.inf, dtype=np.float32)
    before, after = np.hstack([beyond, maxima[:, :-1]]), np.hstack([maxima[:, 1:], beyond])
    around = np.minimum(before, after)
    filled: Single = np.where(maxima < DETECTION.no_beat * around, around, maxima)
    return filled


def _stretch(blocks: Single, n: int) -> Single:
    """Values per block [row, block] interpolated to n samples; held beyond the middles of the first and last block."""
    count = blocks.shape[1]
    if count < 2:
        return np.repeat(blocks, n, axis=1)
    at = np.clip((np.arange(n) + 0.5) * count / n - 0.5, 0.0, count - 1.0)
    before = np.minimum(at.astype(np.int64), count - 2)
    stretched: Single = blocks.take(before, axis=1)
    rise = blocks.take(before + 1, axis=1)
    rise -= stretched
    rise *= (at - before).astype(np.float32)
    stretched += rise
    return stretched


def _level(energy: Single) -> Single:
    """Usual peak energy of the time around each sample: median over 7.5 s of the maxima of 1.5 s blocks."""
    maxima = _beat_maxima(energy[None])[0]
    width = min(5, len(maxima) - (len(maxima) + 1) % 2)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(maxima, width // 2, mode="edge"), width)
    usual = median(around)
    level: Single = _stretch(usual[None], len(energy))[0]
    return level


def _without_t_waves(beats: Index, energy: Single) -> Index:
    """Of two peaks within 360 ms, one less than half the other goes."""
    kept: list[int] = []
    for beat in beats:
        if kept and beat - kept[-1] < DETECTION.t_wave_s * DETECTION.fs_hz:
            if energy[beat] < 0.5 * energy[kept[-1]]:
                continue
            if energy[kept[-1]] < 0.5 * energy[beat]:
                kept.pop()
        kept.append(int(beat))
    return np.array(kept, dtype=np.int64)


def _without_every_t(beats: Index, trace: _Trace) -> Index:
    """The beats less the T waves, where every beat has one soon after it that is lower and looks unlike.

    So it is where a very wide complex has slopes no steeper than its T wave's. The beats of alternans look alike, those
    of bigeminy come later.
    """
    soon = np.diff(beats) < DETECTION.every_t_s * DETECTION.fs_hz
    lower = trace.energy[beats[1:]] < DETECTION.lower_t * trace.energy[beats[:-1]]
    t = np.flatnonzero(soon & lower) + 1
    others = np.delete(beats, t)
    if len(t) < max(3.0, DETECTION.every_t_share * (len(others) - 1)):
        return beats
    likeness, _ = _likeness(beats[t], others[:60], trace)
    steady = float(np.std(beats[t] - beats[t - 1])) < DETECTION.every_t_spread_s * DETECTION.fs_hz
    return others if steady and float(np.median(likeness)) < DETECTION.unlike else beats


def _without_first_t(beats: Index, trace: _Trace) -> Index:
    """The beats less a first one that is early, and that follows each of the others, too, where none was found.

    It is the T wave of a beat before the recording.
    """
    if len(beats) < DETECTION.fewest_after_t:
        return beats
    usual = float(median(np.diff(beats[1:]).astype(np.float64)))
    lag = usual - (beats[1] - beats[0])
    if lag <= (1 - DETECTION.early_t) * usual:
        return beats
    others = beats[1:-1] + round(lag)
    near = np.abs(others[:, None] - beats).min(axis=1) <= DETECTION.shift
    if near.any():
        return beats
    likeness, size = _likeness(beats[:1], others, trace)
    return beats[1:] if likeness[0] >= DETECTION.very_alike and size[0] <= DETECTION.twice else beats


def _by_looks(beats: Index, low: Index, quiet: Index, trace: _Trace) -> Index:
    """The beats less those in noise that do not look like the quiet ones, and the `low` peaks in noise that do.

    A burst of noise has the slopes of a beat, but little of it lies along the shape of one: in the bursts of CPSC-2021
    that part was 0.9 of a quiet beat's and more in true beats, 0.2 to 0.7 in most invented ones. In little noise an
    ectopic beat looks the same, so that there a doubtful one must also split an ordinary RR interval and be low.
    """
    noise = trace.noise
    asked = np.concatenate([beats[noise[beats] > DETECTION.unquiet], low[noise[low] > DETECTION.noisy]])
    if len(beats) < 4 or not len(asked):
        return beats
    likeness, size = _likeness(asked, quiet, trace)
    doubtful = (likeness < DETECTION.unlike) & (size < DETECTION.small)
    usual = float(median(np.diff(beats).astype(np.float64)))
    place = np.searchsorted(beats, asked)
    until = np.concatenate([beats, [np.iinfo(np.int64).max]])
    found = np.isin(asked, beats)
    splits = (
        (trace.energy[asked] < DETECTION.modest)
        & (place > 0)
        & (until[place + found] - beats[place - 1] < DETECTION.split * usual)
    )
    noisy = noise[asked] > DETECTION.noisy
    accepted = np.where(noisy, (likeness >= DETECTION.alike) & ~doubtful, ~(doubtful & splits))
    accepted = np.where(found, accepted, (likeness >= DETECTION.very_alike) & (size >= DETECTION.as_large))
    kept = np.union1d(np.setdiff1d(beats, asked), asked[accepted])
    trust = np.ones(len(kept))
    trust[np.searchsorted(kept, asked[accepted])] = likeness[accepted]
    close = np.diff(kept) < DETECTION.too_close * usual
    close &= np.maximum(noise[kept[:-1]], noise[kept[1:]]) > DETECTION.noisy
    worse = np.flatnonzero(close) + (trust[1:] <= trust[:-1])[close]
    return np.delete(kept, worse)


def _likeness(asked: Index, quiet: Index, trace: _Trace) -> tuple[Float, Float]:
    """Correlation of each place with the median of the quiet beats, best within 32 ms, and how much of one it holds."""
    reach = np.arange(-DETECTION.half - DETECTION.shift, DETECTION.half + DETECTION.shift + 1)
    slope = trace.slope
    inside = np.clip(quiet[:, None] + reach[DETECTION.shift : -DETECTION.shift], 0, slope.shape[1] - 1)
    template = median(slope[:, inside], axis=1)
    at = np.clip(asked[:, None] + reach, 0, slope.shape[1] - 1)
    trust = trace.weight[:, asked].T[:, :, None]
    pieces = slope[:, at].transpose(1, 0, 2)
    power = (trust * template**2).sum(axis=(1, 2))
    likeness, size = np.full(len(pieces), -1.0), np.zeros(len(pieces))
    for shift in range(2 * DETECTION.shift + 1):
        piece = pieces[:, :, shift : shift + 2 * DETECTION.half + 1]
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
    rr = float(median(np.diff(beats).astype(np.float64)))
    beyond = DETECTION.gap_before_first * rr
    marks = np.concatenate([[-beyond], beats, [len(trace.energy) + beyond]])
    gap = np.clip(np.searchsorted(marks, peaks) - 1, 0, len(beats))
    before, after = peaks - marks[gap], marks[gap + 1] - peaks
    asked = (before + after > DETECTION.gap * rr) & (np.minimum(before, after) > DETECTION.gap_edge * rr)
    peaks, gap = peaks[asked], gap[asked]
    if len(peaks) == 0:
        return beats
    likeness, size = _likeness(peaks, quiet, trace)
    fit = trace.energy[peaks] >= np.minimum(DETECTION.low_over_noise * trace.noise[peaks], DETECTION.full)
    fit |= (likeness >= DETECTION.alike) & (size >= DETECTION.as_large)
    fit &= size >= DETECTION.holds
    peaks, gap = peaks[fit], gap[fit]
    rising = np.lexsort((trace.energy[peaks], gap))
    last = np.flatnonzero(np.diff(gap[rising], append=-1))
    return np.union1d(beats, peaks[rising[last]])


def _fiducials(rough: Index, signal: Float) -> Index:
    reach = DETECTION.fiducial_reach
    at = np.clip(rough[:, None] + np.arange(-reach, reach + 1), 0, signal.shape[1] - 1)
    likely = np.abs(signal[:, at]).sum(axis=0) * np.hanning(2 * reach + 3)[1:-1]
    r = np.unique(np.take_along_axis(at, likely.argmax(axis=1)[:, None], axis=1)[:, 0])
    edge = DETECTION.edge_s * FS_HZ
    inside: Index = r[(r >= edge) & (r < signal.shape[1] - edge)]
    return inside
