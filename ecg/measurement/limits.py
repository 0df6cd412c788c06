"""Every number that decides something in measurement: one frozen class of limits for each stage.

Each field has its unit, and what it is or where it comes from. Samples are of 2 ms unless another rate is said.
"""

from dataclasses import dataclass

from ecg.limits import limit


@dataclass(frozen=True)
class ConditioningLimits:
    """Stage 1, `condition.py`: one rate, no baseline wander, gaps named."""

    max_missing: float = limit(0.2, "", "share of missing samples above which a lead is left out")
    max_bridge_s: float = limit(
        0.1, "s", "a longer gap may hide a beat, since a QRS complex is at most about that long"
    )
    high_pass_hz: float = limit(
        0.5, "Hz", "zero-phase (Kligfield et al. 2007: a one-way filter of this corner moves ST)"
    )
    baseline_block: int = limit(20, "samples", "a block mean: the baseline is estimated at 25 Hz")
    mains_hz: tuple[float, ...] = limit((50.0, 60.0), "Hz", "of the mains of every country")
    hum_offsets_hz: tuple[float, ...] = limit(
        (-1.0, -0.2, -0.1, 0.0, 0.1, 0.2, 1.0), "Hz", "from it; the outer two are no hum"
    )
    hum_block: int = limit(50, "samples", "that hold whole periods of both")
    hum_stands_out: float = limit(30.0, "", "power of hum over that of the outer two")
    hum_least_s: float = limit(3.0, "s", "in less a frequency does not stand apart from its neighbours")
    max_padding: float = limit(0.4, "", "share of a recording that can be padding")
    frozen_s: float = limit(0.4, "s", "in which every lead stands still: a recorder that stopped")
    frozen_times: float = limit(2.0, "", "and beyond that this many times the rest usual between beats")
    shortest_rest_s: float = limit(0.1, "s", "shorter stretches without change are no rests")
    fewest_rests: int = limit(3, "rests", "that show what is usual")


@dataclass(frozen=True)
class SpikeLimits:
    """Stage 2, `pacing.py`: spikes of a pacemaker."""

    quiet_before: int = limit(12, "samples", "of quiet line before a spike")
    unsmeared_hz: float = limit(450.0, "Hz", "from this rate a recorder shows a spike within 2 ms")
    min_fs_hz: float = limit(240.0, "Hz", "below this rate a smeared spike looks like a narrow QRS complex")
    height: float = limit(0.25, "", "height of a spike over the largest usual excursion")
    over_before: float = limit(6.0, "", "its rise over the steepest step before it")
    remainder: float = limit(0.4, "", "share of it that may remain after its return")
    small_height: float = limit(
        0.1, "", "the same three once a pacemaker is known: spikes in the other chamber are smaller"
    )
    small_over_before: float = limit(3.0, "", "rise of such a small spike over the steepest step before it")
    small_remainder: float = limit(0.8, "", "share of a small spike that may remain")
    small_before: int = limit(80, "samples", "before R in which the spike of a bipolar lead is looked for")
    small_after: int = limit(5, "samples", "and after it")
    small_leads: int = limit(3, "leads", "in which it must show")
    small_score: float = limit(0.07, "", "height above 120 Hz over the lead's (LUDB: paced 0.08, others 0.04)")
    small_first: float = limit(
        0.6, "", "share of the greatest from which the first one counts: both ventricles may be paced"
    )
    small_latest: float = limit(12.0, "samples", "before R: nearer is the complex itself")
    small_spread: float = limit(3.0, "samples", "by which its time before R may vary")
    stops: float = limit(0.3, "", "the step after a smeared spike over the steepest step of the spike")
    min_spikes: int = limit(3, "spikes", "fewer are artefacts")
    smeared_every_s: float = limit(10.0, "s", "for each smeared spike; rarer ones are artefacts or odd beats")
    sure_fs_hz: float = limit(400.0, "Hz", "below it not all spikes are found (at 250 Hz five of the six of LUDB)")
    sure_low_pass_hz: float = limit(120.0, "Hz", "a low-pass below it that the file names leaves too little of a spike")
    high_from_hz: float = limit(135.0, "Hz", "a recording brought to a higher rate holds nothing in the first band")
    high_to_hz: float = limit(195.0, "Hz", "end of that first band")
    below_from_hz: float = limit(70.0, "Hz", "beginning of the second band")
    below_to_hz: float = limit(110.0, "Hz", "end of the second band")
    empty: float = limit(
        0.002, "", "power in the first band over the second: 0.03 and more where recorded, 0.005 simulated"
    )


