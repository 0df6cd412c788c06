"""Morphological features: intervals of the median beat, and amplitudes, areas and QRS form of every lead."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ecg.features.schema import Block, Feature, Inputs, block, measured
from ecg.leads import STANDARD_LEADS
from ecg.measurement.amplitudes import LeadAmplitudes
from ecg.measurement.median import MedianBeat
from ecg.measurement.qrs_shape import QrsShape

Float = NDArray[np.float64]

_WAVES = ("p", "q", "r", "s", "t")
_ST = ("st_j", "st_60", "st_80")
_AREAS = ("p", "qrs", "st_t")
_FORM = {"q_duration": "ms", "r_peak_time": "ms", "terminal_fraction": "", "net_fraction": "", "r_fraction": ""}


def _t_peak_to_end(inputs: Inputs) -> float | None:
    median = inputs.measurements.median_beat
    if median is None or median.t is None:
        return None
    return (median.t.end - median.t.peak) * 1000.0 / median.fs_hz


def _segments(inputs: Inputs) -> list[float | None]:
    made = inputs.measurements
    return [
        _difference(made.pr_interval.value, made.p_duration.value),
        _difference(made.qt_interval.value, made.qrs_duration.value),
        _t_peak_to_end(inputs),
    ]


def _shares(inputs: Inputs) -> list[float | None]:
    qt = inputs.measurements.qt_interval.value
    return [_ratio(qt, inputs.measurements.rr_mean.value), _ratio(_t_peak_to_end(inputs), qt)]


def _voltages(inputs: Inputs) -> list[float | None]:
    """S V1 + larger R of V5 and V6 (Sokolow 1949), R aVL + S V3 (Casale 1985); S is stored negative."""

    amplitudes = inputs.measurements.lead_amplitudes

    def read(lead: str, wave: str) -> float | None:
        value: float | None = getattr(amplitudes[lead], wave).value if lead in amplitudes else None
        return value

    lateral = [r for lead in ("V5", "V6") if (r := read(lead, "r")) is not None]
    return [
        _difference(max(lateral, default=None), read("V1", "s")),
        _difference(read("aVL", "r"), read("V3", "s")),
    ]


def _st_slope(lead: LeadAmplitudes) -> list[float | None]:
    rise = _difference(lead.st_80.value, lead.st_j.value)
    return [None if rise is None else rise / 0.080]


def _by_lead(per_lead: Mapping[str, list[float | None]], width: int) -> list[float | None]:
    """The values of the standard leads in their order, None for leads that are not there."""
    nothing: list[float | None] = [None] * width
    return [value for lead in STANDARD_LEADS for value in per_lead.get(lead, nothing)]


def _amplitudes(
    read: Callable[[LeadAmplitudes], list[float | None]], width: int
) -> Callable[[Inputs], list[float | None]]:
    """A function that gives what `read` says of the amplitudes of every lead."""

    def compute(inputs: Inputs) -> list[float | None]:
        return _by_lead({lead: read(of) for lead, of in inputs.measurements.lead_amplitudes.items()}, width)

    return compute


def _fields(*names: str) -> Callable[[Inputs], list[float | None]]:
    return _amplitudes(lambda lead: [getattr(lead, name).value for name in names], len(names))


def _peak_to_peak(inputs: Inputs) -> list[float | None]:
    shapes = inputs.shapes if inputs.unit_known else {}
    return _by_lead({lead: [shape.peak_to_peak] for lead, shape in shapes.items()}, 1)


def _areas(inputs: Inputs) -> list[float | None]:
    median = inputs.measurements.median_beat
    return _by_lead({} if median is None or not inputs.unit_known else _areas_of(median), len(_AREAS))


def _areas_of(median: MedianBeat) -> dict[str, list[float | None]]:
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


def _forms(inputs: Inputs) -> list[float | None]:
    def form(shape: QrsShape) -> list[float | None]:
        return [shape.q_ms, shape.r_peak_ms, shape.terminal, shape.net, _ratio(shape.r, shape.r + shape.s)]

    return _by_lead({lead: form(shape) for lead, shape in inputs.shapes.items()}, len(_FORM))


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _ratio(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None or b == 0 else a / b


def _of_leads(names: Sequence[str]) -> list[str]:
    return [f"{name}_{lead}" for lead in STANDARD_LEADS for name in names]


BLOCKS = (
    measured("morphological", "ms", "pr_interval", "p_duration", "qrs_duration", "qt_interval"),
    measured("morphological", "ms", "qtc_bazett", "qtc_fridericia", "qtc_framingham", "qtc_hodges"),
    block("morphological", "ms", ["pr_segment", "jt_interval", "t_peak_to_end"], _segments),
    block("morphological", "", ["qt_over_rr", "t_peak_to_end_over_qt"], _shares),
    block("morphological", "mV", ["sokolow_lyon", "cornell_voltage"], _voltages),
    block("morphological", "mV", _of_leads([f"{wave}_amplitude" for wave in _WAVES]), _fields(*_WAVES)),
    block("morphological", "mV", _of_leads(_ST), _fields(*_ST)),
    block("morphological", "mV/s", _of_leads(["st_slope"]), _amplitudes(_st_slope, 1)),
    block("morphological", "mV", _of_leads(["qrs_peak_to_peak"]), _peak_to_peak),
    block("morphological", "mV·ms", _of_leads([f"{wave}_area" for wave in _AREAS]), _areas),
    Block(
        tuple(
            Feature(f"{name}_{lead}", unit, "morphological") for lead in STANDARD_LEADS for name, unit in _FORM.items()
        ),
        _forms,
    ),
    block(
        "morphological",
        "",
        _of_leads(["t_over_r"]),
        _amplitudes(lambda lead: [_ratio(lead.t.value, lead.r.value)], 1),
    ),
)
