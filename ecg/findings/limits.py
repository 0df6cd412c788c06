"""The numbers the rules decide by, a dataclass for each family. docs/rules.md lists them from here.

`fitted` as a source means: chosen on the recordings that docs/rules.md names, because no publication gives it for the
quantity as it is measured here.
"""

from dataclasses import dataclass

from ecg.limits import limit
from ecg.measurement.limits import MEDIAN_BEAT

_AHA = "AHA/ACCF/HRS 2009"


@dataclass(frozen=True)
class RhythmLimits:
    """Rate, sinus rhythm, fibrillation."""

    tachycardia_bpm: float = limit(100.0, "bpm", "Chou; 2018 ACC/AHA/HRS")
    bradycardia_bpm: float = limit(60.0, "bpm", "Chou: what readers write; the 2018 guideline treats < 50")
    irregular: float = limit(0.10, "of RR", "fitted: median RR difference from which a rhythm without P fibrillates")
    irregular_if_rms: float = limit(0.04, "of RR", "fitted: the same where the root mean square is high, too")
    irregular_rms: float = limit(0.10, "of RR", "fitted: the root mean square that is high")
    not_fibrillation: float = limit(
        MEDIAN_BEAT.regular, "of RR", "fitted: below it a rhythm without P is no fibrillation"
    )
    irregular_rms_paced: float = limit(0.05, "of RR", "fitted: with a pacemaker that fills the pauses")
    fewest_unpaced: int = limit(2, "beats", "fitted: with a pacemaker")
    p_axis_low: float = limit(-30.0, "deg", "upright P in II and I")
    p_axis_high: float = limit(90.0, "deg", "upright P in I and II")
    p_axis_margin: float = limit(15.0, "deg", "spread of the P axis on LUDB: within it the direction is open")
    p_axis_margin_in_t: float = limit(45.0, "deg", "fitted: what shows of a P wave that begins in T")
    steady_without_ectopy: float = limit(0.10, "of RR", "fitted: regular but for the ectopic beats")


@dataclass(frozen=True)
class AtrialLimits:
    """P waves with a clock of their own, flutter waves, P waves that are not conducted."""

    p_regularity: float = limit(0.55, "correlation", "fitted: atria with a regular clock; fibrillation reaches 0.50")
    p_clock_of_beats: float = limit(0.95, "of the rate", "slower atrial clocks are groups of beats")
    p_regularity_paced: float = limit(0.37, "correlation", "fitted: the same under pacing")
    p_interval_s: tuple[float, float] = limit((0.35, 1.6), "s", "atrial rates of 37 to 171 a minute")
    p_span_s: float = limit(60.0, "s", "how much of a recording is looked at for a clock")
    nearest_lag: float = limit(0.55, "of the best", "fitted: likeness at which a shorter lag is taken")
    overlap_s: float = limit(2.5, "s", "fitted: least overlap for a likeness to count")
    flutter_span_s: float = limit(12.0, "s", "one phase cannot be assumed for longer")
    room: float = limit(0.2, "of samples", "fitted: least time between T and QRS for a fit")
    margin_s: float = limit(0.02, "s", "left free on each side of QRS and T")
    usual_t_end_s: float = limit(0.36, "s", "after R, where T was not found")
    one_frequency_hz: float = limit(0.15, "Hz", "fitted: fits with and without T mean one oscillation")
    flutter_irregular: float = limit(0.10, "of RR", "fitted: root mean square of flutter in changing ratios")
    flutter_fit: float = limit(0.30, "of variance", "fitted: irregular rhythm")
    flutter_fit_with_t: float = limit(0.35, "of variance", "fitted: irregular rhythm, T left in")
    flutter_low: float = limit(240.0, "per min", "typical flutter (2023 ACC/AHA/ACCP/HRS)")
    flutter_high: float = limit(340.0, "per min", "typical flutter (2023 ACC/AHA/ACCP/HRS)")
    flutter_fit_regular: float = limit(0.70, "of variance", "fitted: regular rhythm")
    flutter_fit_regular_with_t: float = limit(0.36, "of variance", "fitted: regular rhythm, T left in")
    flutter_fastest_bpm: float = limit(155.0, "bpm", "above it T and P of sinus tachycardia make two waves a beat, too")
    flutter_narrow_ms: float = limit(120.0, "ms", "a wide complex at a fast rate looks like a wave itself")
    lone_p_likeness: float = limit(0.8, "correlation", "fitted: of an unconducted P wave with the others")
    lone_p_height: float = limit(1.8, "times", "fitted: larger waves are T waves")
    lone_p_apart_s: float = limit(0.25, "s", "between two unconducted P waves")
    lone_p_before_s: float = limit(0.10, "s", "from an unconducted P wave to the next conducted one")
    lone_p_t_end_s: float = limit(0.42, "s", "after R, where T was not found")


