"""Spatial features: axes, likeness of the leads, and the QRS and T loops of the median beat.

The loops are in the Frank leads X (left), Y (foot), Z (back) by the regression of Kors et al. (Eur Heart J
1990;11:1083), which was the best of the transforms compared there. QRS-T angles and the ventricular gradient follow
Man et al. (J Electrocardiol 2008;41:648), planarity and roundness are ratios of the singular values of a loop.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ecg.features.schema import Feature
from ecg.leads import STANDARD_LEADS
from ecg.measurement.intervals import Measurements
from ecg.measurement.median import MedianBeat

Float = NDArray[np.float64]

KORS_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
KORS = np.array(
    [
        [0.38, -0.07, -0.13, 0.05, -0.01, 0.14, 0.06, 0.54],
        [-0.07, 0.93, 0.06, -0.02, -0.05, 0.06, -0.17, 0.13],
        [0.11, -0.23, -0.43, -0.06, -0.14, -0.20, -0.11, 0.31],
    ]
)
_AXES = ("p_axis", "qrs_axis", "t_axis")
_PAIRS = tuple(combinations(STANDARD_LEADS, 2))
_LOOPS = ("qrs", "t")
_LOOP_DEG = ("peak_azimuth", "peak_elevation", "mean_azimuth", "mean_elevation")
_LOOP_PURE = ("roundness", "planarity", "complexity")
_LOOP_SIZE = (("peak", "mV"), ("length", "mV"), ("area", "mV²"), ("mean_vector", "mV·ms"))

FEATURES: tuple[Feature, ...] = (
    *(Feature(name, "deg", "spatial") for name in _AXES),
    Feature("frontal_qrs_t_angle", "deg", "spatial"),
    *(Feature(f"qrs_correlation_{a}_{b}", "", "spatial") for a, b in _PAIRS),
    *(Feature(f"st_t_correlation_{a}_{b}", "", "spatial") for a, b in _PAIRS),
    *(
        feature
        for loop in _LOOPS
        for feature in (
            *(Feature(f"{loop}_loop_{name}", "deg", "spatial") for name in _LOOP_DEG),
            *(Feature(f"{loop}_loop_{name}", "", "spatial") for name in _LOOP_PURE),
            *(Feature(f"{loop}_loop_{name}", unit, "spatial") for name, unit in _LOOP_SIZE),
        )
    ),
    Feature("spatial_qrs_t_angle_peak", "deg", "spatial"),
    Feature("spatial_qrs_t_angle_mean", "deg", "spatial"),
    Feature("ventricular_gradient_azimuth", "deg", "spatial"),
    Feature("ventricular_gradient_elevation", "deg", "spatial"),
    Feature("ventricular_gradient", "mV·ms", "spatial"),
)
_N_LOOP = len(_LOOP_DEG) + len(_LOOP_PURE) + len(_LOOP_SIZE)
_N_TOGETHER = 5


def values(measurements: Measurements, unit_known: bool) -> list[float | None]:
    """Values in the order of `FEATURES`; correlations need both leads, loops live I, II and V1 to V6, sizes a unit."""
    axes = [getattr(measurements, name).value for name in _AXES]
    median = measurements.median_beat
    return [*axes, _angle_between(axes[1], axes[2]), *_correlations(median), *_loops(median, unit_known)]


def _angle_between(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else abs((a - b + 180.0) % 360.0 - 180.0)


def _correlations(median: MedianBeat | None) -> list[float | None]:
    if median is None:
        return [None] * (2 * len(_PAIRS))
    qrs, t = median.qrs, median.t
    spans = (
        None if qrs is None else (qrs.onset, qrs.offset),
        None if qrs is None or t is None else (qrs.offset, t.end),
    )
    return [value for span in spans for value in _pairwise(median, span)]


def _pairwise(median: MedianBeat, span: tuple[float, float] | None) -> list[float | None]:
    """Correlation of every pair of standard leads over a span; None where a lead is absent or constant."""
    if span is None or span[1] - span[0] < 4:
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


def _loops(median: MedianBeat | None, unit_known: bool) -> list[float | None]:
    nothing: list[float | None] = [None] * (len(_LOOPS) * _N_LOOP + _N_TOGETHER)
    if median is None or median.qrs is None or median.t is None:
        return nothing
    usable = {lead for lead, live in zip(median.leads, median.usable, strict=True) if live}
    if not usable.issuperset(KORS_LEADS):
        return nothing
    onset, offset, end = round(median.qrs.onset), round(median.qrs.offset), round(median.t.end)
    rows = [median.leads.index(lead) for lead in KORS_LEADS]
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
