"""Global P wave of a beat, and whether the beats really share one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg.dsp import FS_HZ, falls_after, falls_before, lead_spread, rank, slopes
from ecg.filters import Float, LowPass, filtered, running_mean
from ecg.measurement.limits import P_WAVE
from ecg.peaks import peaks_that_stand_out

LOW_PASS = LowPass(P_WAVE.low_pass_hz, FS_HZ)
_SHARES = np.array([P_WAVE.share_low, P_WAVE.share_high])


@dataclass(frozen=True)
class PWave:
    """Onset, peak and offset of a P wave in samples of the beat, and the spread of the onset over the leads."""

    onset: float
    peak: float
    offset: float
    onset_sd: float | None


def p_wave(beat: Float, qrs_onset: float, earliest: float) -> PWave | None:
    """The most likely P wave of a beat [lead, sample]; None when nothing there rises and falls.

    Where the likeliest summit is no wave, or one too long for the atria, the next likely ones are tried. Nothing before
    the sample `earliest` is looked at. The stretch before the QRS onset is cut off before it is low-passed, so that the
    complex does not leak into it.
    """
    end = round(qrs_onset)
    start = int(max(5, end - P_WAVE.search_s * FS_HZ, earliest))
    if end - start < P_WAVE.shortest_search_s * FS_HZ:
        return None
    smooth = _isolated(beat[:, start : end + 1])
    n = smooth.shape[1]
    first, last = rank(smooth[:, :12], 0.5)[:, None], smooth[:, -8:].mean(axis=1, keepdims=True)
    height = np.sqrt(((smooth - first - (last - first) * np.linspace(0.0, 1.0, n)) ** 2).mean(axis=0))
    seconds = (np.arange(n) - n) / FS_HZ
    likely = height * np.exp(-0.5 * ((seconds + P_WAVE.expected_s) / P_WAVE.tolerance_s) ** 2)
    slope = slopes(smooth)
    qrs_height = np.ptp(beat[:, end:], axis=1)
    too_long = None
    for peak in _summits(likely[8 : n - 8]) + 8:
        above = smooth[:, peak] - first[:, 0] - (last - first)[:, 0] * peak / (n - 1)
        wave = _wave_at(smooth, slope, above, int(peak), qrs_height)
        if wave is None:
            continue
        moved = PWave(wave.onset + start, wave.peak + start, wave.offset + start, wave.onset_sd)
        if wave.offset - wave.onset <= P_WAVE.longest_s * FS_HZ:
            return moved
        too_long = too_long or moved
    return too_long


def _summits(likely: Float) -> NDArray[np.int64]:
    """The likeliest place of a peak first, then the next likely summits, int64."""
    inner = likely[1:-1]
    summits = np.flatnonzero(
        (inner >= likely[:-2]) & (inner > likely[2:]) & (inner >= P_WAVE.next_likely * likely.max())
    )
    best = np.array([likely.argmax()])
    others = (summits + 1)[np.abs(summits + 1 - best) > P_WAVE.apart]
    return np.concatenate([best, others[np.argsort(-likely[others])][: P_WAVE.others]])


def _wave_at(smooth: Float, slope: Float, above: Float, peak: int, qrs_height: Float) -> PWave | None:
    """The wave about a peak of a `smooth` stretch [lead, sample], in its samples; None when it is no hump.

    `above` [lead] is the deflection there, `qrs_height` [lead] that of the complex.
    """
    n = smooth.shape[1]
    speed = np.sqrt((slope**2).mean(axis=0, keepdims=True))
    rise, fall, top = _flanks(speed[0], above @ np.gradient(smooth, axis=1), peak)
    quiet = rank(speed[0], 0.1)
    thresholds = quiet + _SHARES * (top - quiet)
    rows = np.repeat(speed, len(_SHARES), axis=0)
    offset = falls_after(rows, np.full(len(_SHARES), fall), thresholds, 1)
    rise = _first_phase(smooth, speed[0], rise, fall, top)
    onset = falls_before(rows, np.full(len(_SHARES), rise), thresholds, 2)
    # Where a T wave runs into the P wave, the slope does not come to rest between them: the flattest place it is.
    begin = float(np.fmax(onset, _valley(speed[0, : rise + 1], P_WAVE.other_wave * top)).mean())
    offset = offset[~np.isnan(offset)]
    at_end = float(offset.mean()) if len(offset) else n - 1.0
    if not _is_hump(smooth[:, int(begin) : int(at_end) + 1], qrs_height):
        return None
    spread = lead_spread(_lead_onsets(slope, rise))
    return PWave(begin + P_WAVE.onset_shift, float(peak), at_end + P_WAVE.offset_shift, spread)


def t_p_valley(beat: Float, qrs_onset: float, begin: float) -> float | None:
    """Sample where the T wave before gives way to the P wave, when both stand out between `begin` and the QRS onset.

    `begin` is where the QRS complex of the beat before ends. None when there are not two waves, or the last is no P.
    """
    start, end = int(max(5, begin)), round(qrs_onset)
    if end - start < P_WAVE.shortest_t_p_s * FS_HZ:
        return None
    smooth = _isolated(beat[:, start : end + 1])
    chord = smooth[:, :1] + (smooth[:, -1:] - smooth[:, :1]) * np.linspace(0.0, 1.0, smooth.shape[1])
    height = np.sqrt(((smooth - chord) ** 2).mean(axis=0))
    peaks = peaks_that_stand_out(height, P_WAVE.min_prominence * height.max())
    if len(peaks) < 2 or end - start - peaks[-1] > P_WAVE.latest_p_s * FS_HZ:
        return None
    return float(start + peaks[-2] + height[peaks[-2] : peaks[-1]].argmin())


def repeats(beat: Float, qrs_onset: float, begin: float) -> bool:
    """Whether the atria do the same twice between `begin` and the QRS onset, 150 to 300 ms apart: flutter.

    The last 150 to 300 ms are compared with as many before them, over all leads. A sinus P wave has a resting line or
    the end of a T wave before it.
    """
    start, end = int(max(3, begin)), round(qrs_onset)
    slow = _isolated(beat[:, start : end + 1])[:, :: -P_WAVE.coarse]
    lags = np.arange(
        P_WAVE.flutter_from // P_WAVE.coarse, min(P_WAVE.flutter_to // P_WAVE.coarse, slow.shape[1] // 2) + 1
    )
    if len(lags) == 0:
        return False
    slow = slow - slow[:, :1]
    products = slow.T @ slow  # of each sample with each, over all leads
    # Sums up to each sample; what is left of products and powers without the means of the two stretches.
    sums = np.concatenate([np.zeros((len(slow), 1)), np.cumsum(slow, axis=1)], axis=1)
    power = np.concatenate([[0.0], np.cumsum(products.diagonal())])
    last, before = sums[:, lags], sums[:, 2 * lags] - sums[:, lags]
    both = np.array([products[:lag, lag : 2 * lag].trace() for lag in lags]) - (last * before).sum(axis=0) / lags
    power_last = power[lags] - (last**2).sum(axis=0) / lags
    power_before = power[2 * lags] - power[lags] - (before**2).sum(axis=0) / lags
    return bool((both > P_WAVE.like_flutter * np.maximum(power_last, power_before)).any())


def onset_is_hidden(beat: Float, wave: PWave, qrs_onset: float) -> bool:
    """Whether a P wave at once after a T wave began earlier than it shows: it is short and does not begin at rest.

    Neither tells by itself: atrial repolarisation lowers the level after P, and a small atrium has a short wave.
    """
    onset = wave.onset - P_WAVE.toe
    if wave.offset - onset >= P_WAVE.short:
        return False
    begin, top, rest = (beat[:, round(at) - 2 : round(at) + 3].mean(axis=1) for at in (onset, wave.peak, qrs_onset - 3))
    off_level, height = begin - rest, top - (begin + rest) / 2
    return bool((off_level**2).sum() >= P_WAVE.off_level**2 * (height**2).sum())


def _is_hump(wave: Float, qrs_height: Float) -> bool:
    """Whether a stretch rises and falls: the end of a T wave only falls, and noise is too low beside the QRS."""
    n = wave.shape[1]
    if n < 3:
        return False
    chord = wave[:, :1] + (wave[:, -1:] - wave[:, :1]) * np.linspace(0.0, 1.0, n)
    height = (np.abs(wave - chord).max(axis=1) ** 2).mean() ** 0.5
    span, qrs = (np.ptp(wave, axis=1) ** 2).mean() ** 0.5, (qrs_height**2).mean() ** 0.5
    return bool(height >= P_WAVE.min_hump * span and height >= P_WAVE.min_height * qrs)


def _lead_onsets(slope: Float, rise: int) -> Float:
    """P onset of each lead by itself, float64 [lead], NaN where there is none."""
    low = max(0, rise - 15)
    at = slope[:, low : rise + 16].argmax(axis=1) + low
    top, quiet = slope[np.arange(len(slope)), at], rank(slope, 0.1)
    return falls_before(slope, at, quiet + P_WAVE.share_high * (top - quiet), 2)


def _isolated(piece: Float) -> Float:
    """Low-passed, as if the piece's ends went on for ever."""
    pad = 60
    ends = [np.repeat(side.mean(axis=1, keepdims=True), pad, axis=1) for side in (piece[:, :4], piece[:, -4:])]
    return filtered(LOW_PASS, np.concatenate([ends[0], piece, ends[1]], axis=1), pad=0)[:, pad:-pad]


