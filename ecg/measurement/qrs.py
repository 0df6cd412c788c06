"""Global onset and offset of the QRS complex of a beat."""

import math
from dataclasses import dataclass

import numpy as np

from ecg.dsp import (
    Float,
    falls_after,
    falls_before,
    filtered,
    lead_spread,
    low_pass_filter,
    median,
    rank,
    slopes,
)

LOW_PASS = low_pass_filter(40.0)
#: An edge is the mean of where the spatial velocity falls under these shares of its peak: several, because one alone
#: follows the noise of a few samples.
SHARES = (0.02, 0.04, 0.08)
STEEP = 0.3  # share of the peak velocity that only the QRS complex reaches
MAX_NADIR = 20  # samples, 40 ms
MAX_PLATEAU, HIGH = 50, 0.6  # samples, 100 ms, and the share of the greatest voltage that is kept on a plateau
NOISE_FACTOR = 2.5  # no threshold below this many times the quiet velocity beside the complex
LEAD_SHARE, LEAD_NOISE_FACTOR = 0.03, (2.0, 3.0)
#: Weight of the earliest (latest) leads against the spatial velocity, and by how much they may differ, in samples.
LEAD_WEIGHT, LEAD_REACH = 0.35, 10.0
#: What cardiologists' global marks on LUDB lie beyond these crossings, in samples at 500 Hz.
ONSET_SHIFT, OFFSET_SHIFT = -4.8, 3.5
#: How far the second-earliest and second-latest of twelve leads' marks lie outside their median: with fewer leads less
#: of it applies, none with one.
SPREAD = (3.7, 4.9)
LEAD_SHIFT = (-2.8, 4.8)


@dataclass(frozen=True)
class QrsEdges:
    """Onset and offset in samples of the beat, and their spread over the leads."""

    onset: float
    offset: float
    onset_sd: float | None
    offset_sd: float | None


def qrs_edges(beat: Float, r: int) -> QrsEdges | None:
    """Onset and offset of a beat [lead, sample] with R at `r`; None when the complex has no edges.

    Spatial velocity is the root mean square over leads of the 40 Hz low-passed slopes.
    """
    smooth = filtered(LOW_PASS, beat)
    slope = slopes(smooth)
    speed = np.sqrt((slope**2).mean(axis=0, keepdims=True))
    peak = speed[:, r - 40 : r + 50].argmax(axis=1) + r - 40
    top = speed[0, peak[0]]
    if top <= 0:
        return None
    quiet_before = rank(speed[0, r - 60 : r - 25], 0.2)
    quiet_after = rank(speed[0, r + 40 : r + 110], 0.2)
    shares = np.array(SHARES) * top
    rows = np.repeat(speed, len(SHARES), axis=0)
    first, last = _steep_part(smooth, speed[0], int(peak[0]), STEEP * top)
    onsets = falls_before(rows, np.full(len(SHARES), first), np.maximum(shares, NOISE_FACTOR * quiet_before), 3)
    offsets = falls_after(rows, np.full(len(SHARES), last), np.maximum(shares, NOISE_FACTOR * quiet_after), 5)
    if np.isnan(onsets).all() or np.isnan(offsets).all():
        return None
    onset, offset = float(np.nanmean(onsets)), float(np.nanmean(offsets))
    lead_onsets, lead_offsets = _lead_edges(slope, r)
    early, late = extreme(lead_onsets, earliest=True), extreme(lead_offsets, earliest=False)
    narrow = 1.0 - math.log(len(beat), 12) if len(beat) < 12 else 0.0
    onset += LEAD_WEIGHT * _bounded(early - onset - LEAD_SHIFT[0]) + ONSET_SHIFT + narrow * SPREAD[0]
    offset += LEAD_WEIGHT * _bounded(late - offset - LEAD_SHIFT[1]) + OFFSET_SHIFT - narrow * SPREAD[1]
    if offset <= onset:
        return None
    return QrsEdges(onset, offset, lead_spread(lead_onsets), lead_spread(lead_offsets))


def _steep_part(smooth: Float, speed: Float, peak: int, threshold: float) -> tuple[int, int]:
    """First and last sample of the stretch around the peak in which the velocity is high, bar 40 ms at a time.

    At the nadir of a broad complex the velocity falls to zero though the complex goes on; for longer on a plateau, as
    where a recorder saturates, on which the voltage of the `smooth` beat stays high.
    """
    steep = np.flatnonzero(speed >= threshold)
    breaks = np.flatnonzero(np.diff(steep) > MAX_NADIR)
    if len(breaks):
        voltage = ((smooth - median(smooth)[:, None]) ** 2).mean(axis=0)
        high = HIGH**2 * voltage[peak - MAX_PLATEAU : peak + MAX_PLATEAU].max()
        plateau = [
            steep[at + 1] - steep[at] <= MAX_PLATEAU and voltage[steep[at] : steep[at + 1]].min() > high
            for at in breaks
        ]
        breaks = breaks[~np.array(plateau)]
    at = int(np.searchsorted(steep, peak))
    first = breaks[breaks < at].max(initial=-1) + 1
    last = breaks[breaks >= at].min(initial=len(steep) - 1)
    return int(steep[first]), int(steep[last])


def _lead_edges(slope: Float, r: int) -> tuple[Float, Float]:
    """Onset and offset of each lead by itself, float64 [lead], NaN where there is none."""
    peak = slope[:, r - 45 : r + 50].argmax(axis=1) + r - 45
    top = slope[np.arange(len(slope)), peak]
    quiet_before = rank(slope[:, r - 60 : r - 25], 0.5)
    quiet_after = rank(slope[:, r + 45 : r + 110], 0.5)
    onset = falls_before(slope, peak, np.maximum(LEAD_SHARE * top, LEAD_NOISE_FACTOR[0] * quiet_before), 6)
    offset = falls_after(slope, peak, np.maximum(LEAD_SHARE * top, LEAD_NOISE_FACTOR[1] * quiet_after), 8)
    return onset, offset


def extreme(positions: Float, *, earliest: bool) -> float:
    """Mean of the earliest (or latest) sixth of the positions, at least one of them; NaN when there is none."""
    found = np.sort(positions[~np.isnan(positions)])
    if len(found) == 0:
        return float("nan")
    count = max(1, round(len(positions) / 6))
    return float((found[:count] if earliest else found[-count:]).mean())


def _bounded(difference: float) -> float:
    return 0.0 if np.isnan(difference) else float(np.clip(difference, -LEAD_REACH, LEAD_REACH))
