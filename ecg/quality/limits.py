"""The numbers that quality decides by, a dataclass for each stage. docs/quality.md lists them from here.

`chosen` as a source means: on the recordings that docs/quality.md names under "How good it is", since no publication
gives it for the quantity as it is measured here. A height "of a QRS" is relative to the recording's own (`Figures`).
"""

from dataclasses import dataclass
from typing import cast

from ecg.limits import limit
from ecg.quality.result import Cause, CauseCode, Grade

_LUDB = "chosen on LUDB"
_LUDB_PTBXL = "chosen on LUDB and PTB-XL, each left out"


@dataclass(frozen=True)
class Criterion:
    """From which figure on a lead or a recording is Good, Fair or Poor; None: never for this alone."""

    code: CauseCode
    unit: str
    good: float | None
    fair: float | None
    poor: float | None

    def judge(self, lead: str | None, figure: float) -> Cause | None:
        """The cause that `figure` is, or None when it is beyond no limit."""
        for grade, bound in (("Poor", self.poor), ("Fair", self.fair), ("Good", self.good)):
            if bound is not None and figure > bound:
                return Cause(self.code, lead, round(figure, 4), self.unit, cast(Grade, grade))
        return None

    def __format__(self, spec: str) -> str:
        """The three limits, ``–`` for one that does not exist."""
        return ", ".join("–" if one is None else f"{one:{spec}}" for one in (self.good, self.fair, self.poor))


_CHOSEN = "chosen"
_GRADES = "Good, Fair, Poor from"


@dataclass(frozen=True)
class GradeLimits:
    """`assess.py`: the criteria. Only what makes a recording unreadable makes it Poor (docs/quality.md)."""

    missing: Criterion = limit(
        Criterion("missing_samples", "of samples", 0.0, 0.02, 0.5), _GRADES, "any is named; half leave nothing to read"
    )
    flat: Criterion = limit(
        Criterion("flat", "of seconds", None, 0.1, 0.5), _GRADES, "one second in ten; half leave nothing to read"
    )
    saturated_s: Criterion = limit(Criterion("saturated", "s", None, 0.04, 0.1), _GRADES, "fitted on CinC-2011")
    clipped: Criterion = limit(Criterion("clipped", "plateaus", None, 3.0, None), _GRADES, _CHOSEN)
    outlying: Criterion = limit(Criterion("outlying", "of seconds", 0.0, 0.15, None), _GRADES, _CHOSEN)
    wander: Criterion = limit(Criterion("baseline_wander", "QRS", 0.4, 1.0, None), _GRADES, _CHOSEN)
    shift: Criterion = limit(Criterion("motion", "QRS", 0.3, 1.0, None), _GRADES, _CHOSEN)
    mains: Criterion = limit(
        Criterion("mains", "QRS", 0.02, 0.06, 0.3), _GRADES, "chosen; Poor where its swing is over half of a QRS"
    )
    noise: Criterion = limit(Criterion("muscle_noise", "QRS", 0.025, 0.06, None), _GRADES, _CHOSEN)
    spikes: Criterion = limit(Criterion("spikes", "per s", 0.25, 1.0, None), _GRADES, _CHOSEN)
    unreadable: Criterion = limit(Criterion("no_qrs", "of beats", 0.1, 0.3, 0.54), _GRADES, "fitted on CinC-2011")
    residual: Criterion = limit(Criterion("limb_leads_inconsistent", "QRS", 0.25, 0.5, None), _GRADES, _CHOSEN)
    residual_at_r: Criterion = limit(
        Criterion("limb_leads_inconsistent", "QRS at R", None, 1.3, None), _GRADES, "LUDB reaches 1.16"
    )
    disagreement: Criterion = limit(
        Criterion("beat_detectors_disagree", "of beats", 0.05, 0.15, 0.3), _GRADES, "fitted on CinC-2011"
    )
    mean_shift: Criterion = limit(Criterion("motion", "QRS", None, 0.2, 0.28), _GRADES, "fitted on CinC-2011")
    frozen: Criterion = limit(
        Criterion("flat", "of the recording", None, 0.0, 0.2), _GRADES, "RR intervals across it count for nothing"
    )
    copies: Criterion = limit(
        Criterion("identical_leads", "of leads", None, 0.0, 0.5), _GRADES, "no two leads of a heart are the same"
    )
    step: Criterion = limit(
        Criterion("no_qrs", "of the QRS is a step", None, None, 0.5),
        _GRADES,
        "0.14 at most in the reference recordings, 0.9 and more in square waves",
    )


@dataclass(frozen=True)
class GradingLimits:
    """`assess.py`: what no grade is given for, and when a suspicion is dropped."""

    shortest_s: float = limit(2.0, "s", "two beats at 60 a minute; under it nothing can be compared with anything")
    fewest_beats: int = limit(3, "beats", "fewer make neither a rate nor a median beat")
    noisy: float = limit(0.06, "of a QRS", "with more muscle noise P waves say nothing about electrodes; chosen")


