"""Global peak and end of the T wave of a beat."""

from dataclasses import dataclass

import numpy as np

from ecg.dsp import FS_HZ, falls_after, lead_spread, rank, slopes
from ecg.filters import Float, LowPass, filtered
from ecg.measurement.limits import T_WAVE
from ecg.measurement.qrs import bounded, extreme

LOW_PASS = LowPass(T_WAVE.low_pass_hz, FS_HZ)
_SHARES = np.array([T_WAVE.share_low, T_WAVE.share_middle, T_WAVE.share_high])


def expected_peak(rr: float) -> float:
    """Samples from R to where the T peak usually is, for an RR interval in samples."""
    rr_s = rr / FS_HZ
    return float(FS_HZ * min(T_WAVE.expected_s * rr_s**0.5, T_WAVE.expected_fast * rr_s))


@dataclass(frozen=True)
class TWave:
    """Peak and end of a T wave in samples of the beat, and the spread of the end over the leads."""

    peak: float
    end: float
    end_sd: float | None


@dataclass(frozen=True, eq=False)
class SmoothBeat:
    """A beat low-passed at 10 Hz, as `t_wave` takes it.

    Attributes
    ----------
    above
        float64 [lead, sample] above each lead's level before the QRS complex.
    slope
        float64 [lead, sample], magnitude of the slopes.
    speed
        float64 [1, sample], root mean square of the slopes over the leads.
    r
        Sample of R.
    """

    above: Float
    slope: Float
    speed: Float
    r: int


def smoothed(beat: Float, r: int) -> SmoothBeat:
    """A beat [lead, sample] with R at `r` as `SmoothBeat`."""
    smooth = filtered(LOW_PASS, beat)
    slope = slopes(smooth)
    above = smooth - rank(smooth[:, r - T_WAVE.level_from : r - T_WAVE.level_to], 0.5)[:, None]
    return SmoothBeat(above, slope, np.sqrt((slope**2).mean(axis=0, keepdims=True)), r)


@dataclass(frozen=True)
class Limit:
    """The sample at which a T wave must have ended, and whether the next P wave begins there."""

    at: float
    is_p: bool = False


def t_wave(smooth: SmoothBeat, qrs_offset: float, rr: float, limit: Limit) -> TWave | None:
    """The T wave of a `smoothed` beat; None when none ends before the `limit`.

    `rr` is the RR interval in samples. The T peak is the most likely summit above the chord from the ST segment to
    the end of the search. What rises and falls before the next P wave is T, however late.
    """
    r, slope, speed = smooth.r, smooth.slope, smooth.speed
    rr_s = rr / FS_HZ
    earliest_s = min(T_WAVE.earliest_s, T_WAVE.earliest_rr * rr_s)
    low = int(max(r + FS_HZ * earliest_s, qrs_offset + T_WAVE.after_qrs_s * FS_HZ))
    latest_s = min(T_WAVE.latest_root * rr_s**0.5, T_WAVE.latest_rr * rr_s)
    high = int(min(r + FS_HZ * latest_s, limit.at, slope.shape[1] - 10))
    if high - low < T_WAVE.shortest_s * FS_HZ:
        return None
    seconds = (np.arange(low, high) - r) / FS_HZ
    likely = np.exp(-0.5 * ((seconds - expected_peak(rr) / FS_HZ) / T_WAVE.tolerance_s) ** 2)
    until = high - T_WAVE.before_end
    part = np.arange(until - low) / (high - low)
    chord = smooth.above[:, low, None] * (1 - part) + smooth.above[:, high, None] * part
    height = np.sqrt(((smooth.above[:, low:until] - chord) ** 2).mean(axis=0))
    peak = int((height * likely[: until - low]).argmax()) + low
    if limit.is_p:
        steepest = peak + _last_summit(speed[0, peak:high], T_WAVE.summit_share_until_p)
    else:
        steepest = peak + _last_summit(speed[0, peak:high] * likely[peak - low :] ** 0.5, T_WAVE.summit_share)
    top, quiet = speed[0, steepest], rank(speed[0, steepest:high], T_WAVE.quiet)
    thresholds = quiet + _SHARES * (top - quiet)
    rows = np.repeat(speed[:, : high + 1], len(_SHARES), axis=0)
    ends = falls_after(rows, np.full(len(_SHARES), steepest), thresholds, 1)
    # A low tail falls slowly for long: the lowest threshold follows it no farther than this.
    ends[0] = np.fmin(ends[0], ends[1] + T_WAVE.tail)
    # Where the next P wave rises before the T wave has come to rest, the flattest place between them ends it.
    end = float(np.where(np.isnan(ends), steepest + speed[0, steepest : high + 1].argmin(), ends).mean())
    if np.isnan(ends).all():
        return TWave(float(peak), end, None)
    lead_ends = _lead_ends(slope[:, : high + 1], peak, steepest)
    late = extreme(lead_ends, earliest=False)
    lead = bounded(late - end - T_WAVE.lead_shift, T_WAVE.lead_reach)
    return TWave(float(peak), end + T_WAVE.lead_weight * lead + T_WAVE.end_shift, lead_spread(lead_ends))


def _last_summit(values: Float, share: float) -> int:
    """The last local maximum of a share of the greatest value: a biphasic T wave ends with its second phase."""
    inner = values[1:-1]
    enough = share * values.max()
    summits = np.flatnonzero((inner >= values[:-2]) & (inner > values[2:]) & (inner >= enough)) + 1
    return int(summits[-1]) if len(summits) else int(values.argmax())


def _lead_ends(slope: Float, peak: int, steepest: int) -> Float:
    """T end of each lead by itself, float64 [lead], NaN where there is none."""
    low = max(peak - T_WAVE.lead_before_peak, steepest - T_WAVE.lead_before)
    start = slope[:, low : steepest + T_WAVE.lead_after].argmax(axis=1) + low
    top = slope[np.arange(len(slope)), start]
    quiet = rank(slope[:, steepest:], T_WAVE.quiet)
    return falls_after(slope, start, quiet + T_WAVE.lead_share * (top - quiet), 1)
