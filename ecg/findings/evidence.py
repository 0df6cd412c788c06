"""`Evidence`: everything the rules look at, gathered once."""

from dataclasses import dataclass

import numpy as np

from ecg.dsp import quantile
from ecg.findings.atrial import AtrialActivity, atrial_activity
from ecg.findings.ectopic_beats import EctopicBeat, ectopic_beats, usual_rr
from ecg.findings.limits import ATRIAL, CONDUCTION, ECTOPY, FIXED_RATIO, PACING, RHYTHM
from ecg.findings.low_rate import Float, low_rate_signal
from ecg.findings.unconducted_p import UnconductedP, unconducted_p_waves
from ecg.measurement.amplitudes import no_millivolts
from ecg.measurement.beats import Beats
from ecg.measurement.intervals import Measurements
from ecg.measurement.median import MedianBeat
from ecg.measurement.qrs_shape import QrsShape, qrs_shapes, slow_start
from ecg.quality import Quality
from ecg.record import EcgRecord


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
        Longest RR that does not follow an early beat, over the lower quartile of those that end in none.
    atria, unconducted_p, ectopic, shapes, slow_start_ms
        See `AtrialActivity`, `UnconductedP`, `EctopicBeat`, `QrsShape` (by lead), `slow_start`.
    reversal
        Electrodes that are or may be exchanged; None when none.
    longest_rr_s
        Longest RR interval that crosses no gap, in s.
    lost
        Leads whose quality is Poor, where the recording can be read without them.
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
    unconducted_p: tuple[UnconductedP, ...]
    ectopic: tuple[EctopicBeat, ...]
    shapes: dict[str, QrsShape]
    slow_start_ms: float | None
    reversal: str | None
    unit_known: bool
    fs_hz: float
    lost: tuple[str, ...] = ()
    longest_rr_s: float | None = None

    @property
    def limb_reversal(self) -> bool:
        """Whether the limb electrodes are, or may be, exchanged."""
        return self.reversal is not None and not self.reversal.startswith("V")

    @property
    def pr_words(self) -> str:
        """PR where there is one, as every finding quotes it: `over` what shows where P begins in the T wave."""
        return f"PR {'over ' if self.p_in_t else ''}{self.pr:.0f} ms"

    @property
    def paced(self) -> bool:
        """Whether there are pacing spikes before at least three beats."""
        return self.paced_fraction * self.n_beats >= PACING.fewest_beats - 0.5

    @property
    def may_be_paced(self) -> bool:
        """Whether the beats may be paced though no spikes are seen: wide, at even intervals, on a low bandwidth.

        A pacemaker keeps its interval, or follows the P wave at one. Irregular beats without P waves are not paced.
        """
        return self.pacing_open and (self.pr is not None or (self.irregularity_rms or 0.0) < PACING.steady)

    @property
    def flutter(self) -> bool:
        """Whether the atria oscillate, and no upright P wave before the beats of a regular rhythm says otherwise.

        What comes before them from below can be the flutter wave itself, as it is in typical flutter.
        """
        irregular = (self.irregularity_rms or 0.0) >= ATRIAL.flutter_irregular
        from_below = self.p_axis is not None and not self.p_upright(RHYTHM.p_axis_margin)
        return self.oscillates and (self.pr is None or irregular or from_below)

    def p_upright(self, margin: float = 0.0) -> bool:
        """Whether there is a P wave upright in both I and II, or its axis at most `margin` degrees outside of that."""
        low, high = RHYTHM.p_axis_low - margin, RHYTHM.p_axis_high + margin
        return self.p_axis is not None and low <= self.p_axis <= high

    @property
    def oscillates(self) -> bool:
        """Whether one oscillation of the atria goes through the whole recording.

        In an irregular rhythm nothing else fits a wave that keeps its phase. In a regular one the harmonics of P and T
        do, too: there more of it is asked for, at a rate of flutter without drugs.
        """
        fit, with_t, rate = self.atria.flutter_fit, self.atria.flutter_fit_with_t, self.atria.flutter_per_min
        if with_t is None or rate is None:
            return False
        if (self.irregularity_rms or 0.0) >= ATRIAL.flutter_irregular:
            # P waves in groups have harmonics, too
            sinus = self.pr is not None and (rate < ATRIAL.flutter_low or self.own_p_clock_s is not None)
            enough = with_t >= ATRIAL.flutter_fit_with_t and (fit is None or fit >= ATRIAL.flutter_fit)
            return not sinus and enough
        if fit is None:  # a wide QRS of a fast rhythm looks like a wave itself, as do T and P at twice the rate
            if (self.heart_rate or 0.0) > ATRIAL.flutter_fastest_bpm:
                return False
            typical = ATRIAL.flutter_low <= rate <= ATRIAL.flutter_high and (self.qrs or 0.0) < ATRIAL.flutter_narrow_ms
            return typical and with_t >= ATRIAL.flutter_fit_regular
        fits = fit >= ATRIAL.flutter_fit_regular and with_t >= ATRIAL.flutter_fit_regular_with_t
        return rate >= ATRIAL.flutter_low and fits

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
        whole = round(ratio) >= 2 and abs(ratio - round(ratio)) <= FIXED_RATIO.ratio_margin * ratio
        if self.irregularity_rms >= FIXED_RATIO.steady or not whole:
            return False
        fast = self.heart_rate >= FIXED_RATIO.fast_bpm and self.irregularity_rms < FIXED_RATIO.very_steady
        needed = FIXED_RATIO.fit_with_t_fast if fast else FIXED_RATIO.fit_with_t
        # Outside of T one P wave is a short stretch that a wave of any rate fits: at the slow rate of a sinus rhythm
        # that varies it says nothing.
        one_p = self.pr is not None and self.heart_rate <= RHYTHM.tachycardia_bpm
        one_p = one_p and self.irregularity_rms >= FIXED_RATIO.steady_with_p
        outside = not one_p and fit >= FIXED_RATIO.fit and with_t >= FIXED_RATIO.fit_least_with_t
        return with_t >= needed or outside

    @property
    def atrial_clock_s(self) -> float | None:
        """`own_p_clock_s` of atria at least as fast as the beats; a slower one is that of groups of beats."""
        clock = self.own_p_clock_s
        if clock is None or self.heart_rate is None or 60.0 / clock < ATRIAL.p_clock_of_beats * self.heart_rate:
            return None
        return clock

    @property
    def own_p_clock_s(self) -> float | None:
        """Interval of regular P waves found without regard to the beats, in s; None without such."""
        needed = ATRIAL.p_regularity_paced if self.paced else ATRIAL.p_regularity
        return self.atria.p_interval_s if (self.atria.p_regularity or 0.0) >= needed else None


