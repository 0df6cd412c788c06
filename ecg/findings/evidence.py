"""`Evidence`: everything the rules look at, gathered once."""

from dataclasses import dataclass

import numpy as np

from ecg.findings.atrial import AtrialActivity, atrial_activity
from ecg.findings.ectopic_beats import ExtraBeat, extra_beats
from ecg.findings.low_rate import Float, reduce
from ecg.findings.unconducted_p import LoneP, lone_p_waves
from ecg.measurement.amplitudes import no_millivolts
from ecg.measurement.beats import Beats
from ecg.measurement.intervals import Measurements
from ecg.measurement.median import MedianBeat, typical_rr
from ecg.measurement.qrs_shape import QrsShape, qrs_shapes, slow_start
from ecg.quality import Quality
from ecg.record import EcgRecord

#: Limits on the evidence that more than one rule asks about; sources and the records they were checked on are in
#: docs/rules.md.
P_REGULARITY, P_REGULARITY_PACED = 0.43, 0.37
PACED_BEATS = 3
PAUSE = 1.6
IRREGULAR_FLUTTER = 0.1  # root mean square RR difference over RR from which flutter is not conducted in one ratio
STEADY_OWN = 0.1  # root mean square RR difference over RR without the ectopic beats: less is not fibrillation
#: Root mean square RR difference of a rhythm that may be flutter in a fixed ratio, of one as steady as only that or
#: a re-entry is, and what the ratio may be off a whole number.
STEADY, VERY_STEADY, FAST_BPM, RATIO_MARGIN = 0.03, 0.01, 110.0, 0.02


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known about a recording.

    Attributes
    ----------
    heart_rate, pr, qrs, p_axis, qrs_axis
        In bpm, ms and degrees; None when not measurable. `pr` is there also where pacing is not excluded.
    p_in_t
        Whether the P wave begins in the T wave before it: PR is then longer than `pr`.
    irregularity
        Median magnitude of successive RR differences over the median RR.
    irregularity_rms
        Root mean square of the same differences over the mean RR: it sees a few odd beats, too.
    irregular_by_ectopy
        Whether there are ectopic beats, and the RR intervals without them are steady or never two in a row.
    paced_fraction
        Share of the beats that follow a pacing spike; `n_unpaced` is how many do not.
    pacing_open
        Whether the QRS complex could be a paced one and the bandwidth is too low for spikes.
    late_p
        Whether the beats after the longer intervals share a P wave, though not all beats do.
    pause
        Longest RR that does not follow an early beat, over the lower quartile of RR.
    atria, lone_p, extra, shapes, slow_start_ms
        See `AtrialActivity`, `LoneP`, `ExtraBeat`, `QrsShape` (by lead), `ecg.measurement.qrs_shape.slow_start`.
    reversal
        Electrodes that are or may be exchanged; None when none.
    unit_known
        Whether amplitudes are in mV.
    fs_hz
        Sampling rate of the recording.
    """

    heart_rate: float | None
    pr: float | None
    p_in_t: bool
    qrs: float | None
    p_axis: float | None
    qrs_axis: float | None
    irregularity: float | None
    irregularity_rms: float | None
    irregular_by_ectopy: bool
    paced_fraction: float
    pacing_open: bool
    n_unpaced: int
    n_beats: int
    late_p: bool
    pause: float | None
    atria: AtrialActivity
    lone_p: tuple[LoneP, ...]
    extra: tuple[ExtraBeat, ...]
    shapes: dict[str, QrsShape]
    slow_start_ms: float | None
    reversal: str | None
    unit_known: bool
    fs_hz: float

    @property
    def pr_words(self) -> str:
        """PR where there is one, as every finding quotes it: `over` what shows where P begins in the T wave."""
        return f"PR {'over ' if self.p_in_t else ''}{self.pr:.0f} ms"

    @property
    def paced(self) -> bool:
        """Whether there are pacing spikes before at least three beats."""
        return self.paced_fraction * self.n_beats >= PACED_BEATS - 0.5

    @property
    def flutter(self) -> bool:
        """Whether the atria oscillate, and no P wave before the beats of a regular rhythm says otherwise."""
        return self.oscillates and (self.pr is None or (self.irregularity_rms or 0.0) >= IRREGULAR_FLUTTER)

    @property
    def oscillates(self) -> bool:
        """Whether one oscillation of the atria goes through the whole recording.

        In an irregular rhythm nothing else fits a wave that keeps its phase. In a regular one the harmonics of P and T
        do, too: there more of it is asked for, at a rate of flutter without drugs.
        """
        fit, with_t, rate = self.atria.flutter_fit, self.atria.flutter_fit_with_t, self.atria.flutter_per_min
        if with_t is None or rate is None:
            return False
        if (self.irregularity_rms or 0.0) >= IRREGULAR_FLUTTER:
            # P waves in groups have harmonics, too
            sinus = self.pr is not None and (rate < 240.0 or self.own_p_clock_s is not None)
            return not sinus and with_t >= 0.35 and (fit is None or fit >= 0.3)
        if fit is None:  # a wide QRS of a fast rhythm looks like a wave itself, as does T at twice a rate above 170
            return 240.0 <= rate <= 340.0 and with_t >= 0.7 and (self.qrs or 0.0) < 120.0
        return rate >= 240.0 and fit >= 0.7 and with_t >= 0.36

    @property
    def may_flutter(self) -> bool:
        """Whether a regular rhythm is a whole fraction of an atrial oscillation's rate, and too much like flutter.

        Sinus rhythm varies from beat to beat by more than flutter in a fixed ratio does: the steadier the rhythm and
        the faster, the less of an oscillation is enough for doubt.
        """
        fit, with_t, rate = self.atria.flutter_fit or 0.0, self.atria.flutter_fit_with_t, self.atria.flutter_per_min
        if with_t is None or rate is None or not self.heart_rate or self.irregularity_rms is None:
            return False
        ratio = rate / self.heart_rate
        if self.irregularity_rms >= STEADY or round(ratio) < 2 or abs(ratio - round(ratio)) > RATIO_MARGIN * ratio:
            return False
        fast = self.heart_rate >= FAST_BPM and self.irregularity_rms < VERY_STEADY
        return with_t >= (0.25 if fast else 0.5) or (fit >= 0.5 and with_t >= 0.25)

    @property
    def own_p_clock_s(self) -> float | None:
        """Interval of regular P waves found without regard to the beats, in s; None without such."""
        needed = P_REGULARITY_PACED if self.paced else P_REGULARITY
        return self.atria.p_interval_s if (self.atria.p_regularity or 0.0) >= needed else None


def gather(record: EcgRecord, measurements: Measurements, quality: Quality) -> Evidence:
    """The `Evidence` in a recording and its measurements."""
    beats, median, rhythm = measurements.beats, measurements.median_beat, measurements.rhythm
    reduced = reduce(record, measurements)
    rr_mean, rmssd = measurements.rr_mean.value, measurements.rmssd.value
    n_beats, rr = len(beats.r_samples), beats.rr
    paced = rhythm.paced_fraction.value or 0.0
    return Evidence(
        heart_rate=measurements.heart_rate.value,
        pr=_pr_ms(median),
        p_in_t=median is not None and median.p_in_t,
        qrs=measurements.qrs_duration.value,
        p_axis=measurements.p_axis.value,
        qrs_axis=measurements.qrs_axis.value,
        irregularity=rhythm.rr_irregularity.value,
        irregularity_rms=None if rmssd is None or rr_mean is None else rmssd / rr_mean,
        irregular_by_ectopy=_irregular_by_ectopy(beats),
        paced_fraction=paced,
        pacing_open=median is not None and rhythm.paced_fraction.value is None,
        n_unpaced=n_beats - round(paced * n_beats),
        n_beats=n_beats,
        late_p=median is not None and median.late_p,
        pause=_pause(rr),
        atria=atrial_activity(reduced, median),
        lone_p=lone_p_waves(reduced, beats, median),
        extra=extra_beats(reduced, beats),
        shapes={} if median is None else qrs_shapes(median),
        slow_start_ms=None if median is None else slow_start(median),
        reversal=quality.lead_reversal or quality.possible_reversal,
        unit_known=no_millivolts(median, record.unit) is None,
        fs_hz=record.fs_hz,
    )


def _pr_ms(median: MedianBeat | None) -> float | None:
    if median is None or median.p_onset is None or median.qrs_onset is None:
        return None
    return (median.qrs_onset - median.p_onset) * 1000.0 / median.fs_hz


def _irregular_by_ectopy(beats: Beats) -> bool:
    own = ~beats.is_class("ectopic")
    if own.all() or len(own) < 3:
        return False
    steps = np.diff(beats.rr)[own[:-2] & own[1:-1] & own[2:]]
    steps = steps[~np.isnan(steps)]
    return len(steps) < 2 or float(np.sqrt((steps**2).mean())) < STEADY_OWN * typical_rr(beats)


def _pause(rr: Float) -> float | None:
    known = ~np.isnan(rr)
    if known.sum() < 4:
        return None
    usual, middle = np.quantile(rr[known], (0.25, 0.5))
    after_early = np.concatenate([[False], rr[:-1] < 0.85 * middle])
    return float(rr[known & ~after_early].max(initial=0) / usual) if usual else None
