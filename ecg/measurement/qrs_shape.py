"""The form of the QRS complex in one lead of the median beat, in the terms in which conduction criteria are stated."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg.measurement.limits import QRS, QRS_SHAPE
from ecg.measurement.median import MedianBeat

Float = NDArray[np.float64]


@dataclass(frozen=True)
class QrsShape:
    """QRS of one lead against its isoelectric level; amplitudes in the unit of the recording.

    Attributes
    ----------
    peak_to_peak
        Largest minus smallest value.
    q_ms, q_depth
        Duration and depth (positive) of the negative deflection the complex begins with; 0 without one.
    q_only
        Whether no positive deflection follows: a QS complex.
    r, s
        Height of the largest positive and depth (positive) of the largest negative deflection.
    r_peak_ms
        QRS onset to the largest positive value.
    terminal
        Mean of the last 40 ms over `peak_to_peak`: above 0 for a late R', below for a late S.
    net
        Mean of the whole complex over `peak_to_peak`.
    """

    peak_to_peak: float
    q_ms: float
    q_depth: float
    q_only: bool
    r: float
    s: float
    r_peak_ms: float
    terminal: float
    net: float


def qrs_shapes(median: MedianBeat) -> dict[str, QrsShape]:
    """`QrsShape` of every lead that is not flat, by lead name; empty without QRS edges."""
    if median.qrs is None:
        return {}
    onset, offset = round(median.qrs.onset), round(median.qrs.offset)
    qrs = median.above_level()[:, max(0, onset) : offset + 1]
    if qrs.shape[1] < 10:
        return {}
    step_ms = 1000.0 / median.fs_hz
    n = qrs.shape[1]
    at = np.arange(n)
    peak_to_peak = np.ptp(qrs, axis=1)
    scale = np.where(peak_to_peak > 0, peak_to_peak, 1.0)
    seen = QRS_SHAPE.visible * peak_to_peak[:, None]
    first_up, first_down = _first(qrs > seen), _first(qrs < -seen)
    begins_down = first_down < first_up
    initial = np.where(at < first_up[:, None], qrs, 0.0)
    # from where it leaves the level to where it crosses it again
    q_ms = (n - _first(initial[:, ::-1] < 0.0) - _first(initial < 0.0)) * step_ms
    columns = (
        peak_to_peak,
        np.where(begins_down, q_ms, 0.0),
        np.where(begins_down, -initial.min(axis=1), 0.0),
        begins_down & (first_up == n),
        qrs.max(axis=1, initial=0.0),
        -qrs.min(axis=1, initial=0.0),
        qrs.argmax(axis=1) * step_ms,
        qrs[:, -round(QRS_SHAPE.terminal_ms / step_ms) :].mean(axis=1) / scale,
        qrs.mean(axis=1) / scale,
    )
    shapes = zip(*(column.tolist() for column in columns), strict=True)
    return {lead: QrsShape(*shape) for lead, shape in zip(median.leads, shapes, strict=True) if shape[0] > 0.0}


def _first(where: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Where each row is first True; its length where it never is."""
    first: NDArray[np.intp] = np.where(where.any(axis=1), where.argmax(axis=1), where.shape[1])
    return first


def may_be_paced(median: MedianBeat, heart_rate_bpm: float | None) -> bool:
    """Whether the complex could be a paced one as far as width, shape and rate tell, were its spikes not to show.

    What is too short for a complex is the spike itself, smeared. Pacing spreads from a ventricle slowly, hence widely.
    A complex with late forces to the right after a lateral R peak within 60 ms began in the conduction system: that is
    right bundle branch block.
    """
    if median.qrs is None:
        return True
    duration_ms = (median.qrs.offset - median.qrs.onset) * 1000.0 / median.fs_hz
    if duration_ms < QRS_SHAPE.spike_ms:
        return True
    if duration_ms < QRS_SHAPE.wide_ms or (heart_rate_bpm or 0.0) > QRS_SHAPE.max_paced_bpm:
        return False
    shapes = qrs_shapes(median)
    side = [shapes[lead] for lead in ("I", "V6") if lead in shapes]
    begins_fast = any(shape.terminal < 0 and shape.r_peak_ms < QRS_SHAPE.late_r_lateral_ms for shape in side)
    return not (late_to_the_right(shapes) and begins_fast)


def late_to_the_right(shapes: dict[str, QrsShape], least: float = QRS_SHAPE.late_end) -> bool:
    """Whether V1 or V2 ends upwards, by more than `least` of its height, after an R peak later than 50 ms."""
    front = [shapes[lead] for lead in ("V1", "V2") if lead in shapes]
    return any(shape.terminal > least and shape.r_peak_ms > QRS_SHAPE.late_r_v1_ms for shape in front)


def slow_start(median: MedianBeat) -> float | None:
    """Time in ms from where the complex stirs until its speed reaches 30 % of its largest: long in a delta wave.

    None without QRS edges. The speed is the root of the summed squared slopes of all leads.
    """
    if median.qrs is None:
        return None
    onset, offset = max(0, round(median.qrs.onset - QRS.toe_before)), round(median.qrs.offset)
    if offset - onset < 10:
        return None
    speed = np.sqrt((np.diff(median.signal[:, onset : offset + 1], axis=1) ** 2).sum(axis=0))
    return float((speed >= QRS_SHAPE.fast * speed.max()).argmax()) * 1000.0 / median.fs_hz