@dataclass(frozen=True)
class DetectionLimits:
    """Stage 3, `detect.py`: where the QRS complexes are. Heights are shares of the usual QRS complex."""

    fs_hz: float = limit(250.0, "Hz", "detection runs at half the rate of everything else")
    band_low_hz: float = limit(8.0, "Hz", "lower end of the band in which slopes are taken (Pan and Tompkins 1985)")
    band_high_hz: float = limit(30.0, "Hz", "upper end")
    qrs_s: float = limit(0.1, "s", "over which slope energy is averaged: the length of a QRS complex")
    refractory_s: float = limit(0.22, "s", "in which no second beat can follow")
    t_wave_s: float = limit(0.36, "s", "in which a lower peak is a T wave")
    every_t_s: float = limit(0.3, "s", "in which the T wave of a very wide complex peaks")
    lower_t: float = limit(0.85, "", "height of such a T wave over its beat's")
    every_t_share: float = limit(0.8, "", "share of the beats that have one")
    every_t_spread_s: float = limit(0.02, "s", "how alike their intervals are")
    fewest_after_t: int = limit(5, "beats", "that show what comes before each of them")
    early_t: float = limit(
        0.9, "of RR", "median RR within which the T wave of a beat before the recording is followed by a beat"
    )
    twice: float = limit(2.0, "", "times its size in the others up to which it is the same wave")
    level_block: int = limit(375, "samples", "of 4 ms: 1.5 s holds a beat")
    noise_block: int = limit(125, "samples", "of 4 ms: 0.5 s is mostly not QRS")
    no_beat: float = limit(0.15, "", "a block whose maximum is a smaller share of both neighbours' holds no beat")
    threshold: float = limit(0.35, "", "height a beat must reach in quiet")
    per_noise: float = limit(0.6, "", "and more of it for each unit of noise")
    low: float = limit(0.15, "", "lowest peak that is looked at in a gap")
    low_over_noise: float = limit(2.0, "", "height over noise of what fills a gap")
    full: float = limit(0.95, "", "a peak of the usual height fills a gap in any noise")
    gap: float = limit(1.6, "of RR", "a longer interval is searched again")
    gap_edge: float = limit(0.4, "of RR", "what fills a gap is no nearer to its ends")
    gap_before_first: float = limit(
        0.3, "of RR", "median RR before the first sample at which a beat is assumed, and after the last"
    )
    holds: float = limit(
        0.12, "", "share of a usual beat that what fills a gap holds (CPSC-2019: 0.14 and more; blocked P: 0.1)"
    )
    noisy: float = limit(0.25, "", "above this noise a beat must look like the quiet beats")
    alike: float = limit(0.5, "", "correlation with them that is asked there")
    very_alike: float = limit(0.85, "", "correlation from which a peak needs no height")
    as_large: float = limit(0.4, "", "share of a usual beat it must hold then")
    unlike: float = limit(0.8, "", "correlation under which a small peak is doubtful")
    small: float = limit(0.7, "", "share of a usual beat under which an unlike peak is doubtful")
    unquiet: float = limit(0.12, "", "noise above which a beat is asked for its likeness at all")
    split: float = limit(
        1.4, "of RR", "median RR between its neighbours up to which a doubtful beat splits an interval"
    )
    modest: float = limit(0.7, "", "height under which it does: an ectopic beat is steep or late")
    too_close: float = limit(0.35, "of RR", "of two beats in noise nearer together one is none")
    restless: float = limit(0.65, "", "median noise above which slopes tell nothing and sleepecg decides by height")
    learn_s: float = limit(2.0, "s", "from which sleepecg learns its thresholds")
    half: int = limit(18, "samples", "of 4 ms on each side of a beat that are compared")
    shift: int = limit(8, "samples", "of 4 ms by which it may be shifted for that")
    edge_s: float = limit(0.03, "s", "complexes nearer to the ends of the recording are cut off")
    fiducial_reach: int = limit(25, "samples", "around a peak of slope in which R is looked for")


