"""A second, independent beat detector, and what the beats say about each lead."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg.dsp import median, rank
from ecg.filters import running_mean
from ecg.peaks import peaks_apart
from ecg.quality.limits import BEAT_CHECK

Floats = NDArray[np.float32]
Indexes = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class BeatView:
    """What the beats show.

    Attributes
    ----------
    peaks
        Sample indexes of the beats of the envelope detector, aligned on the QRS.
    n_beats
        Number of the beats given.
    agreement
        F1 score of the two detectors, 0..1; 0 without beats.
    readable
        float [lead]: fraction of beats whose QRS looks like the lead's median QRS. Of two kinds of beats that both
        come often each has a median of its own; other beats that differ in most leads do not count.
    fs_hz
        Sampling rate of `peaks` and `median_beats`.
    median_beats
        float32 [lead, sample]: median over beats from `BeatCheckLimits.before_s` before to `after_s` after the peak;
        None under two beats.
    """

    peaks: Indexes
    n_beats: int
    agreement: float
    readable: NDArray[np.float64]
    fs_hz: float
    median_beats: Floats | None


def view_beats(signal: Floats, fs_hz: float, peaks: Indexes) -> BeatView:
    """Detect beats in [lead, sample] again, compare them with `peaks`, and look at every beat in every lead.

    The detector takes peaks of the slope averaged over the middle third of the leads, so that no single bad lead can
    spoil it.
    """
    slope = _slopes(signal, fs_hz)
    energy = _middle_mean(np.abs(slope))
    envelope = running_mean(energy, max(1, round(0.1 * fs_hz)), "constant")
    own = _without_t_waves(_envelope_peaks(envelope, fs_hz), peaks, fs_hz)
    agreement = _agreement(peaks, own, envelope, BEAT_CHECK.match_s * fs_hz)
    aligned = _align(own, energy, fs_hz)
    readable = _readable(signal, aligned, fs_hz)
    return BeatView(aligned, len(peaks), agreement, readable, fs_hz, _median_beats(signal, aligned, fs_hz))


def _slopes(signal: Floats, fs_hz: float) -> Floats:
    """Slope over 16 ms in units of each lead's steep parts (97th percentile), limited to 1.5, [lead, sample]."""
    k = max(1, round(0.008 * fs_hz))
    slope = np.zeros_like(signal)
    slope[:, k:-k] = signal[:, 2 * k :] - signal[:, : -2 * k]
    steep = rank(np.abs(slope), 0.97)[:, None]
    steep[steep == 0] = np.inf
    limited: Floats = np.clip(slope / steep, -1.5, 1.5)
    return limited