def gather(record: EcgRecord, measurements: Measurements, quality: Quality) -> Evidence:
    """The `Evidence` in a recording and its measurements."""
    beats, median, rhythm = measurements.beats, measurements.median_beat, measurements.rhythm
    low_rate = low_rate_signal(record, measurements)
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
        atria=atrial_activity(low_rate, median),
        unconducted_p=unconducted_p_waves(low_rate, beats, median),
        ectopic=ectopic_beats(low_rate, beats),
        shapes={} if median is None else qrs_shapes(median),
        slow_start_ms=None if median is None else slow_start(median),
        reversal=quality.lead_reversal or quality.possible_reversal,
        unit_known=no_millivolts(median, record.unit) is None,
        fs_hz=record.fs_hz,
        longest_rr_s=float(np.nanmax(rr)) / record.fs_hz if np.isfinite(rr).any() else None,
        lost=tuple(lead.lead for lead in quality.per_lead if lead.grade == "Poor"),
    )


def _pr_ms(median: MedianBeat | None) -> float | None:
    if median is None or median.p is None or median.qrs is None:
        return None
    return (median.qrs.onset - median.p.onset) * 1000.0 / median.fs_hz


def _irregular_by_ectopy(beats: Beats) -> bool:
    # A beat of another shape that comes late is no ectopic one: an aberrant beat, or fibrillation.
    early = np.concatenate([[True], ~(beats.rr >= ECTOPY.early * usual_rr(beats))]) if len(beats.rr) else np.ones(1)
    own = ~(beats.is_class("ectopic") & early.astype(bool))
    if own.all() or len(own) < 3:
        return False
    # From one own beat to the next: across an ectopic one it is two intervals of a sinus rhythm that goes on.
    usual = usual_rr(beats)
    spans = np.diff(beats.r_samples[own]).astype(np.float64)
    spans[np.diff(np.cumsum(beats.after_gap)[own]) > 0] = np.nan
    steps = np.diff(spans / np.maximum(1.0, np.rint(spans / usual)))
    steps = steps[~np.isnan(steps)]
    return len(steps) < 2 or float(np.sqrt((steps**2).mean())) < RHYTHM.steady_without_ectopy * beats.typical_rr


def _pause(rr: Float) -> float | None:
    known = ~np.isnan(rr)
    if known.sum() < 4:
        return None
    early = rr < CONDUCTION.early_before_pause * quantile(rr[known], 0.5)
    usual = quantile(rr[known & ~early], 0.25)
    after_early = np.concatenate([[False], early[:-1]])
    return float(rr[known & ~after_early].max(initial=0) / usual) if usual else None