@dataclass(frozen=True)
class LowBeatLimits:
    """Stage 3, `low_beats.py`: beats of the usual shape that are too low for the detector."""

    step: int = limit(4, "samples", "a block: at 125 Hz the QRS complex is still whole")
    half: int = limit(7, "blocks", "on each side of R that are compared, 56 ms")
    min_rr_s: float = limit(0.75, "s", "in a shorter interval the T wave of a wide complex lies in the middle")
    away: float = limit(0.42, "", "share of the interval from both its ends; T of a wide complex peaks at up to 0.39")
    away_s: float = limit(0.25, "s", "and at least that")
    alike: float = limit(
        0.8, "", "correlation of slopes with the usual complex (adds no beat on the 133 recordings of rules.md)"
    )
    lowest: float = limit(0.1, "", "share of the usual size")
    share: float = limit(0.7, "", "share of the long intervals in which there must be one")
    min_found: int = limit(3, "beats", "and in at least so many")
    rather_alike: float = limit(0.6, "", "correlation that is enough for the others once they are there")
    max_template: int = limit(60, "beats", "that make the usual complex")
    at_once: int = limit(
        4096, "", "places that are compared at a time: what that needs of memory does not grow with a recording"
    )


@dataclass(frozen=True)
class ClassLimits:
    """Stage 4, `beats.py`: which beats belong to the dominant rhythm."""

    half: int = limit(30, "samples", "on each side of R that are compared between beats, 60 ms")
    shift: int = limit(10, "samples", "by which a beat is shifted at most when it is aligned")
    same_shape: float = limit(0.9, "", "correlation over all leads from which two beats have one shape")
    max_shapes: int = limit(8, "", "what matches none of so many shapes shares the last number")
    seed_beats: int = limit(60, "beats", "that are compared with each other to begin a shape")
    as_common: float = limit(0.8, "", "share of the commonest shape's beats from which another is about equally common")
    pulse_half: int = limit(60, "samples", "on each side of R that are compared between leads")
    pulse_step: int = limit(3, "samples", "from one that is compared to the next: a pulse is long and flat")
    pulse_unlike: float = limit(0.15, "", "share of its size by which a calibration pulse differs from lead to lead")
    pulse_leads: float = limit(0.65, "", "share of the leads that have it; of twelve made from eight, eight do")
    pulse_fewest: int = limit(6, "leads", "below which alike ones prove nothing")
    spike_before: int = limit(80, "samples", "a ventricular spike stands at most 160 ms before the R of a wide complex")
    spike_after: int = limit(5, "samples", "after R at which a spike may stand")
    steady: float = limit(0.1, "of RR", "median step between intervals under which a rhythm is regular")
    early: float = limit(0.8, "of RR", "a beat of the usual shape after less in such a rhythm is premature")


@dataclass(frozen=True)
class MedianBeatLimits:
    """Stage 5, `median.py`: the median beat and how its waves are put together."""

    min_beats: int = limit(3, "beats", "that make a median beat")
    max_beats: int = limit(60, "beats", "more do not make a better median")
    p_agreement: float = limit(
        0.56, "", "correlation that three quarters of the beats' P waves must reach in sinus rhythm"
    )
    p_agreement_share: float = limit(0.25, "", "quantile of the beats at which it is asked")
    p_agreement_half: float = limit(
        0.7, "", "correlation that half of them must reach (AF of PTB-XL at most 0.6, of CPSC-2021 0.85)"
    )
    p_agreement_least: float = limit(0.4, "", "correlation of three quarters, where half of them reach that")
    regular: float = limit(0.04, "", "irregularity under which a rhythm does not fibrillate, here and in the rules")
    fewest_half: int = limit(6, "beats", "of which half are enough")
    per_irregularity: float = limit(
        0.8, "", "and more of it for each unit of irregularity: fibrillatory waves agree by chance"
    )
    sinus_irregularity: float = limit(0.05, "", "irregularity that sinus rhythm has")
    max_excess: float = limit(0.25, "", "irregularity beyond which no more is asked")
    agrees: float = limit(0.65, "", "correlation from which a beat counts as having the P wave")
    late: float = limit(0.85, "", "share of the longest RR after which a beat is late, first try")
    rather_late: float = limit(0.7, "", "the same, second try")
    late_agreement: float = limit(
        0.8, "", "correlation of every late beat; a quarter of them in fibrillation stay below 0.8"
    )
    ectopic_rise: int = limit(20, "samples", "by which an ectopic complex rises longer to its R")
    fast_s: float = limit(0.6, "s", "RR under which T and P can run together")
    before_valley: int = limit(10, "samples", "before the valley between T and P from which P is looked for")
    earliest_p: float = limit(0.68, "of RR", "before R from which a P wave is looked for")
    after_t_peak: int = limit(20, "samples", "after the T peak from which a P wave is looked for")
    late_t: int = limit(25, "samples", "by which a T peak may be later than expected")
    rest: int = limit(5, "samples", "between one wave and the next")
    at_once: int = limit(
        12, "samples", "from T to a P wave that may have begun in it: at most 19 ms where one did, else 39"
    )


