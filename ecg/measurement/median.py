"""The median beat: every lead's sample-wise median over the measured beats, with its fiducial points."""

from dataclasses import dataclass, replace

import numpy as np

from ecg.dsp import FS_HZ, median, quantile
from ecg.filters import Float
from ecg.measurement.beats import Beats, spike_lags
from ecg.measurement.condition import Conditioned
from ecg.measurement.limits import MEDIAN_BEAT, P_WAVE, QRS
from ecg.measurement.pwave import PWave, onset_is_hidden, p_agreement, p_wave, repeats, t_p_valley
from ecg.measurement.qrs import QrsEdges, qrs_edges
from ecg.measurement.twave import Limit, TWave, expected_peak, smoothed, t_wave
from ecg.peaks import Index

BEFORE = 225  # samples before R: 450 ms, room for a PR of 320 ms and some baseline
AFTER = 350  # samples after R: 700 ms, room for a QT of 650 ms
_LEVEL = 10  # samples before the QRS onset, 20 ms
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
    qrs, p, t
        The waves, their points in samples of `signal`, not rounded; None where a wave was not found. There is neither
        P nor T without QRS.
    p_fraction
        Share of the beats whose P wave agrees with the others', 0 to 1.
    no_p
        Why there is no P wave; None when there is one.
    late_p
        Whether the beats after the longest intervals share a P wave though not all beats do: as with premature atrial
        beats and 2nd-degree block, and not in fibrillation.
    p_in_t
        Whether the P wave begins in the T wave before it: `p.onset` is then where it begins to show.
    """

    signal: Float
    leads: tuple[str, ...]
    usable: np.ndarray[tuple[int], np.dtype[np.bool_]]
    fs_hz: float
    r: int
    n_beats: int
    qrs: QrsEdges | None = None
    p: PWave | None = None
    t: TWave | None = None
    p_fraction: float = 0.0
    no_p: str | None = "the QRS complex has no clear edges"
    late_p: bool = False
    p_in_t: bool = False

    @property
    def level(self) -> slice:
        """The samples of the isoelectric level: 20 ms before the QRS complex stirs; the whole beat without one."""
        if self.qrs is None:
            return slice(None)
        end = round(self.qrs.onset - QRS.toe_before)
        return slice(max(0, end - _LEVEL), end + 1)

    def above_level(self) -> Float:
        """The signal above each lead's mean at its `level`, float64 [lead, sample]."""
        above: Float = self.signal - self.signal[:, self.level].mean(axis=1, keepdims=True)
        return above


