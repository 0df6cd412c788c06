"""Morphological features: intervals of the median beat, and amplitudes, areas and QRS form of every lead."""

import numpy as np
from numpy.typing import NDArray

from ecg.features.schema import Feature
from ecg.leads import STANDARD_LEADS
from ecg.measurement.amplitudes import LeadAmplitudes
from ecg.measurement.intervals import Measurements
from ecg.measurement.median import MedianBeat
from ecg.measurement.qrs_shape import QrsShape, qrs_shapes

Float = NDArray[np.float64]

_INTERVALS = (
    "pr_interval",
    "p_duration",
    "qrs_duration",
    "qt_interval",
    "qtc_bazett",
    "qtc_fridericia",
    "qtc_framingham",
    "qtc_hodges",
)
_WAVES = ("p", "q", "r", "s", "t")
_ST = ("st_j", "st_60", "st_80")
_AREAS = ("p", "qrs", "st_t")
_SHAPE = ("q_duration", "r_peak_time", "terminal_fraction", "net_fraction", "r_fraction")

FEATURES: tuple[Feature, ...] = (
    *(Feature(name, "ms", "morphological") for name in _INTERVALS),
    *(Feature(name, "ms", "morphological") for name in ("pr_segment", "jt_interval", "t_peak_to_end")),
    *(Feature(name, "", "morphological") for name in ("qt_over_rr", "t_peak_to_end_over_qt")),
    *(Feature(name, "mV", "morphological") for name in ("sokolow_lyon", "cornell_voltage")),
    *(Feature(f"{name}_amplitude_{lead}", "mV", "morphological") for lead in STANDARD_LEADS for name in _WAVES),
    *(Feature(f"{name}_{lead}", "mV", "morphological") for lead in STANDARD_LEADS for name in _ST),
    *(Feature(f"st_slope_{lead}", "mV/s", "morphological") for lead in STANDARD_LEADS),
    *(Feature(f"qrs_peak_to_peak_{lead}", "mV", "morphological") for lead in STANDARD_LEADS),
    *(Feature(f"{name}_area_{lead}", "mV·ms", "morphological") for lead in STANDARD_LEADS for name in _AREAS),
    *(
        Feature(f"{name}_{lead}", "" if name.endswith("fraction") else "ms", "morphological")
        for lead in STANDARD_LEADS
        for name in _SHAPE
    ),
    *(Feature(f"t_over_r_{lead}", "", "morphological") for lead in STANDARD_LEADS),
)


def values(measurements: Measurements, unit_known: bool) -> list[float | None]:
    """Values in the order of `FEATURES`; None for what was not measured, for absent leads, and without a unit."""
    median = measurements.median_beat
    shapes = {} if median is None else qrs_shapes(median)
    in_mv = shapes if unit_known else {}
    amplitudes = [measurements.lead_amplitudes.get(lead) for lead in STANDARD_LEADS]
    areas = _areas(median) if unit_known and median is not None else {}
    nothing = [None] * len(_AREAS)
    return [
        *(getattr(measurements, name).value for name in _INTERVALS),
        *_segments(measurements),
        *_voltages(measurements.lead_amplitudes),
        *(None if lead is None else getattr(lead, name).value for lead in amplitudes for name in _WAVES),
        *(None if lead is None else getattr(lead, name).value for lead in amplitudes for name in _ST),
        *(_st_slope(lead) for lead in amplitudes),
        *(in_mv[lead].peak_to_peak if lead in in_mv else None for lead in STANDARD_LEADS),
        *(area for lead in STANDARD_LEADS for area in areas.get(lead, nothing)),
        *(part for lead in STANDARD_LEADS for part in _form(shapes.get(lead))),
        *(_ratio(lead.t.value, lead.r.value) if lead is not None else None for lead in amplitudes),
    ]


def _segments(measurements: Measurements) -> list[float | None]:
    qrs, qt, rr = (getattr(measurements, name).value for name in ("qrs_duration", "qt_interval", "rr_mean"))
    median = measurements.median_beat
    peak_to_end = None
    if median is not None and median.t is not None:
        peak_to_end = (median.t.end - median.t.peak) * 1000.0 / median.fs_hz
    return [
        _difference(measurements.pr_interval.value, measurements.p_duration.value),
        _difference(qt, qrs),
        peak_to_end,
        _ratio(qt, rr),
        _ratio(peak_to_end, qt),
    ]


def _voltages(amplitudes: dict[str, LeadAmplitudes]) -> list[float | None]:
    """S V1 + larger R of V5 and V6 (Sokolow 1949), R aVL + S V3 (Casale 1985); S is stored negative."""

    def read(lead: str, wave: str) -> float | None:
        value: float | None = getattr(amplitudes[lead], wave).value if lead in amplitudes else None
        return value

    lateral = [r for lead in ("V5", "V6") if (r := read(lead, "r")) is not None]
    return [
        _difference(max(lateral, default=None), read("V1", "s")),
        _difference(read("aVL", "r"), read("V3", "s")),
    ]


def _st_slope(lead: LeadAmplitudes | None) -> float | None:
    rise = None if lead is None else _difference(lead.st_80.value, lead.st_j.value)
    return None if rise is None else rise / 0.080


def _areas(median: MedianBeat) -> dict[str, list[float | None]]:
    """Signed areas of P, QRS and ST-T against the level at the QRS onset, mV·ms, by lead."""
    qrs, p, t = median.qrs, median.p, median.t
    if qrs is None:
        return {}
    wave = median.above_level()
    step_ms = 1000.0 / median.fs_hz
    columns = [
        None if p is None else _area(wave, p.onset, p.offset, step_ms),
        _area(wave, qrs.onset, qrs.offset, step_ms),
        None if t is None else _area(wave, qrs.offset, t.end, step_ms),
    ]
    return {
        lead: [None if column is None else float(column[row]) for column in columns]
        for row, lead in enumerate(median.leads)
        if median.usable[row]
    }


def _area(wave: Float, start: float, end: float, step_ms: float) -> Float:
    area: Float = wave[:, round(start) : round(end) + 1].sum(axis=1) * step_ms
    return area


def _form(shape: QrsShape | None) -> list[float | None]:
    if shape is None:
        return [None] * len(_SHAPE)
    return [shape.q_ms, shape.r_peak_ms, shape.terminal, shape.net, _ratio(shape.r, shape.r + shape.s)]


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _ratio(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None or b == 0 else a / b