@dataclass(frozen=True)
class QrsLimits:
    """Stage 6, `qrs.py`: onset and offset of the QRS complex."""

    low_pass_hz: float = limit(40.0, "Hz", "slopes are taken below it")
    peak_before: int = limit(40, "samples", "before R from which the steepest place is looked for")
    peak_after: int = limit(50, "samples", "after R up to which it is")
    quiet_before_from: int = limit(60, "samples", "before R at which the quiet line before the complex begins")
    quiet_before_to: int = limit(25, "samples", "before R at which it ends")
    quiet_after_from: int = limit(40, "samples", "after R at which the quiet line after the complex begins")
    quiet_after_to: int = limit(110, "samples", "after R at which it ends")
    quiet: float = limit(0.2, "", "quantile of the velocity there that is the quiet velocity")
    stays_before: int = limit(3, "samples", "in a row below a threshold that end the search to the left")
    stays_after: int = limit(5, "samples", "the same to the right")
    share_low: float = limit(
        0.02, "", "share of the peak velocity, first of three thresholds: one alone follows the noise"
    )
    share_middle: float = limit(0.04, "", "second threshold")
    share_high: float = limit(0.08, "", "third threshold")
    steep: float = limit(0.3, "", "share of the peak velocity that only the QRS complex reaches")
    terminal: float = limit(0.12, "", "share of the peak velocity that its slow last forces reach when they return")
    max_terminal: int = limit(40, "samples", "for which they last at most")
    quick_core: int = limit(50, "samples", "from the first steep place to the last, where the slow part comes after it")
    max_nadir: int = limit(20, "samples", "of low velocity within a broad complex")
    max_plateau: int = limit(50, "samples", "of low velocity on a plateau of high voltage")
    plateau_height: float = limit(0.6, "", "share of the greatest voltage kept on it")
    noise_factor: float = limit(2.5, "", "no threshold lies below so many times the quiet velocity beside the complex")
    lead_peak_before: int = limit(
        45, "samples", "before R from which the steepest place of a single lead is looked for"
    )
    lead_quiet_after_from: int = limit(45, "samples", "after R at which its quiet line after the complex begins")
    lead_quiet: float = limit(0.5, "", "quantile of its slope in the quiet line")
    lead_stays_before: int = limit(6, "samples", "in a row below its threshold that end the search to the left")
    lead_stays_after: int = limit(8, "samples", "the same to the right")
    lead_share: float = limit(0.03, "", "share of its peak slope at which a single lead begins and ends")
    lead_noise_before: float = limit(2.0, "", "and no less than so many times the quiet slope before it")
    lead_noise_after: float = limit(3.0, "", "or after it")
    lead_weight: float = limit(0.35, "", "weight of the earliest (latest) leads against the spatial velocity")
    lead_reach: float = limit(10.0, "samples", "by which they may differ")
    extreme_share: int = limit(6, "", "one in so many leads is among the earliest or latest")
    onset_shift: float = limit(
        -0.3, "samples", "from the crossings to the onset reported, where device programs put it"
    )
    offset_shift: float = limit(
        0.0, "samples", "from the crossings to the offset reported, where device programs put it"
    )
    toe_before: float = limit(
        4.5, "samples", "before the reported onset in which the complex already stirs: no P, no level"
    )
    toe_after: float = limit(3.5, "samples", "after the reported offset in which it still fades")
    network_onset_weight: float = limit(0.5, "", "weight of the network's onset against the velocity's")
    network_offset_weight: float = limit(0.5, "", "weight of the network's offset")
    network_reach: float = limit(
        8.0, "samples", "by which the network's edges may differ; what lies beyond is its error"
    )
    network_onset_shift: float = limit(-0.3, "samples", "from the median of the network's onsets to the reported level")
    network_offset_shift: float = limit(1.1, "samples", "the same for the offset")
    lead_onset_shift: float = limit(-2.8, "samples", "between the earliest leads and the crossings")
    lead_offset_shift: float = limit(4.8, "samples", "between the latest leads and the crossings")


