"""The median beat: every lead's sample-wise median over the measured beats, with its fiducial points."""

from dataclasses import dataclass, replace

import numpy as np

from ecg.dsp import FS_HZ, Float, median
from ecg.measurement.beats import Beats, spike_lags
from ecg.measurement.condition import Conditioned
from ecg.measurement.detect import Index
from ecg.measurement.pwave import onset_is_hidden, p_agreement, p_wave, repeats, t_p_valley
from ecg.measurement.qrs import qrs_edges
from ecg.measurement.twave import TWave, expected_peak, smoothed, t_wave

BEFORE = 225  # samples before R: 450 ms, room for a PR of 320 ms and some baseline
AFTER = 350  # samples after R: 700 ms, room for a QT of 650 ms
MIN_BEATS = 3
_MAX_BEATS = 60  # more do not make a better median, and a long recording costs no more than a short one
#: A P wave is there when three quarters of the beats agree on it: with this correlation, and more in a rhythm more
#: irregular than sinus rhythm is, where the fibrillatory waves of half the beats can agree by chance.
_P_AGREEMENT, _PER_IRREGULARITY, _SINUS_IRREGULARITY = 0.56, 1.15, 0.05
_AGREES = 0.65  # from this correlation a beat counts as having the P wave
_MAX_P_S = 0.22
#: Shares of the longest RR after which a beat is late, and how well every late beat must agree: on the recordings of
#: docs/rules.md a quarter of the late beats in fibrillation stays below 0.8.
_LATE, _LATE_AGREEMENT = (0.85, 0.7), 0.8
_ECTOPIC_RISE = 20  # samples: an ectopic QRS complex rises that much longer to its R, 40 ms
_FAST_S, _BEFORE_VALLEY = 0.6, 10  # RR under which T and P can run together; samples, 20 ms
_AFTER_T_PEAK, _LATE_T = 20, 25  # samples: 40 ms, and 50 ms later than expected
_REST = 5  # samples, 10 ms, between one wave and the next
#: Samples, 24 ms, from the T wave to a P wave that may have begun in it: at most 19 ms are found where one did, 39 ms
#: and more where 60 ms of rest were made between them.
_AT_ONCE = 12
_REPEATS = "the same atrial wave comes more than once before each QRS complex: flutter"
_CONTINUOUS = "the atrial waves leave no room for a T wave: flutter, or P on T"


@dataclass(frozen=True, eq=False)
class MedianBeat:
    """The representative beat of a recording.

    Attributes
    ----------
    signal
        float64 [lead, sample], the recording's unit, zero at the isoelectric stretch before the QRS complex.
    leads
        Name of each row.
    usable
        bool [lead], False for a lead that is flat or mostly missing.
    fs_hz
        Sampling rate of `signal` in Hz.
    r
        Sample of the R fiducial.
    n_beats
        How many beats went into it.
    p_onset, p_peak, p_offset, qrs_onset, qrs_offset, t_peak, t_end
        Global fiducial points in samples of `signal`, not rounded; None where the wave was not found.
    p_onset_sd, qrs_onset_sd, qrs_offset_sd, t_end_sd
        Spread of the single leads' marks in samples; None with fewer than three leads.
    p_fraction
        Share of the beats whose P wave agrees with the others', 0 to 1.
    no_p
        Why there is no P wave; None when there is one.
    late_p
        Whether the beats after the longest intervals share a P wave though not all beats do: as with premature atrial
        beats and 2nd-degree block, and not in fibrillation.
    p_in_t
        Whether the P wave begins in the T wave before it: `p_onset` is then where it begins to show.
    """

    signal: Float
    leads: tuple[str, ...]
    usable: np.ndarray[tuple[int], np.dtype[np.bool_]]
    fs_hz: float
    r: int
    n_beats: int
    p_onset: float | None = None
    p_peak: float | None = None
    p_offset: float | None = None
    qrs_onset: float | None = None
    qrs_offset: float | None = None
    t_peak: float | None = None
    t_end: float | None = None
    p_onset_sd: float | None = None
    qrs_onset_sd: float | None = None
    qrs_offset_sd: float | None = None
    t_end_sd: float | None = None
    p_fraction: float = 0.0
    no_p: str | None = "the QRS complex has no clear edges"
    late_p: bool = False
    p_in_t: bool = False


