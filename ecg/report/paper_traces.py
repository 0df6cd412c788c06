"""The traces of a page as lines in millimetres, and what a reader must know of them: seconds, offsets, what is cut."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg.record import EcgRecord
from ecg.report.paper_layout import Stretch, Style

Line = NDArray[np.float64]

#: A lead whose median lies farther from zero is drawn about its median: 3 mm of paper at 10 mm/mV. The baseline of an
#: ECG is nearer to zero than that; a DC offset of an amplifier is a hundred times as much.
OFFSET_MV = 0.3
_MOST_SIZES = 3  # of offsets, before only their range is given


@dataclass(frozen=True, eq=False)
class Trace:
    """One stretch as a line on paper, NaN where a sample is missing; `offset`, in the recording's unit, was removed."""

    stretch: Stretch
    x_mm: Line
    y_mm: Line
    offset: float


def traces(record: EcgRecord, stretches: Sequence[Stretch], style: Style) -> list[Trace]:
    """Each stretch as a line. Without a unit the highest lead is 1.5 "mV" high, so that it fits its row."""
    medians = _medians(record, stretches)
    per_mv = _per_millivolt(record)
    return [_trace(record, stretch, style, per_mv, medians[stretch.lead]) for stretch in stretches]


def notes(record: EcgRecord, drawn: Sequence[Trace], style: Style, height_mm: float) -> list[str]:
    """Sentences for above the traces: which seconds are drawn, which offset was taken off, and what is not to be seen.

    `height_mm` is the height of the field of paper; what is above or below it is cut.
    """
    said = [_seconds(record, [trace.stretch for trace in drawn])]
    empty = [trace for trace in drawn if np.isfinite(trace.y_mm).sum() < 2]  # one sample makes no line
    seen = [trace for trace in drawn if np.isfinite(trace.y_mm).sum() >= 2]
    cut = [t for t in seen if np.nanmin(t.y_mm) < 0 or np.nanmax(t.y_mm) > height_mm]
    high = [t for t in seen if np.nanmax(np.abs(t.y_mm - t.stretch.y_mm)) > t.stretch.row_mm]
    over = [t for t in high if t.stretch.lead not in {c.stretch.lead for c in cut}]
    if empty:
        said.append(f"No samples in the seconds drawn: {_names(empty, drawn)}.")
    said += _offsets(record, drawn)
    if cut:
        said.append(f"Cut at the edge of the paper: {_names(cut, drawn)}.")
    if over:
        said.append(f"Reaching into other rows: {_names(over, drawn)}.")
    if (cut or over) and record.unit is not None and style.gain_mm_mv > 5:
        said.append("5 mm/mV shows more.")
    return said


def _trace(record: EcgRecord, stretch: Stretch, style: Style, per_mv: float, median: float) -> Trace:
    first = round(stretch.from_s * record.fs_hz)
    last = min(record.n_samples, round((stretch.from_s + stretch.seconds) * record.fs_hz) + 1)
    values = record.signal[record.leads.index(stretch.lead), first:last].astype(np.float64)
    offset = median if abs(median) > OFFSET_MV * per_mv else 0.0
    x = stretch.x_mm + (np.arange(first, last) / record.fs_hz - stretch.from_s) * style.speed_mm_s
    return Trace(stretch, x, stretch.y_mm + (values - offset) / per_mv * style.gain_mm_mv, offset)


def _medians(record: EcgRecord, stretches: Sequence[Stretch]) -> dict[str, float]:
    """Median of each lead over all seconds that the page shows, so that every stretch of a lead has the same."""
    first = round(min(s.from_s for s in stretches) * record.fs_hz)
    last = round(max(s.from_s + s.seconds for s in stretches) * record.fs_hz) + 1
    shown = {lead: record.signal[row, first:last] for row, lead in enumerate(record.leads)}
    finite = {lead: values[np.isfinite(values)] for lead, values in shown.items()}
    return {lead: float(np.median(values)) if values.size else 0.0 for lead, values in finite.items()}


def _per_millivolt(record: EcgRecord) -> float:
    """What one millivolt is in the recording's unit; without a unit, two thirds of its greatest height."""
    if record.unit is not None:  # a record's only unit is the millivolt
        return 1.0
    highest = 0.0
    for row in record.signal:
        values = row[np.isfinite(row)].astype(np.float64)
        if values.size:
            highest = max(highest, float(np.abs(values - np.median(values)).max()))
    return highest / 1.5 or 1.0


def _seconds(record: EcgRecord, stretches: Sequence[Stretch]) -> str:
    begin, end = min(s.from_s for s in stretches), max(s.from_s + s.seconds for s in stretches)
    columns = {s.x_mm: s for s in reversed(stretches)}
    text = f"Drawn: {begin:.4g} to {end:.4g} s of {record.duration_s:.4g} s"
    if len(columns) == 1:
        return f"{text}."
    each = min(s.seconds for s in stretches)
    if len({s.from_s for s in stretches}) == 1:
        return f"{text}; every column shows the same {each:.3g} s."
    return f"{text}; columns one after another, {each:.3g} s each."


def _offsets(record: EcgRecord, drawn: Sequence[Trace]) -> list[str]:
    moved = {trace.stretch.lead: trace.offset for trace in drawn if trace.offset}
    if not moved:
        return []
    unit = " mV" if record.unit is not None else ""
    by_size: dict[str, list[Trace]] = {}
    for trace in drawn:
        if trace.offset:
            by_size.setdefault(_size(trace.offset, unit), []).append(trace)
    if len(by_size) <= _MOST_SIZES:
        return [f"Offset removed: {'; '.join(f'{size} ({_names(some, drawn)})' for size, some in by_size.items())}."]
    everywhere = _names([trace for trace in drawn if trace.offset], drawn)
    sizes = f"{_size(min(moved.values()), unit)} to {_size(max(moved.values()), unit)}"
    return [f"Offset removed: {sizes} ({everywhere})."]


def _size(offset: float, unit: str) -> str:
    return f"{offset:+.1f}{unit}" if unit else f"{offset:+.3g}"


def _names(some: Sequence[Trace], drawn: Sequence[Trace]) -> str:
    """Names of leads in the order of the page; "all leads" where it is all of them."""
    leads = list(dict.fromkeys(trace.stretch.lead for trace in some))
    return "all leads" if len(leads) > 1 and set(leads) == {t.stretch.lead for t in drawn} else ", ".join(leads)