@dataclass(frozen=True)
class FigureLimits:
    """`figures.py`: what counts as a disturbance before it is graded."""

    working_hz: float = limit(200.0, "Hz", "spikes and clipping apart, all is measured at this rate or up to twice it")
    mains_hz: tuple[float, ...] = limit((50.0, 60.0), "Hz", "the two mains frequencies of the world")
    flat: float = limit(0.02, "of a QRS", "less movement in a second is none; chosen")
    outlying: float = limit(4.0, "of a QRS", "no QRS is so large, and none is half that times its lead's own; chosen")
    residual_quantile: float = limit(0.9, "of samples", "a departure from the limb-lead laws in a tenth of the samples")
    lawful: float = limit(0.25, "of a QRS", "residual up to which the limb leads are taken to follow the laws; chosen")
    full_of_mains: float = limit(0.06, "of a QRS", "mains that alone can hide a small QRS; chosen")
    mains_over_noise: float = limit(4.0, "of other noise", "mains and little else; chosen")
    swap_least: float = limit(0.03, "of a QRS", "departure from the laws from which exchanged names are looked for")
    swap_share: float = limit(0.2, "of it", "what an exchange of names may leave of that departure")
    copy: float = limit(0.9999, "correlation", "two leads of which one is a copy of the other")
    fewest_to_compare: int = limit(4, "leads", "fewer say nothing about copies")


@dataclass(frozen=True)
class BeatCheckLimits:
    """`beat_check.py`: the second beat detector, and which beats can be read."""

    match_s: float = limit(0.1, "s", "two detectors mean one beat within this; less than the 150 ms of ANSI/AAMI EC57")
    same_shape: float = limit(0.7, "correlation", "with the median beat, from which a beat can be read; chosen")
    same_kind: float = limit(0.75, "correlation", "mean over the leads of two beats of one kind; chosen")
    kind_seeds: int = limit(40, "beats", "tried as the beginning of a kind: bounds the work in long recordings")
    kind_share: float = limit(0.2, "of beats", "the least that a second kind has")
    kinds_cover: float = limit(0.9, "of beats", "what two kinds have together")
    negligible: float = limit(0.15, "of a QRS", "a deviation too small to matter, as in a lead at right angles to QRS")
    tall_t_lag_s: tuple[float, float] = limit((0.15, 0.48), "s", "how long after a beat a T wave can be taken for one")
    tall_t_spread_s: float = limit(0.03, "s", "how alike these intervals are")
    tall_t_share: float = limit(0.3, "of beats", "that such waves follow at least")
    tall_t_beats: int = limit(4, "beats", "that such waves follow at least")
    before_s: float = limit(0.30, "s", "of the median beat before the peak")
    after_s: float = limit(0.45, "s", "of the median beat after the peak")
    qrs_s: tuple[float, float] = limit((0.06, 0.08), "s", "before and after the peak that are compared as QRS")


@dataclass(frozen=True)
class ReversalLimits:
    """`reversal.py`: exchanged electrodes and leads turned over."""

    margin: float = limit(0.5, "log-likelihood", "rise from which an exchange is suspected; " + _LUDB)
    margin_unsure: float = limit(5.0, "log-likelihood", "the same without a P wave, or above `fast_bpm`; " + _LUDB)
    fast_bpm: float = limit(100.0, "bpm", "the P wave stands on the T wave of the beat before")
    certain: float = limit(4.0, "log-likelihood", "rise from which it is named; " + _LUDB_PTBXL)
    ventricles: float = limit(-1.0, "log-likelihood", "QRS and T alone object by no more; " + _LUDB_PTBXL)
    ventricles_alone: float = limit(5.5, "log-likelihood", "the same where no P wave tells; " + _LUDB)
    polarity: float = limit(-0.5, "sign", "sums of the signs of I, II and of V5, V6 below which all leads are turned")
    polarity_without_p: float = limit(-0.7, "sign", "of QRS and of T in I, II and in V5, V6, where no P wave tells")
    qrs_polarity: float = limit(-0.2, "sign", "and that of the QRS complex")
    exchange_gain: float = limit(1.07, "times", "by which exchanging two precordial leads shortens V1 to V6; " + _LUDB)
    turn_gain: float = limit(1.3, "times", "the same for turning one of V2 to V6 over; " + _LUDB)
    degrees_of_freedom: float = limit(4.0, "", "of the Student distribution of the residuals: outliers are common")
    p_shares: tuple[float, ...] = limit(
        (0.15, 0.27, 0.38, 0.5, 0.62, 0.73, 0.85), "of P", "instants of the P wave that are compared"
    )
    p_half: int = limit(5, "samples", "of 2 ms to each side of such an instant")
    qrs_at: tuple[int, ...] = limit((-12, -6, 0, 6, 12), "samples", "instants of QRS, from its largest vector")
    qrs_half: int = limit(3, "samples", "of 2 ms to each side of such an instant")
    t_at: tuple[int, ...] = limit((-40, -20, 0, 20, 40), "samples", "instants of T, from its peak")
    t_half: int = limit(10, "samples", "of 2 ms to each side of such an instant")


GRADES_FROM = GradeLimits()
GRADING = GradingLimits()
FIGURES = FigureLimits()
BEAT_CHECK = BeatCheckLimits()
REVERSAL = ReversalLimits()
ALL = (GRADES_FROM, GRADING, FIGURES, BEAT_CHECK, REVERSAL)
