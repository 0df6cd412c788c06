"""Spatial features: axes, likeness of the leads, and the QRS and T loops of the median beat.

The loops are in the Frank leads X (left), Y (foot), Z (back) by the regression of Kors et al. (Eur Heart J
1990;11:1083), which was the best of the transforms compared there. QRS-T angles and the ventricular gradient follow
Man et al. (J Electrocardiol 2008;41:648), planarity and roundness are ratios of the singular values of a loop.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ecg.features.schema import Block, Feature, Inputs, block, measured
from ecg.leads import INDEPENDENT_LEADS, STANDARD_LEADS
from ecg.measurement.median import MedianBeat

Float = NDArray[np.float64]

#: X, Y and Z in rows, of `INDEPENDENT_LEADS`.
KORS = np.array(
    [
        [0.38, -0.07, -0.13, 0.05, -0.01, 0.14, 0.06, 0.54],
        [-0.07, 0.93, 0.06, -0.02, -0.05, 0.06, -0.17, 0.13],
        [0.11, -0.23, -0.43, -0.06, -0.14, -0.20, -0.11, 0.31],
    ]
)
_PAIRS = tuple(combinations(STANDARD_LEADS, 2))
_LOOPS = ("qrs", "t")
_LOOP_DEG = ("peak_azimuth", "peak_elevation", "mean_azimuth", "mean_elevation")
_LOOP_PURE = ("roundness", "planarity", "complexity")
_LOOP_SIZE = (("peak", "mV"), ("length", "mV"), ("area", "mV²"), ("mean_vector", "mV·ms"))

_LOOP_FEATURES = tuple(
    Feature(name, unit, "spatial")
    for name, unit in (
        *(
            (f"{loop}_loop_{name}", unit)
            for loop in _LOOPS
            for name, unit in (
                *((name, "deg") for name in _LOOP_DEG),
                *((name, "") for name in _LOOP_PURE),
                *_LOOP_SIZE,
            )
        ),
        ("spatial_qrs_t_angle_peak", "deg"),
        ("spatial_qrs_t_angle_mean", "deg"),
        ("ventricular_gradient_azimuth", "deg"),
        ("ventricular_gradient_elevation", "deg"),
        ("ventricular_gradient", "mV·ms"),
    )
)


def _frontal_angle(inputs: Inputs) -> list[float | None]:
    a, b = inputs.measurements.qrs_axis.value, inputs.measurements.t_axis.value
    return [None if a is None or b is None else abs((a - b + 180.0) % 360.0 - 180.0)]


def _qrs_correlations(inputs: Inputs) -> list[float | None]:
    median = inputs.measurements.median_beat
    qrs = None if median is None else median.qrs
    return _pairwise(median, None if qrs is None else (qrs.onset, qrs.offset))


def _st_t_correlations(inputs: Inputs) -> list[float | None]:
    median = inputs.measurements.median_beat
    qrs, t = (None, None) if median is None else (median.qrs, median.t)
    return _pairwise(median, None if qrs is None or t is None else (qrs.offset, t.end))


def _pairwise(median: MedianBeat | None, span: tuple[float, float] | None) -> list[float | None]:
    """Correlation of every pair of standard leads over a span; None where a lead is absent or constant."""
    if median is None or span is None or span[1] - span[0] < 4:
        return [None] * len(_PAIRS)
    row = {lead: index for index, lead in enumerate(median.leads)}
    piece = median.signal[:, round(span[0]) : round(span[1]) + 1]
    centred = piece - piece.mean(axis=1, keepdims=True)
    norm = np.sqrt((centred**2).sum(axis=1))
    product = (centred @ centred.T).tolist()
    size = norm.tolist()
    return [
        product[i][j] / (size[i] * size[j])
        if (i := row.get(a, -1)) >= 0 and (j := row.get(b, -1)) >= 0 and size[i] > 0 and size[j] > 0
        else None
        for a, b in _PAIRS
    ]


def _loops(inputs: Inputs) -> list[float | None]:
    """Loops need live leads I, II and V1 to V6, their sizes a unit."""
    median, unit_known = inputs.measurements.median_beat, inputs.unit_known
    nothing: list[float | None] = [None] * len(_LOOP_FEATURES)
    if median is None or median.qrs is None or median.t is None:
        return nothing
    usable = {lead for lead, live in zip(median.leads, median.usable, strict=True) if live}
    if not usable.issuperset(INDEPENDENT_LEADS):
        return nothing
    onset, offset, end = round(median.qrs.onset), round(median.qrs.offset), round(median.t.end)
    rows = [median.leads.index(lead) for lead in INDEPENDENT_LEADS]
    vector = KORS @ median.above_level()[rows]
    step_ms = 1000.0 / median.fs_hz
    qrs, t = vector[:, onset : offset + 1], vector[:, offset : end + 1]
    if qrs.shape[1] < 10 or t.shape[1] < 10 or not qrs.any() or not t.any():
        return nothing
    areas = [loop.sum(axis=1) * step_ms for loop in (qrs, t)]
    peaks = [loop[:, int((loop**2).sum(axis=0).argmax())] for loop in (qrs, t)]
    gradient = areas[0] + areas[1]
    return [
        *(
            value
            for loop, area, peak in zip((qrs, t), areas, peaks, strict=True)
            for value in _loop(loop, area, peak, unit_known)
        ),
        _angle(*peaks),
        _angle(*areas),
        *_direction(gradient),
        float(np.linalg.norm(gradient)) if unit_known else None,
    ]


def _loop(loop: Float, area: Float, peak: Float, unit_known: bool) -> list[float | None]:
    singular = np.linalg.svd(loop - loop.mean(axis=1, keepdims=True), compute_uv=False)
    first, second, third = (float(value) for value in singular)
    step = np.diff(loop, axis=1)
    swept = 0.5 * np.cross(loop[:, :-1], loop[:, 1:], axis=0).sum(axis=1)
    sizes = [np.linalg.norm(peak), np.sqrt((step**2).sum(axis=0)).sum(), np.linalg.norm(swept), np.linalg.norm(area)]
    total = first**2 + second**2 + third**2
    return [
        *_direction(peak),
        *_direction(area),
        second / first,
        1.0 - third**2 / total,
        (second**2 + third**2) / total,
        *(float(size) if unit_known else None for size in sizes),
    ]


def _direction(vector: Float) -> list[float | None]:
    """Azimuth (0 left, 90 front, -90 back) and elevation (90 foot) in degrees."""
    left, foot, back = (float(value) for value in vector)
    return [
        float(np.degrees(np.arctan2(-back, left))),
        float(np.degrees(np.arctan2(foot, np.hypot(left, back)))),
    ]


def _angle(a: Float, b: Float) -> float | None:
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.degrees(np.arccos(np.clip(a @ b / norms, -1.0, 1.0)))) if norms else None


BLOCKS = (
    measured("spatial", "deg", "p_axis", "qrs_axis", "t_axis"),
    block("spatial", "deg", ["frontal_qrs_t_angle"], _frontal_angle),
    block("spatial", "", [f"qrs_correlation_{a}_{b}" for a, b in _PAIRS], _qrs_correlations),
    block("spatial", "", [f"st_t_correlation_{a}_{b}" for a, b in _PAIRS], _st_t_correlations),
    Block(_LOOP_FEATURES, _loops),
)