def measured_stack(conditioned: Conditioned, beats: Beats) -> Float | None:
    """At most sixty of the measured beats, as `stack_beats` cuts them; None when there are fewer than three."""
    r = beats.r_samples[beats.measured]
    return (
        stack_beats(conditioned.signal, r[:: -(-len(r) // MEDIAN_BEAT.max_beats)])
        if len(r) >= MEDIAN_BEAT.min_beats
        else None
    )


def median_beat(
    conditioned: Conditioned, leads: tuple[str, ...], beats: Beats, stack: Float | None
) -> MedianBeat | None:
    """The delineated median beat of the `measured_stack`; None without one. `beats` is in 500 Hz samples."""
    if stack is None:
        return None
    signal = level_beat(median_signal(stack))
    beat = MedianBeat(signal, leads, conditioned.usable, FS_HZ, BEFORE, int(beats.measured.sum()))
    qrs = qrs_edges(signal[conditioned.usable], BEFORE)
    if qrs is None:
        return beat
    paced = beats.is_class("paced") & beats.measured
    if paced.any():
        qrs = replace(qrs, onset=max(qrs.onset, _after_spike(conditioned, beats.r_samples[paced])))
    own = stack if conditioned.usable.all() else stack[:, conditioned.usable]
    return _Waves(conditioned, beats, own, replace(beat, qrs=qrs), qrs).delineated()


@dataclass(frozen=True, eq=False)
class _Waves:
    """P and T of a median beat whose QRS complex is known: each is looked for where the other leaves room."""

    conditioned: Conditioned
    beats: Beats
    stack: Float
    beat: MedianBeat
    qrs: QrsEdges

    def delineated(self) -> MedianBeat:
        """The beat with its P and T waves.

        The P wave is looked for after the T wave of the beat before, then the T wave before the P wave of the next.
        """
        used, rr = self.beat.signal[self.beat.usable], self.beats.typical_rr
        onset, offset = self._qrs_begin, self.qrs.offset + QRS.toe_after
        # Where T and P run together the higher of the two would pass for T: the valley between them tells them apart.
        fast = rr < MEDIAN_BEAT.fast_s * FS_HZ
        valley = t_p_valley(used, onset, offset - rr) if fast else None
        smooth = smoothed(used, BEFORE)
        rest = onset - MEDIAN_BEAT.rest
        other = rest + _other_beat_after(self.beats)

        def t_until(limit: float, *, is_p: bool = False) -> TWave | None:
            return t_wave(smooth, offset, rr, Limit(min(limit, other), is_p))

        t = t_until((rest if valley is None else valley) + rr)
        p, fraction, no_p = self._p_wave(self._earliest_p(t, valley))
        if p is not None and valley is None and repeats(used, onset, offset - rr + MEDIAN_BEAT.rest):
            p, no_p = None, _REPEATS
        if p is not None:
            if valley is not None and t is not None and t.end > valley + rr - MEDIAN_BEAT.before_valley:
                p = replace(p, onset=max(p.onset, valley))
            t = t_until(max(p.onset - P_WAVE.toe - MEDIAN_BEAT.rest, valley or 0.0) + rr, is_p=valley is None)
            if t is None:
                p, no_p = None, _CONTINUOUS
        beat = replace(self.beat, p=p, p_fraction=fraction, no_p=no_p)
        if p is None:
            return replace(beat, t=t_until(rest + rr), late_p=_late_p(self.conditioned, self.beats, onset))
        at_once = fast and t is not None and t.end - rr > p.onset - P_WAVE.toe - MEDIAN_BEAT.at_once
        return replace(beat, t=t, p_in_t=at_once and onset_is_hidden(used, p, onset))

    @property
    def _qrs_begin(self) -> float:
        """The sample from which the QRS complex stirs: what is before it can be P wave and level."""
        return self.qrs.onset - QRS.toe_before

    def _earliest_p(self, t: TWave | None, valley: float | None) -> float:
        """The first sample at which a P wave is looked for."""
        rr = self.beats.typical_rr
        if valley is not None:
            return valley - MEDIAN_BEAT.before_valley
        earliest = BEFORE - MEDIAN_BEAT.earliest_p * rr
        if t is None:
            return earliest
        peak = min(t.peak, BEFORE + expected_peak(rr) + MEDIAN_BEAT.late_t)
        return max(earliest, peak - rr + MEDIAN_BEAT.after_t_peak)

    def _p_wave(self, earliest: float) -> tuple[PWave | None, float, str | None]:
        """The P wave if the beats share one, the share of the beats that have it, and why there is none."""
        if (self.beats.is_class("paced") & self.beats.measured).any():
            return None, 0.0, "the ventricles are paced: there is no conducted P wave"
        wave = p_wave(self.beat.signal[self.beat.usable], self._qrs_begin, earliest)
        if wave is None:
            return None, 0.0, "no P wave was found"
        agreement = p_agreement(self.stack, wave, self._qrs_begin)
        fraction = float((agreement >= MEDIAN_BEAT.agrees).mean()) if len(agreement) else 0.0
        too_long = wave.offset - wave.onset > P_WAVE.longest_s * FS_HZ
        if too_long or not _is_common(agreement, self.beats):
            return None, fraction, "no P wave is common to the beats"
        return wave, fraction, None


def _is_common(agreement: Float, beats: Beats) -> bool:
    """Whether the beats share a P wave: three quarters of them do, or half of them clearly.

    Half is what premature beats and noise leave of a sinus rhythm. In an irregular one hardly a beat may contradict the
    others: a P wave that a T wave hides is missing, but fibrillatory waves are as often upside down. Where T and P run
    together half of the beats are not enough.
    """
    if len(agreement) == 0:
        return False
    tenth, quarter, half = (quantile(agreement, share) for share in (0.1, MEDIAN_BEAT.p_agreement_share, 0.5))
    excess = min(max(beats.irregularity - MEDIAN_BEAT.sinus_irregularity, 0.0), MEDIAN_BEAT.max_excess)
    if quarter >= MEDIAN_BEAT.p_agreement + MEDIAN_BEAT.per_irregularity * excess:
        return True
    few, fast = len(agreement) < MEDIAN_BEAT.fewest_half, beats.typical_rr < MEDIAN_BEAT.fast_s * FS_HZ
    if few or fast or half < MEDIAN_BEAT.p_agreement_half:
        return False
    uncontradicted = tenth >= 0.0 and quarter >= MEDIAN_BEAT.p_agreement_least
    return bool(beats.irregularity < MEDIAN_BEAT.regular or uncontradicted)


def _late_p(conditioned: Conditioned, beats: Beats, qrs_onset: float) -> bool:
    """Whether the beats after the longer intervals of an irregular rhythm all have one P wave."""
    rr = np.concatenate([[np.nan], beats.rr])
    if np.isnan(rr).all() or (beats.is_class("paced") & beats.measured).any():
        return False
    longest = float(np.nanquantile(rr, 0.9))
    for share in (MEDIAN_BEAT.late, MEDIAN_BEAT.rather_late):
        late = beats.measured & (rr >= share * longest)
        if late.sum() < MEDIAN_BEAT.min_beats or np.nanmin(rr) >= share * longest:
            continue
        stack = stack_beats(conditioned.usable_signal, beats.r_samples[late][: MEDIAN_BEAT.max_beats])
        wave = p_wave(level_beat(median_signal(stack)), qrs_onset, BEFORE - 0.6 * longest)
        if wave is None or wave.offset - wave.onset > P_WAVE.longest_s * FS_HZ:
            continue
        agreement = p_agreement(stack, wave, qrs_onset)
        if len(agreement) >= MEDIAN_BEAT.min_beats and agreement.min() >= MEDIAN_BEAT.late_agreement:
            return True
    return False


def _other_beat_after(beats: Beats) -> float:
    """Samples from R to where the QRS complex of an ectopic beat begins when most measured beats are followed by one.

    As in bigeminy; infinite otherwise. Such a complex is in the median beat and must not pass for its T wave.
    """
    follows = beats.measured[:-1] & ~beats.after_gap[1:]
    other = follows & ~beats.measured[1:]
    if other.sum() * 2 < max(follows.sum(), 1):
        return float("inf")
    return float(np.median(np.diff(beats.r_samples)[other])) - MEDIAN_BEAT.ectopic_rise


def _after_spike(conditioned: Conditioned, r: Index) -> float:
    """The first moment a paced QRS can begin, 6 ms after its spike, in samples of the median beat."""
    return BEFORE - float(median(spike_lags(r, conditioned.spikes))) + 3.0


def level_beat(signal: Float) -> Float:
    """A beat with zero at the median of 60 to 120 ms before R."""
    levelled: Float = signal - median(signal[:, BEFORE - 60 : BEFORE - 30])[:, None]
    return levelled


def stack_beats(signal: Float, r: Index) -> Float:
    """Beats cut around R, float64 [beat, lead, sample]; samples outside the recording are NaN."""
    beats = np.full((len(r), len(signal), BEFORE + AFTER), np.nan)
    for beat, at in zip(beats, r.tolist(), strict=True):
        first, last = max(at - BEFORE, 0), min(at + AFTER, signal.shape[1])
        beat[:, first - at + BEFORE : last - at + BEFORE] = signal[:, first:last]
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
