"""A recording on one page of millimetre paper, true to scale: a matplotlib figure, or PDF, SVG and PNG bytes.

Everything is drawn in millimetres of paper: 25 mm a second and 10 mm a millivolt unless told otherwise.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecg.errors import BackendUnavailable
from ecg.record import EcgRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Page = Literal["A4", "letter"]
Layout = Literal["3x4", "6x2", "12x1"]
FileForm = Literal["pdf", "svg", "png"]
Line = NDArray[np.float64]

MM_PER_INCH = 25.4
PAGES: dict[Page, tuple[float, float]] = {"A4": (297.0, 210.0), "letter": (279.4, 215.9)}  # landscape, mm
PAPER_S = 10.0  # seconds on one page at 25 mm/s
MARGIN_MM = 8.0
HEADER_MM = 38.0
PULSE_MM = 5.0
_NAME_MM = 10.0  # of a lead's name over its zero line
PNG_DPI = 200
RESEARCH_USE = "Research use only. Not a medical device; nothing here replaces a physician's reading."
COLUMNS: dict[Layout, tuple[tuple[str, ...], ...]] = {
    "3x4": (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6")),
    "6x2": (("I", "II", "III", "aVR", "aVL", "aVF"), ("V1", "V2", "V3", "V4", "V5", "V6")),
    "12x1": (("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"),),
}


@dataclass(frozen=True)
class Style:
    """How a recording is laid out on paper.

    Attributes
    ----------
    layout
        ``"3x4"`` has a rhythm strip of lead II below.
    page
        Size of the page, landscape.
    speed_mm_s, gain_mm_mv
        How the paper is ruled.
    from_s
        First second shown.
    """

    layout: Layout = "3x4"
    page: Page = "A4"
    speed_mm_s: float = 25.0
    gain_mm_mv: float = 10.0
    from_s: float = 0.0


PLAIN = Style()


@dataclass(frozen=True)
class Stretch:
    """One stretch of one lead: where its left end and zero line are (mm), and which seconds it shows."""

    lead: str
    x_mm: float
    y_mm: float
    from_s: float
    seconds: float


def arrange(leads: Sequence[str], style: Style, width_mm: float, height_mm: float) -> list[Stretch]:
    """Where each lead stands on a field of paper; zero lines are counted from its lower edge.

    Leads that are no standard set stand in one column. The 3 × 4 layout has lead II below as a rhythm strip.
    """
    columns = [[lead for lead in column if lead in leads] for column in COLUMNS[style.layout]]
    columns = [column for column in columns if column]
    if not columns or {lead for column in columns for lead in column} != set(leads):
        columns = [list(leads)]
    strip = style.layout == "3x4" and len(columns) == 4 and "II" in leads
    rows = max(map(len, columns)) + strip
    seconds = min(PAPER_S, (width_mm - 10) / style.speed_mm_s)
    each_s, row_mm = seconds / len(columns), height_mm / rows
    stretches = [
        Stretch(
            lead,
            10 + c * each_s * style.speed_mm_s,
            height_mm - (r + 0.5) * row_mm,
            style.from_s + c * each_s,
            each_s,
        )
        for c, column in enumerate(columns)
        for r, lead in enumerate(column)
    ]
    if strip:
        stretches.append(Stretch("II", 10, 0.5 * row_mm, style.from_s, seconds))
    return stretches


def figure(record: EcgRecord, header: Sequence[Sequence[str]], style: Style = PLAIN) -> "Figure":
    """One landscape page as a `matplotlib.figure.Figure` of exactly the page's size.

    Parameters
    ----------
    record
        The recording. Without a unit its traces fill the rows, and the page says that amplitudes have none.
    header
        Columns of text above the traces, each a sequence of lines.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BackendUnavailable(
            "Pages need matplotlib: pip install 'ecg-serve[report]'.", "format", "matplotlib", None
        ) from error

    width, height = PAGES[style.page]
    sheet = Figure(figsize=(width / MM_PER_INCH, height / MM_PER_INCH))
    field_w, field_h = width - 2 * MARGIN_MM, height - 2 * MARGIN_MM - HEADER_MM
    field_w -= field_w % 5  # whole squares
    field_h -= field_h % 5
    axes = sheet.add_axes((MARGIN_MM / width, MARGIN_MM / height, field_w / width, field_h / height))
    axes.set(xlim=(0, field_w), ylim=(0, field_h), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    _grid(axes, field_w, field_h)
    per_mv = _per_millivolt(record)
    stretches = arrange(record.leads, style, field_w, field_h)
    for stretch in stretches:
        _trace(axes, record, stretch, style, per_mv)
    for y in {stretch.y_mm for stretch in stretches} if record.unit is not None else ():
        _pulse(axes, y, style)
    top = (height - MARGIN_MM) / height
    column_w = (width - 2 * MARGIN_MM) / max(1, len(header))
    for i, lines in enumerate(header):
        sheet.text((MARGIN_MM + i * column_w) / width, top, "\n".join(lines), va="top", fontsize=7.5, linespacing=1.3)
    gain = f"{style.gain_mm_mv:g} mm/mV" if record.unit is not None else "amplitudes without a unit"
    foot = f"{style.speed_mm_s:g} mm/s   {gain}   {record.fs_hz:g} Hz   {RESEARCH_USE}"
    sheet.text(MARGIN_MM / width, 3 / height, foot, fontsize=6.5)
    return sheet


def _grid(axes: "Axes", width: float, height: float) -> None:
    from matplotlib.collections import LineCollection

    for step, line_mm, colour in ((1, 0.08, "#f3c9c5"), (5, 0.18, "#e39a93")):
        lines = [((x, 0.0), (x, height)) for x in np.arange(0, width + 0.1, step)]
        lines += [((0.0, y), (width, y)) for y in np.arange(0, height + 0.1, step)]
        axes.add_collection(LineCollection(lines, linewidths=_points(line_mm), colors=colour, clip_on=False))


def _trace(axes: "Axes", record: EcgRecord, stretch: Stretch, style: Style, per_mv: float) -> None:
    first = round(stretch.from_s * record.fs_hz)
    last = min(record.n_samples, round((stretch.from_s + stretch.seconds) * record.fs_hz) + 1)
    values = record.signal[record.leads.index(stretch.lead), first:last].astype(np.float64)
    x = stretch.x_mm + np.arange(len(values)) / record.fs_hz * style.speed_mm_s
    y = stretch.y_mm + values / per_mv * style.gain_mm_mv
    axes.plot(x, y, color="black", linewidth=_points(0.25), solid_joinstyle="round", gid=f"trace-{stretch.lead}")
    axes.text(stretch.x_mm + 1, stretch.y_mm + _NAME_MM, stretch.lead, fontsize=8, path_effects=[_halo()])
    if stretch.x_mm > 10:
        axes.plot([stretch.x_mm] * 2, [stretch.y_mm - 3, stretch.y_mm + 3], color="black", linewidth=_points(0.2))


def _pulse(axes: "Axes", y: float, style: Style) -> None:
    up = style.gain_mm_mv
    steps = [(2, 0), (3, 0), (3, up), (3 + PULSE_MM * style.speed_mm_s / 25, up)]
    steps += [(3 + PULSE_MM * style.speed_mm_s / 25, 0), (4 + PULSE_MM * style.speed_mm_s / 25, 0)]
    axes.plot([x for x, _ in steps], [y + dy for _, dy in steps], color="black", linewidth=_points(0.25), gid="pulse")


def _halo() -> Any:
    from matplotlib.patheffects import withStroke

    return withStroke(linewidth=2.5, foreground="white")  # a name stays legible on a trace


def _points(mm: float) -> float:
    return mm / MM_PER_INCH * 72


def _per_millivolt(record: EcgRecord) -> float:
    """What one millivolt is in the recording's unit; without a unit, two thirds of its greatest height."""
    if record.unit is not None:  # a record's only unit is the millivolt
        return 1.0
    highest = float(np.nanmax(np.abs(record.signal), initial=0.0))
    return highest / 1.5 or 1.0


def as_bytes(sheet: "Figure", form: FileForm) -> bytes:
    """The page as a file: PDF and SVG are vectors of the page's true size, PNG has 200 dots an inch."""
    import matplotlib as mpl

    metadata: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[form]
    out = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "ecg", "svg.fonttype": "path"}):
        sheet.savefig(out, format=form, dpi=PNG_DPI, metadata=metadata)
    return out.getvalue()