@dataclass(frozen=True)
class TWaveLimits:
    """Stage 7, `twave.py`: peak and end of the T wave."""

    low_pass_hz: float = limit(10.0, "Hz", "slopes of T are taken below it")
    level_from: int = limit(60, "samples", "before R at which each lead's level begins")
    level_to: int = limit(35, "samples", "before R at which it ends")
    earliest_s: float = limit(0.11, "s", "from R to the first place of a T peak")
    earliest_rr: float = limit(0.3, "of RR", "at fast rates no later than that")
    after_qrs_s: float = limit(0.03, "s", "from the end of the QRS complex to the first place of a T peak")
    latest_root: float = limit(0.62, "s", "from R to the end of the search, times the root of RR in s")
    latest_rr: float = limit(0.85, "of RR", "at fast rates no later than that")
    shortest_s: float = limit(0.06, "s", "that must be there to search")
    before_end: int = limit(15, "samples", "before the end of the search up to which it peaks")
    quiet: float = limit(0.1, "", "quantile of the velocity after the last summit that is the quiet velocity")
    share_low: float = limit(0.1, "", "share of the last summit of velocity, first of three thresholds")
    share_middle: float = limit(0.2, "", "second threshold")
    share_high: float = limit(0.3, "", "third threshold")
    expected_s: float = limit(0.32, "s", "from R to the T peak, times the root of RR in s")
    expected_fast: float = limit(0.6, "of RR", "at fast rates no later than that")
    tolerance_s: float = limit(0.12, "s", "standard deviation about the expected place")
    apart_from_p_s: float = limit(0.39, "s", "RR under which the T wave may hold a P wave that is not found")
    tail: float = limit(10.0, "samples", "by which the first threshold's crossing may lie after the second's")
    summit_share: float = limit(
        0.7, "", "share of the greatest velocity of the last phase: a biphasic wave ends with its second"
    )
    summit_share_until_p: float = limit(0.5, "", "the same where the next P wave bounds the search; a U wave has less")
    lead_before_peak: int = limit(
        10, "samples", "before the T peak from which a single lead's last summit is looked for"
    )
    lead_before: int = limit(40, "samples", "before all leads' last summit from which it is, where that is later")
    lead_after: int = limit(50, "samples", "after it up to which it is")
    lead_share: float = limit(0.3, "", "share of its own summit at which a single lead ends")
    lead_weight: float = limit(0.3, "", "weight of the latest leads")
    lead_reach: float = limit(15.0, "samples", "by which they may differ")
    end_shift: float = limit(-2.0, "samples", "from the crossings to the end that is reported")
    lead_shift: float = limit(0.8, "samples", "between the latest leads and the crossings")