def _flanks(speed: Float, towards: Float, peak: int) -> tuple[int, int, float]:
    """Outermost steep places left and right of the peak, and the greatest steepness: a notched P has several.

    `towards` is the slope in the direction of the peak's deflection: the end of a T wave falls where a P wave rises.
    """
    n = len(speed)
    inner = speed[1:-1]
    summits = np.flatnonzero((inner >= speed[:-2]) & (inner >= speed[2:])) + 1
    summits = summits[(summits >= peak - P_WAVE.reach) & (summits <= peak + P_WAVE.reach)]
    left, right = (
        summits[(summits <= peak) & (towards[summits] > 0)],
        summits[(summits >= peak) & (towards[summits] < 0)],
    )
    near = np.concatenate([left[left >= peak - P_WAVE.near], right[right <= peak + P_WAVE.near]])
    low, high = max(0, peak - P_WAVE.near), peak + P_WAVE.near
    top = float(speed[near].max() if len(near) else speed[low:high].max())
    left, right = left[speed[left] >= P_WAVE.peak_share * top], right[speed[right] >= P_WAVE.peak_share * top]
    rise = int(left[0]) if len(left) else low + int(speed[low : peak + 1].argmax())
    return rise, int(right[-1]) if len(right) else min(peak, n - 1), top