def _middle_mean(rows: Floats) -> Floats:
    """Mean over the middle third of the leads, sample by sample; over all of one or two leads."""
    n = len(rows)
    if n > 2:
        rows = np.sort(rows, axis=0)[n // 3 : n - n // 3]
    mean: Floats = rows.mean(axis=0)
    return mean


def _envelope_peaks(envelope: Floats, fs_hz: float) -> Indexes:
    peaks = peaks_apart(envelope, max(1, round(0.25 * fs_hz)))
    if not len(peaks):
        return np.zeros(0, dtype=np.intp)
    reach = round(2.0 * fs_hz)
    local = np.array([envelope[max(0, at - reach) : at + reach + 1].max() for at in peaks.tolist()])
    local = np.minimum(local, 1.5 * median(local))  # one burst must not hide the beats around it
    floor = float(median(envelope))
    kept: Indexes = peaks[envelope[peaks] - floor > 0.45 * (local - floor)]
    return kept


def _without_t_waves(own: Indexes, peaks: Indexes, fs_hz: float) -> Indexes:
    """The detector's beats less the T waves of a recording in which they are as steep as QRS complexes.

    A T wave follows nearly every one of the beats given at one interval, and is not among them.
    """
    if len(own) < BEAT_CHECK.tall_t_beats or len(peaks) < BEAT_CHECK.tall_t_beats:
        return own
    alone = np.flatnonzero(~_near(own, peaks, BEAT_CHECK.match_s * fs_hz))
    before = np.searchsorted(peaks, own[alone]) - 1
    alone, before = alone[before >= 0], before[before >= 0]
    lag = (own[alone] - peaks[before]) / fs_hz
    inside = (lag >= BEAT_CHECK.tall_t_lag_s[0]) & (lag <= BEAT_CHECK.tall_t_lag_s[1])
    if inside.sum() < BEAT_CHECK.tall_t_share * len(peaks):
        return own
    usual = float(np.median(lag[inside]))
    at_one_interval = inside & (np.abs(lag - usual) <= BEAT_CHECK.tall_t_spread_s)
    if at_one_interval.sum() < BEAT_CHECK.tall_t_share * len(peaks):
        return own
    kept: Indexes = np.delete(own, alone[at_one_interval])
    return kept


def _agreement(peaks: Indexes, own: Indexes, envelope: Floats, tolerance: float) -> float:
    """F1 score of two detectors; what one finds where the envelope is silent (a T wave, in a long pause) is left out.

    A detector that searches back finds something in every pause; that says nothing about the signal.
    """
    if not len(own):
        return 0.0
    peaks = peaks[(peaks >= 0) & (peaks < len(envelope))]
    alone = ~_near(peaks, own, tolerance)
    peaks = peaks[~(alone & (envelope[peaks] < 0.25 * median(envelope[own])))]
    if not len(peaks):
        return 0.0
    matched = _near(peaks, own, tolerance).sum() + _near(own, peaks, tolerance).sum()
    return float(matched) / (len(peaks) + len(own))


def _near(these: Indexes, those: Indexes, tolerance: float) -> NDArray[np.bool_]:
    """Which of `these` have one of `those`, sorted and not empty, within the tolerance."""
    after = np.searchsorted(those, these)
    left = np.abs(these - those[np.maximum(after - 1, 0)])
    right = np.abs(these - those[np.minimum(after, len(those) - 1)])
    return np.asarray(np.minimum(left, right) <= tolerance)


def _align(peaks: Indexes, energy: Floats, fs_hz: float) -> Indexes:
    """Move each peak to the centre of its slope energy: the same place in beats of the same shape."""
    half = round(0.08 * fs_hz)
    window = np.arange(-half, half + 1)
    for _ in range(2):
        peaks = peaks[(peaks >= half) & (peaks < len(energy) - half)]
        power = energy[peaks[:, None] + window] ** 2
        moved = (power * window).sum(axis=1) / np.maximum(power.sum(axis=1), 1e-12)
        peaks = peaks + np.rint(moved).astype(np.intp)
    unique: Indexes = np.unique(peaks)
    return unique


def _readable(signal: Floats, peaks: Indexes, fs_hz: float) -> NDArray[np.float64]:
    before, after = (round(s * fs_hz) for s in BEAT_CHECK.qrs_s)
    peaks = peaks[(peaks >= before) & (peaks < signal.shape[1] - after)]
    if len(peaks) < 2:
        return np.zeros(len(signal))
    qrs = signal[:, peaks[:, None] + np.arange(-before, after)]
    qrs = qrs - qrs.mean(axis=2, keepdims=True)
    second = _second_kind(qrs)
    if second is None:
        return _alike(qrs)
    share = second.mean()
    fraction: NDArray[np.float64] = (1 - share) * _alike(qrs[:, ~second]) + share * _alike(qrs[:, second])
    return fraction


def _second_kind(qrs: Floats) -> NDArray[np.bool_] | None:
    """Which beats of [lead, beat, sample] are of a second kind that is as coherent as the first, as when a pacemaker
    comes and goes; None where there is one kind only.
    """
    if len(qrs) < 3 or qrs.shape[1] < 6:
        return None
    norm = np.sqrt((qrs**2).sum(axis=2, keepdims=True))
    unit = qrs / np.where(norm > 0, norm, np.inf)
    seeds = unit[:, :: -(-qrs.shape[1] // BEAT_CHECK.kind_seeds)]
    alike = np.einsum("lbs,lcs->cb", unit, seeds, optimize=True) > BEAT_CHECK.same_kind * len(qrs)
    first = alike[alike.sum(axis=1).argmax()]
    rest = alike & ~first
    second: NDArray[np.bool_] = rest[rest.sum(axis=1).argmax()]
    enough = second.sum() >= max(3, BEAT_CHECK.kind_share * len(second))
    return second if enough and (first | second).mean() >= BEAT_CHECK.kinds_cover else None


def _alike(qrs: Floats) -> NDArray[np.float64]:
    """Fraction of the beats [lead, beat, sample] whose QRS looks like the median of the lead, float [lead]."""
    usual_qrs = median(qrs, axis=1)[:, None]
    size = np.sqrt((usual_qrs**2).mean(axis=2))
    norm = np.sqrt((qrs**2).mean(axis=2)) * size
    like = (qrs * usual_qrs).mean(axis=2) / np.where(norm > 0, norm, np.inf)
    typical = float(median(size[:, 0]))
    off = np.sqrt(((qrs - usual_qrs) ** 2).mean(axis=2))
    # with three leads or more, a beat unlike the median in most of them is ectopic, not unreadable
    usual = median(like, axis=0) > BEAT_CHECK.same_shape if len(qrs) > 2 else np.ones(qrs.shape[1], dtype=bool)
    if usual.sum() < len(usual) / 2:
        usual[:] = True
    readable = ((like > BEAT_CHECK.same_shape) | (off < BEAT_CHECK.negligible * typical))[:, usual].mean(axis=1)
    dead = size[:, 0] <= 0.02 * typical
    fraction: NDArray[np.float64] = np.where(dead, 0.0, readable)
    return fraction


def _median_beats(signal: Floats, peaks: Indexes, fs_hz: float) -> Floats | None:
    before, after = round(BEAT_CHECK.before_s * fs_hz), round(BEAT_CHECK.after_s * fs_hz)
    peaks = peaks[(peaks >= before) & (peaks < signal.shape[1] - after)]
    if len(peaks) < 2:
        return None
    return median(signal[:, peaks[:, None] + np.arange(-before, after)], axis=1)
