"""A recording on one page of millimetre paper, true to scale: a matplotlib figure, or PDF, SVG and PNG bytes.

Everything is drawn in millimetres of paper: 25 mm a second and 10 mm a millivolt unless told otherwise.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ecg.extras import missing
from ecg.record import EcgRecord
from ecg.report.lettering import FONT, printable, wrapped
from ecg.report.paper_layout import PAGES, PLAIN, PULSE_S, Stretch, Style, arrange
from ecg.report.paper_traces import Trace, notes, traces

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FileForm = Literal["pdf", "svg", "png"]

MM_PER_INCH = 25.4
MARGIN_MM = 8.0
HEADER_MM = 38.0
_NAME_MM = 2.8  # size of the letters of a lead's name: 8 points
_NAME_SHARE = 0.25  # of its row, at most
_PULSE_SHARE = 0.9  # of its row, at most; higher ones would make a ladder
_NOTE_LETTERS = 190  # in a line of notes across the page
PNG_DPI = 200
RESEARCH_USE = "Research use only. Not a medical device; nothing here replaces a physician's reading."


@dataclass(frozen=True)
class Column:
    """A column of the header: its share of the page's width, its lines, and the font its letters may need, too."""

    share: float
    lines: Sequence[str]
    font: str | None = None


def figure(record: EcgRecord, header: Sequence[Column], style: Style = PLAIN) -> "Figure":
    """One landscape page as a `matplotlib.figure.Figure` of exactly the page's size.

    Parameters
    ----------
    record
        The recording. Without a unit its traces fill the rows, and the page says that amplitudes have none.
    header
        Columns of text above the traces. Text is printed as it is; nothing in it is taken for mathematics.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise missing("A page", error) from error

    width, height = PAGES[style.page]
    sheet = Figure(figsize=(width / MM_PER_INCH, height / MM_PER_INCH))
    field_w, field_h = width - 2 * MARGIN_MM, height - 2 * MARGIN_MM - HEADER_MM
    field_w -= field_w % 5  # whole squares
    field_h -= field_h % 5
    axes = sheet.add_axes((MARGIN_MM / width, MARGIN_MM / height, field_w / width, field_h / height))
    axes.set(xlim=(0, field_w), ylim=(0, field_h), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    _grid(axes, field_w, field_h)
    stretches = arrange(record.leads, record.duration_s, style, field_w, field_h)
    drawn = traces(record, stretches, style)
    for trace in drawn:
        _draw(axes, trace, style)
    if record.unit is not None:
        _pulses(axes, stretches, style, field_h)
    x = MARGIN_MM
    for column in header:
        fonts = [FONT] if column.font is None else [FONT, column.font]
        _text(sheet, x, height - MARGIN_MM, "\n".join(column.lines), fontsize=7.5, va="top", family=fonts)
        x += column.share * (width - 2 * MARGIN_MM)
    said = wrapped(printable(" ".join(notes(record, drawn, style, field_h))), _NOTE_LETTERS, 2)
    _text(sheet, MARGIN_MM, MARGIN_MM + field_h + 0.8, "\n".join(said), fontsize=6.5, va="bottom")
    gain = f"{style.gain_mm_mv:g} mm/mV" if record.unit is not None else "amplitudes without a unit"
    foot = f"{style.speed_mm_s:g} mm/s   {gain}   {record.fs_hz:g} Hz   {RESEARCH_USE}"
    _text(sheet, MARGIN_MM, 3, foot, fontsize=6.5)
    return sheet


def _text(sheet: "Figure", x_mm: float, y_mm: float, text: str, **look: Any) -> None:
    """Text at a place counted from the lower left corner of the page; "$" and "^" are letters as others."""
    width, height = sheet.get_size_inches() * MM_PER_INCH
    letters: dict[str, Any] = {"family": FONT, "linespacing": 1.3, "parse_math": False, "usetex": False} | look
    sheet.text(x_mm / width, y_mm / height, text, **letters)


def _grid(axes: "Axes", width: float, height: float) -> None:
    from matplotlib.collections import LineCollection

    for step, line_mm, colour in ((1, 0.08, "#f3c9c5"), (5, 0.18, "#e39a93")):
        lines = [((x, 0.0), (x, height)) for x in np.arange(0, width + 0.1, step)]
        lines += [((0.0, y), (width, y)) for y in np.arange(0, height + 0.1, step)]
        axes.add_collection(LineCollection(lines, linewidths=_points(line_mm), colors=colour, clip_on=False))


def _draw(axes: "Axes", trace: Trace, style: Style) -> None:
    at = trace.stretch
    pen: dict[str, Any] = {"color": "black", "solid_joinstyle": "round", "gid": f"trace-{at.lead}"}
    axes.plot(trace.x_mm, trace.y_mm, linewidth=_points(0.25), **pen)
    size = min(_NAME_MM, _NAME_SHARE * at.row_mm)
    top = at.y_mm + at.row_mm / 2
    name = axes.text(at.x_mm + 1, top - 1.1 * size, printable(at.lead), parse_math=False, usetex=False, family=FONT)
    name.set(fontsize=_points(size), path_effects=[_halo()], gid=f"name-{at.lead}", zorder=5)
    if at.x_mm > style.left_mm:
        axes.plot([at.x_mm] * 2, [at.y_mm - 3, at.y_mm + 3], color="black", linewidth=_points(0.2))


def _pulses(axes: "Axes", stretches: Sequence[Stretch], style: Style, height: float) -> None:
    """A pulse of 1 mV before each row, inside it; where rows are lower than 1 mV, one for all of them."""
    up, row_mm = style.gain_mm_mv, stretches[0].row_mm
    feet = [
        min(y, y + row_mm / 2 - 0.5 - up) for y in {stretch.y_mm for stretch in stretches}
    ]  # from zero, where that fits
    if up > _PULSE_SHARE * row_mm:
        feet = [(height - up) / 2]
    long = PULSE_S * style.speed_mm_s
    steps = [(2, 0), (3, 0), (3, up), (3 + long, up), (3 + long, 0), (4 + long, 0)]
    for y in feet:
        axes.plot(
            [x for x, _ in steps], [y + dy for _, dy in steps], color="black", linewidth=_points(0.25), gid="pulse"
        )


def _halo() -> Any:
    from matplotlib.patheffects import withStroke

    return withStroke(linewidth=1.2, foreground="white")  # a name stays legible on a trace


def _points(mm: float) -> float:
    return mm / MM_PER_INCH * 72


def as_bytes(sheet: "Figure", form: FileForm) -> bytes:
    """The page as a file: PDF and SVG are vectors of the page's true size, PNG has 200 dots an inch."""
    import matplotlib as mpl

    metadata: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[form]
    out = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "ecg", "svg.fonttype": "path"}):
        sheet.savefig(out, format=form, dpi=PNG_DPI, metadata=metadata)
    return out.getvalue()