def _first_phase(smooth: Float, speed: Float, rise: int, fall: int, top: float) -> int:
    """The steep place at which the wave begins: of a biphasic one that of its first phase, else `rise`.

    There the left atrium takes the signal away again from where the right one took it, so that its first flank goes
    away from the peak. It begins at the level at which the wave ends, which the end of a T wave does not.
    """
    inner = speed[1:-1]
    summits = np.flatnonzero((inner >= speed[:-2]) & (inner > speed[2:])) + 1
    before = summits[(summits < rise) & (summits >= rise - P_WAVE.phase) & (speed[summits] >= P_WAVE.peak_share * top)]
    if len(before) == 0:
        return rise
    first = int(before[-1])
    notch = first + int(speed[first : rise + 1].argmin())
    rest = falls_before(speed[None], np.array([first]), np.array([P_WAVE.share_high * top]), 2)[0]
    if np.isnan(rest):
        return rise
    begin, end = smooth[:, int(rest)], smooth[:, min(fall + P_WAVE.phase, smooth.shape[1] - 1)]
    off_level = ((begin - end) ** 2).sum()
    height = ((smooth[:, notch] - (begin + end) / 2) ** 2).sum()
    return first if off_level <= P_WAVE.level_share**2 * height else rise


def _valley(speed: Float, growth: float) -> float:
    """Where the slope is least before it grows by `growth`, looking from the last sample to the first."""
    backwards = speed[::-1]
    least = np.minimum.accumulate(backwards)
    grown = np.flatnonzero(backwards > least + growth)
    end = int(grown[0]) if len(grown) else len(speed)
    return float(len(speed) - 1 - backwards[:end].argmin())


def p_agreement(beats: Float, wave: PWave, qrs_onset: float) -> Float:
    """How well each beat's P wave matches the mean of the others, correlation over all leads, float64
    [beat].

    In atrial fibrillation and with dissociated P waves it is near zero. A beat with less than the others' mean agrees
    only by as much as it has: where every second beat has no P wave, what else there is has a shape, too.
    """
    low = max(0, int(wave.onset - P_WAVE.toe) - 5)
    high = int(min(wave.offset + 5, qrs_onset))
    piece = beats[:, :, low:high]
    piece = piece[~np.isnan(piece).any(axis=(1, 2))]
    if len(piece) < 3 or high - low < 10:
        return np.zeros(0)
    # Muscle noise differs from beat to beat and would hide the agreement: a mean over 30 ms leaves the P wave.
    piece = running_mean(piece, 15)
    line = np.linspace(-1.0, 1.0, high - low)
    piece = piece - piece.mean(axis=2, keepdims=True)
    piece = piece - (piece @ line)[..., None] * line / (line @ line)
    others = (piece.sum(axis=0) - piece) / (len(piece) - 1)
    mean = (others**2).sum(axis=(1, 2))
    norm = np.maximum(np.sqrt(mean * (piece**2).sum(axis=(1, 2))), mean)
    agreement: Float = (others * piece).sum(axis=(1, 2)) / np.where(norm > 0, norm, 1.0)
    return agreement