def measured_stack(conditioned: Conditioned, beats: Beats) -> Float | None:
    """At most sixty of the measured beats, as `stack_beats` cuts them; None when there are fewer than three."""
    r = beats.r_samples[beats.measured]
    return stack_beats(conditioned.signal, r[:: -(-len(r) // _MAX_BEATS)]) if len(r) >= MIN_BEATS else None


def median_beat(
    conditioned: Conditioned, leads: tuple[str, ...], beats: Beats, stack: Float | None
) -> MedianBeat | None:
    """The delineated median beat of the `measured_stack`; None without one. `beats` is in 500 Hz samples."""
    if stack is None:
        return None
    signal = level_beat(median_signal(stack))
    beat = MedianBeat(signal, leads, conditioned.usable, FS_HZ, BEFORE, int(beats.measured.sum()))
    used = signal[conditioned.usable]
    edges = qrs_edges(used, BEFORE)
    if edges is None:
        return beat
    onset, offset = edges.onset, edges.offset
    rr = typical_rr(beats)
    paced = beats.is_class("paced") & beats.measured
    if paced.any():
        onset = max(onset, _after_spike(conditioned, beats.r_samples[paced]))
    beat = replace(beat, qrs_onset=onset, qrs_offset=offset, qrs_onset_sd=edges.onset_sd, qrs_offset_sd=edges.offset_sd)
    # Where T and P run together the higher of the two would pass for T: the valley between them tells them apart.
    fast = rr < _FAST_S * FS_HZ
    valley = t_p_valley(used, onset, offset - rr) if fast else None
    other = onset - _REST + _other_beat_after(beats)
    smooth = smoothed(used)

    def t_until(limit: float) -> TWave | None:
        return t_wave(smooth, BEFORE, offset, rr, min(limit, other))

    t = t_until((onset - _REST if valley is None else valley) + rr)
    # The P wave is looked for after the T wave of the beat before, then the T wave before the P wave of the next.
    earliest = BEFORE - 0.68 * rr
    if valley is not None:
        earliest = valley - _BEFORE_VALLEY
    elif t is not None:
        peak = min(t.peak, BEFORE + expected_peak(rr) + _LATE_T)
        earliest = max(earliest, peak - rr + _AFTER_T_PEAK)
    beat = _with_p(beat, stack[:, conditioned.usable], beats, earliest)
    if beat.p_onset is not None and valley is None and repeats(used, onset, offset - rr + _REST):
        beat = replace(beat, p_onset=None, p_peak=None, p_offset=None, no_p=_REPEATS)
    if beat.p_onset is not None:
        if valley is not None and t is not None and t.end > valley + rr - _BEFORE_VALLEY:
            beat = replace(beat, p_onset=max(beat.p_onset, valley))
        t = t_until(max((beat.p_onset or 0.0) - _REST, valley or 0.0) + rr)
        if t is None:
            beat = replace(beat, p_onset=None, p_peak=None, p_offset=None, no_p=_CONTINUOUS)
    if beat.p_onset is None:
        t = t_until(onset - _REST + rr)
        beat = replace(beat, late_p=_late_p(conditioned, beats, onset))
    elif fast and t is not None and t.end - rr > beat.p_onset - _AT_ONCE:
        beat = replace(beat, p_in_t=onset_is_hidden(used, beat.p_onset, beat.p_peak, beat.p_offset, onset))
    return beat if t is None else replace(beat, t_peak=t.peak, t_end=t.end, t_end_sd=t.end_sd)


def _with_p(beat: MedianBeat, stack: Float, beats: Beats, earliest: float) -> MedianBeat:
    if beat.qrs_onset is None:
        return beat
    if (beats.is_class("paced") & beats.measured).any():
        return replace(beat, no_p="the ventricles are paced: there is no conducted P wave")
    wave = p_wave(beat.signal[beat.usable], beat.qrs_onset, earliest)
    if wave is None:
        return replace(beat, no_p="no P wave was found")
    agreement = p_agreement(stack, wave, beat.qrs_onset)
    excess = min(max(irregularity(beats) - _SINUS_IRREGULARITY, 0.0), 0.25)
    needed = _P_AGREEMENT + _PER_IRREGULARITY * excess
    fraction = float((agreement >= _AGREES).mean()) if len(agreement) else 0.0
    too_long = wave.offset - wave.onset > _MAX_P_S * FS_HZ
    if len(agreement) == 0 or np.quantile(agreement, 0.25) < needed or too_long:
        return replace(beat, p_fraction=fraction, no_p="no P wave is common to the beats")
    return replace(
        beat, p_onset=wave.onset, p_peak=wave.peak, p_offset=wave.offset, p_onset_sd=wave.onset_sd,
        p_fraction=fraction, no_p=None,
    )  # fmt: skip


def _late_p(conditioned: Conditioned, beats: Beats, qrs_onset: float) -> bool:
    """Whether the beats after the longer intervals of an irregular rhythm all have one P wave."""
    rr = np.concatenate([[np.nan], beats.rr])
    if np.isnan(rr).all() or (beats.is_class("paced") & beats.measured).any():
        return False
    longest = float(np.nanquantile(rr, 0.9))
    for share in _LATE:
        late = beats.measured & (rr >= share * longest)
        if late.sum() < MIN_BEATS or np.nanmin(rr) >= share * longest:
            continue
        stack = stack_beats(conditioned.signal[conditioned.usable], beats.r_samples[late][:_MAX_BEATS])
        wave = p_wave(level_beat(median_signal(stack)), qrs_onset, BEFORE - 0.6 * longest)
        if wave is None or wave.offset - wave.onset > _MAX_P_S * FS_HZ:
            continue
        agreement = p_agreement(stack, wave, qrs_onset)
        if len(agreement) >= MIN_BEATS and agreement.min() >= _LATE_AGREEMENT:
            return True
    return False


def irregularity(beats: Beats) -> float:
    """Median magnitude of successive RR differences over the median RR: about 0.03 in sinus rhythm, 0.2 in AF."""
    steps = np.abs(np.diff(beats.rr))
    steps = steps[~np.isnan(steps)]
    return float(median(steps)) / typical_rr(beats) if len(steps) >= 2 else 0.0


def typical_rr(beats: Beats) -> float:
    """Median RR in samples; of all intervals where each of them crosses a gap."""
    rr = beats.rr
    known = rr[~np.isnan(rr)]
    return float(median(known if len(known) else np.diff(beats.r_samples).astype(np.float64)))


def _other_beat_after(beats: Beats) -> float:
    """Samples from R to where the QRS complex of an ectopic beat begins when most measured beats are followed by one.

    As in bigeminy; infinite otherwise. Such a complex is in the median beat and must not pass for its T wave.
    """
    follows = beats.measured[:-1] & ~beats.after_gap[1:]
    other = follows & ~beats.measured[1:]
    if other.sum() * 2 < max(follows.sum(), 1):
        return float("inf")
    return float(np.median(np.diff(beats.r_samples)[other])) - _ECTOPIC_RISE


def _after_spike(conditioned: Conditioned, r: Index) -> float:
    """The first moment a paced QRS can begin, 6 ms after its spike, in samples of the median beat."""
    return BEFORE - float(median(spike_lags(r, conditioned.spikes))) + 3.0


def level_beat(signal: Float) -> Float:
    """A beat with zero at the median of 60 to 120 ms before R."""
    levelled: Float = signal - median(signal[:, BEFORE - 60 : BEFORE - 30])[:, None]
    return levelled


def stack_beats(signal: Float, r: Index) -> Float:
    """Beats cut around R, float64 [beat, lead, sample]; samples outside the recording are NaN."""
    index = r[:, None] + np.arange(-BEFORE, AFTER)
    n = signal.shape[1]
    beats: Float = signal[:, np.clip(index, 0, n - 1)].transpose(1, 0, 2).copy()
    outside = (index < 0) | (index >= n)
    if outside.any():
        beats[np.broadcast_to(outside[:, None, :], beats.shape)] = np.nan
    return beats


def median_signal(beats: Float) -> Float:
    """Sample-wise median over beats, float64 [lead, sample]; where no beat reaches, the nearest value is held."""
    partial = np.isnan(beats[:, 0, :]).any(axis=0)
    if not partial.any():
        return median(beats, axis=0)
    covered = ~np.isnan(beats[:, 0, :]).all(axis=0)
    whole = np.zeros(beats.shape[1:])
    whole[:, ~partial] = median(beats[:, :, ~partial], axis=0)
    some = partial & covered
    if some.any():
        rising = np.sort(beats[:, :, some], axis=0)  # NaN last
        n = (~np.isnan(beats[:, 0, some])).sum(axis=0)
        at = np.arange(some.sum())
        whole[:, some] = ((rising[(n - 1) // 2, :, at] + rising[n // 2, :, at]) / 2).T
    first, last = np.flatnonzero(covered)[[0, -1]]
    whole[:, :first] = whole[:, first, None]
    whole[:, last + 1 :] = whole[:, last, None]
    return whole