@dataclass(frozen=True)
class PWaveLimits:
    """Stage 8, `pwave.py`: the P wave and whether the beats share it."""

    low_pass_hz: float = limit(16.0, "Hz", "slopes of P are taken below it")
    share_low: float = limit(0.1, "", "share of the flank's velocity, first of two thresholds")
    share_high: float = limit(0.2, "", "second threshold")
    expected_s: float = limit(0.105, "s", "from the P peak to the QRS onset")
    tolerance_s: float = limit(0.07, "s", "standard deviation about it")
    longest_s: float = limit(0.22, "s", "the longest P wave")
    next_likely: float = limit(0.2, "", "share of the likeliest summit from which another one is tried after it")
    apart: int = limit(20, "samples", "between such summits")
    others: int = limit(2, "", "how many of them are tried")
    search_s: float = limit(0.42, "s", "before the QRS onset in which P is looked for: a PR of 380 ms and its level")
    shortest_search_s: float = limit(0.08, "s", "that must be there")
    min_prominence: float = limit(0.1, "", "share of the higher wave by which each of two rises")
    latest_p_s: float = limit(0.17, "s", "before the QRS complex within which the last of them peaks")
    shortest_t_p_s: float = limit(0.15, "s", "between two complexes in which two waves have room")
    flutter_from: int = limit(75, "samples", "from one flutter wave to the next, 400 a minute")
    flutter_to: int = limit(150, "samples", "the same, 200 a minute")
    like_flutter: float = limit(0.75, "", "how alike two such waves are; sinus rhythm reaches 0.4")
    coarse: int = limit(5, "samples", "a step when they are compared")
    reach: int = limit(60, "samples", "from the peak to its outermost flanks")
    near: int = limit(42, "samples", "from the peak in which the steepest flank lies")
    peak_share: float = limit(0.3, "", "share of the steepest flank that another must have")
    min_hump: float = limit(0.48, "", "height above the chord over the whole range")
    min_height: float = limit(0.01, "", "height above the chord over the QRS complex")
    other_wave: float = limit(0.25, "", "share of its greatest by which the slope grows where another wave begins")
    short: int = limit(
        45, "samples", "with its toe; a shorter P wave that begins off the level may have begun in the T wave"
    )
    off_level: float = limit(0.1, "", "share of its height by which it does")
    phase: int = limit(32, "samples", "from the first flank of a biphasic P wave to the next")
    level_share: float = limit(
        1.0, "", "share of its first phase's height by which it may end at another level than it began"
    )
    onset_shift: float = limit(3.9, "samples", "from the crossings to the onset that is reported")
    toe: float = limit(5.0, "samples", "before the reported onset in which the wave already stirs")
    offset_shift: float = limit(-6.4, "samples", "from the crossings to the offset that is reported")


@dataclass(frozen=True)
class QrsShapeLimits:
    """`qrs_shape.py`: the form of the complex in the terms of conduction criteria."""

    visible: float = limit(0.05, "", "share of the lead's QRS height from which a deflection counts")
    terminal_ms: float = limit(40.0, "ms", "at the end of the complex that tell late forces")
    late_end: float = limit(0.08, "", "share of the QRS height, mean of these")
    dominant_end: float = limit(0.2, "", "the same of a dominant R' in V1 or V2, which needs no S at the side")
    late_r_v1_ms: float = limit(50.0, "ms", "R peak time in V1 and V2 beyond which activation is late")
    late_r_lateral_ms: float = limit(60.0, "ms", "the same in I and V6 (AHA/ACC/HRS 2009, Surawicz et al.)")
    wide_ms: float = limit(120.0, "ms", "from which a complex is wide (AHA/ACC/HRS 2009)")
    spike_ms: float = limit(55.0, "ms", "under which it is none but a smeared spike")
    max_paced_bpm: float = limit(150.0, "bpm", "up to which pacemakers follow the atria")
    fast: float = limit(0.3, "", "share of the largest spatial speed that ends a slow beginning")


@dataclass(frozen=True)
class VariationLimits:
    """Stage 10, `variation.py`, and stage 9, `intervals.py`: spreads and axes."""

    fewest: int = limit(3, "beats", "that make a spread")
    least_gain: float = limit(0.2, "", "of a wave in a beat: one that is hardly there tells nothing about when")
    flat_lead: float = limit(0.02, "", "share of the others' height under which a limb lead made from them is flat")


CONDITIONING = ConditioningLimits()
SPIKES = SpikeLimits()
DETECTION = DetectionLimits()
LOW_BEATS = LowBeatLimits()
CLASSES = ClassLimits()
MEDIAN_BEAT = MedianBeatLimits()
QRS = QrsLimits()
T_WAVE = TWaveLimits()
P_WAVE = PWaveLimits()
QRS_SHAPE = QrsShapeLimits()
VARIATION = VariationLimits()
ALL = (CONDITIONING, SPIKES, DETECTION, LOW_BEATS, CLASSES, MEDIAN_BEAT, QRS, T_WAVE, P_WAVE, QRS_SHAPE, VARIATION)