@dataclass(frozen=True)
class FixedRatioLimits:
    """When flutter conducted in a fixed ratio is not excluded."""

    steady: float = limit(0.03, "of RR", "fitted: root mean square RR difference below which the ratio may be fixed")
    very_steady: float = limit(0.01, "of RR", "fitted: as only flutter and re-entry are")
    steady_with_p: float = limit(0.005, "of RR", "fitted: sinus rhythm with P, up to 100/min, varies by more")
    fast_bpm: float = limit(110.0, "bpm", "fitted: above it a very steady rhythm needs less of an oscillation")
    ratio_margin: float = limit(0.02, "of the ratio", "fitted: distance from a whole number")
    fit_with_t: float = limit(0.50, "of variance", "fitted")
    fit_with_t_fast: float = limit(0.25, "of variance", "fitted: very steady and fast")
    fit: float = limit(0.50, "of variance", "fitted: with `fit_least_with_t`")
    fit_least_with_t: float = limit(0.25, "of variance", "fitted")


@dataclass(frozen=True)
class EctopyLimits:
    """Premature ventricular beats."""

    early: float = limit(0.9, "of RR", "Chou: earlier than the next beat was due")
    early_in_fibrillation: float = limit(1.1, "of RR", "fitted: no beat is due at a certain time")
    late_after_first: float = limit(1.15, "of RR", "the pause by which the first beat shows that it was early")
    aberrant_initial: float = limit(0.9, "correlation", "fitted: a conducted beat begins as the others do")
    compensatory: float = limit(1.92, "of RR", "Chou: the two intervals about a ventricular premature beat")
    wide: float = limit(1.2, "times", "fitted: as wide as the other beats")
    wide_ms: float = limit(100.0, "ms", "fitted: a QRS of 120 ms measured at a fifth of its peak speed")
    large: float = limit(1.4, "times", "fitted: path of a ventricular beat beside wide ones")
    large_ms: float = limit(90.0, "ms", "fitted: width of a large beat")
    initial_s: float = limit(0.04, "s", "the beginning of a beat")
    size: float = limit(0.6, "times", "fitted: smaller deflections are noise or T waves")
    speed_share: float = limit(0.2, "of the peak", "where the width of a single beat is taken")
    half_window_s: float = limit(0.13, "s", "to each side of R, searched for the width")
    edge_s: float = limit(0.25, "s", "nearer the end of the recording a beat is cut off")


@dataclass(frozen=True)
class TachycardiaLimits:
    """Wide tachycardias."""

    wide_ms: float = limit(120.0, "ms", _AHA)
    run: int = limit(3, "beats", "2017 AHA/ACC/HRS")
    very_wide_ms: float = limit(160.0, "ms", "Brugada 1991; Chou")
    widest: float = limit(0.6, "of RR", "a longer QRS has its T wave in it")
    supporting_signs: int = limit(2, "signs", "fitted: each of them is seen in aberrancy, too")
    r_peak_ii_ms: float = limit(50.0, "ms", "Pava 2010: R peak in II")
    one_way: float = limit(0.1, "of peak to peak", "Brugada 1991: no RS complex in V1 to V6")
    dissociated: float = limit(0.9, "of the rate", "fitted: P waves slower than the beats")
    extreme_axis: float = limit(-90.0, "deg", "Vereckei 2008: axis between it and 180°")
    concordance: float = limit(0.1, "of peak to peak", "Brugada 1991: net QRS of V1 to V6 of one sign")


@dataclass(frozen=True)
class ConductionLimits:
    """PR, AV block, bundle branch blocks, pre-excitation."""

    long_pr_ms: float = limit(200.0, "ms", "2018 ACC/AHA/HRS")
    pr_margin_ms: float = limit(5.0, "ms", "within it PR is at the bound: its spread on LUDB is 8 ms")
    short_pr_ms: float = limit(120.0, "ms", "2015 ACC/AHA/HRS")
    block_ms: float = limit(120.0, "ms", _AHA)
    incomplete_ms: float = limit(110.0, "ms", _AHA)
    wide_left_ms: float = limit(140.0, "ms", "Strauss 2011: strict left bundle branch block")
    late_r_wide_left_ms: float = limit(50.0, "ms", "fitted: R peak in a lateral lead of so wide a complex")
    net: float = limit(0.1, "of peak to peak", "fitted: a complex clearly upwards or downwards")
    anterior_axis: float = limit(-45.0, "deg", _AHA)
    posterior_axis: float = limit(90.0, "deg", _AHA)
    delta_ms: float = limit(40.0, "ms", "fitted: slow start of a pre-excited complex")
    flutter_waves: float = limit(4.5, "a beat", "Chou: flutter is conducted 2:1 to 4:1 by a sound node")
    more_p_than_beats: float = limit(1.05, "of the rate", "fitted: slower P waves are groups of beats")
    pause: float = limit(1.6, "of RR", "fitted: shorter ones are sinus arrhythmia")
    early_before_pause: float = limit(0.85, "of RR", "fitted: the pause after such a beat is compensatory")
    on_time: float = limit(0.1, "of RR", "fitted: a P wave that keeps the sinus clock")
    half_way: float = limit(0.04, "of RR", "fitted: the second P wave of 2:1 conduction")
    half_way_share: float = limit(0.7, "of intervals", "fitted: 2:1 conduction")


