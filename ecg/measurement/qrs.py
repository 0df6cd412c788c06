"""Global onset and offset of the QRS complex of a beat."""

from dataclasses import dataclass

import numpy as np

from ecg.dsp import FS_HZ, falls_after, falls_before, lead_spread, median, rank, slopes
from ecg.filters import Float, LowPass, filtered
from ecg.measurement.edge_network import lead_edges
from ecg.measurement.limits import QRS

LOW_PASS = LowPass(QRS.low_pass_hz, FS_HZ)
_SHARES = np.array([QRS.share_low, QRS.share_middle, QRS.share_high])


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
    begin = r - QRS.peak_before
    peak = int(speed[0, begin : r + QRS.peak_after].argmax()) + begin
    top = speed[0, peak]
    if top <= 0:
        return None
    quiet_before = rank(speed[0, r - QRS.quiet_before_from : r - QRS.quiet_before_to], QRS.quiet)
    quiet_after = rank(speed[0, r + QRS.quiet_after_from : r + QRS.quiet_after_to], QRS.quiet)
    shares = _SHARES * top
    rows = np.repeat(speed, len(_SHARES), axis=0)
    first, last = _steep_part(smooth, speed[0], peak, QRS.steep * top)
    if last - first <= QRS.quick_core:
        last = _terminal_part(speed[0], last, top)
    before = np.maximum(shares, QRS.noise_factor * quiet_before)
    after = np.maximum(shares, QRS.noise_factor * quiet_after)
    onsets = falls_before(rows, np.full(len(_SHARES), first), before, QRS.stays_before)
    offsets = falls_after(rows, np.full(len(_SHARES), last), after, QRS.stays_after)
    onsets, offsets = onsets[~np.isnan(onsets)], offsets[~np.isnan(offsets)]
    if len(onsets) == 0 or len(offsets) == 0:
        return None
    onset, offset = float(onsets.mean()), float(offsets.mean())
    lead_onsets, lead_offsets = _lead_edges(slope, r)
    early, late = extreme(lead_onsets, earliest=True), extreme(lead_offsets, earliest=False)
    onset += QRS.lead_weight * bounded(early - onset - QRS.lead_onset_shift, QRS.lead_reach) + QRS.onset_shift
    offset += QRS.lead_weight * bounded(late - offset - QRS.lead_offset_shift, QRS.lead_reach) + QRS.offset_shift
    network_onsets, network_offsets = lead_edges(smooth, r)
    network_onset = float(median(network_onsets)) + QRS.network_onset_shift
    network_offset = float(median(network_offsets)) + QRS.network_offset_shift
    onset += QRS.network_onset_weight * _agreed(network_onset - onset)
    offset += QRS.network_offset_weight * _agreed(network_offset - offset)
    if offset <= onset:
        return None
    return QrsEdges(onset, offset, lead_spread(lead_onsets), lead_spread(lead_offsets))


def _steep_part(smooth: Float, speed: Float, peak: int, threshold: float) -> tuple[int, int]:
    """First and last sample of the stretch around the peak in which the velocity is high, bar 40 ms at a time.

    At the nadir of a broad complex the velocity falls to zero though the complex goes on; for longer on a plateau, as
    where a recorder saturates, on which the voltage of the `smooth` beat stays high.
    """
    steep = np.flatnonzero(speed >= threshold)
    breaks = np.flatnonzero(np.diff(steep) > QRS.max_nadir)
    if len(breaks):
        voltage = ((smooth - median(smooth)[:, None]) ** 2).mean(axis=0)
        high = QRS.plateau_height**2 * voltage[peak - QRS.max_plateau : peak + QRS.max_plateau].max()
        plateau = [
            steep[at + 1] - steep[at] <= QRS.max_plateau and voltage[steep[at] : steep[at + 1]].min() > high
            for at in breaks
        ]
        breaks = breaks[~np.array(plateau)]
    at = int(np.searchsorted(steep, peak))
    first = breaks[breaks < at].max(initial=-1) + 1
    last = breaks[breaks >= at].min(initial=len(steep) - 1)
    return int(steep[first]), int(steep[last])


def _terminal_part(speed: Float, last: int, top: float) -> int:
    """The last sample of the complex that is quick, from the `last` steep one on: of slow terminal forces their return.

    In right bundle branch block the last forces stay for a while, and return less steeply than the first ones rose.
    What goes on for longer than they do is a steep T wave.
    """
    quick = np.flatnonzero(speed[last : last + QRS.max_terminal + QRS.max_nadir] >= QRS.terminal * top)
    gaps = np.flatnonzero(np.diff(quick) > QRS.max_nadir)
    end = int(quick[gaps[0]] if len(gaps) else quick[-1])
    return last + end if end <= QRS.max_terminal else last


def _lead_edges(slope: Float, r: int) -> tuple[Float, Float]:
    """Onset and offset of each lead by itself, float64 [lead], NaN where there is none."""
    begin = r - QRS.lead_peak_before
    peak = slope[:, begin : r + QRS.peak_after].argmax(axis=1) + begin
    top = slope[np.arange(len(slope)), peak]
    quiet_before = rank(slope[:, r - QRS.quiet_before_from : r - QRS.quiet_before_to], QRS.lead_quiet)
    quiet_after = rank(slope[:, r + QRS.lead_quiet_after_from : r + QRS.quiet_after_to], QRS.lead_quiet)
    before = np.maximum(QRS.lead_share * top, QRS.lead_noise_before * quiet_before)
    after = np.maximum(QRS.lead_share * top, QRS.lead_noise_after * quiet_after)
    onset = falls_before(slope, peak, before, QRS.lead_stays_before)
    return onset, falls_after(slope, peak, after, QRS.lead_stays_after)


def extreme(positions: Float, *, earliest: bool) -> float:
    """Mean of the earliest (or latest) sixth of the positions, at least one of them; NaN when there is none."""
    found = np.sort(positions[~np.isnan(positions)])
    if len(found) == 0:
        return float("nan")
    count = max(1, round(len(positions) / QRS.extreme_share))
    return float((found[:count] if earliest else found[-count:]).mean())


def bounded(difference: float, reach: float) -> float:
    """A difference within the reach; none where it is NaN."""
    return 0.0 if np.isnan(difference) else float(np.clip(difference, -reach, reach))


def _agreed(difference: float) -> float:
    """The network's difference within its reach; none at all beyond twice that, where it saw something else."""
    return 0.0 if abs(difference) > 2 * QRS.network_reach else bounded(difference, QRS.network_reach)