@dataclass(frozen=True)
class InfarctionLimits:
    """Pathological Q waves (fourth universal definition, 2018)."""

    q_ms: float = limit(30.0, "ms", "universal definition 2018")
    q_mv: float = limit(0.1, "mV", "universal definition 2018")
    q_ms_v2_v3: float = limit(20.0, "ms", "universal definition 2018")
    q_share: float = limit(0.25, "of R", "the older criterion: III and aVL often show a small q")
    axis_low: float = limit(-30.0, "deg", "beyond it hemiblock makes Q waves, too")
    axis_high: float = limit(90.0, "deg", "beyond it a turned heart or strain makes Q waves, too")


@dataclass(frozen=True)
class PacingLimits:
    """Electronic pacemaker."""

    fewest_beats: int = limit(3, "beats", "fitted: fewer spikes are artefacts")
    steady: float = limit(0.05, "of RR", "root mean square RR difference of a pacemaker with a beat of its own or two")


@dataclass(frozen=True)
class StatementLimits:
    """ST, QTc, voltages, axis, early beats, pauses."""

    st_mv: float = limit(0.1, "mV", "universal definition 2018: elevation at J, other leads")
    st_v2_v3_women_mv: float = limit(0.15, "mV", "universal definition 2018: V2 and V3")
    st_v2_v3_men_mv: float = limit(0.2, "mV", "universal definition 2018: V2 and V3, from 40 years on")
    st_v2_v3_young_mv: float = limit(0.25, "mV", "universal definition 2018: V2 and V3, men under 40")
    st_young_years: float = limit(40.0, "years", "universal definition 2018")
    st_depression_mv: float = limit(0.05, "mV", "universal definition 2018: at J, horizontal or falling")
    st_rise_mv: float = limit(
        0.05, "mV", "a rise from J to J+80 ms (0.6 mV/s) that makes a depression an ascending one"
    )
    long_qtc_men_ms: float = limit(450.0, "ms", "AHA/ACCF/HRS part IV, 2009")
    long_qtc_women_ms: float = limit(460.0, "ms", "AHA/ACCF/HRS part IV, 2009")
    short_qtc_ms: float = limit(390.0, "ms", "AHA/ACCF/HRS part IV, 2009")
    sokolow_mv: float = limit(3.5, "mV", "Sokolow 1949")
    cornell_men_mv: float = limit(2.8, "mV", "Casale 1985")
    cornell_women_mv: float = limit(2.0, "mV", "Casale 1985")
    low_limb_mv: float = limit(0.5, "mV", "Chou")
    low_chest_mv: float = limit(1.0, "mV", "Chou")
    left_axis_deg: float = limit(-30.0, "deg", _AHA)
    right_axis_deg: float = limit(90.0, "deg", _AHA)
    axis_margin_deg: float = limit(3.0, "deg", "the axis' own spread: within it the deviation is open")
    late_avl_ms: float = limit(45.0, "ms", _AHA)
    regular: float = limit(0.1, "of RR", "the rhythm in which an early beat stands out")
    pause_s: float = limit(3.0, "s", "2018 ACC/AHA/HRS")


RHYTHM = RhythmLimits()
ATRIAL = AtrialLimits()
FIXED_RATIO = FixedRatioLimits()
ECTOPY = EctopyLimits()
WIDE_TACHYCARDIA = TachycardiaLimits()
CONDUCTION = ConductionLimits()
INFARCTION = InfarctionLimits()
PACING = PacingLimits()
STATEMENTS = StatementLimits()
ALL = (RHYTHM, ATRIAL, FIXED_RATIO, ECTOPY, WIDE_TACHYCARDIA, CONDUCTION, INFARCTION, PACING, STATEMENTS)
