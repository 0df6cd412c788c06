"""Where each lead stands on one page of paper, and which seconds of it are shown. Lengths are millimetres of paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ecg.errors import MalformedInput

Page = Literal["A4", "letter"]
Layout = Literal["3x4", "6x2", "12x1"]

PAGES: dict[Page, tuple[float, float]] = {"A4": (297.0, 210.0), "letter": (279.4, 215.9)}  # landscape, mm
PAPER_S = 10.0  # seconds on one page at 25 mm/s
PULSE_S = 0.2  # of the calibration pulse
#: Columns follow each other in time while the recording fills this share of the paper. Of a shorter one every column
#: shows the same first seconds, so that no lead is shown for a beat only.
_ENOUGH = 0.8
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

    @property
    def left_mm(self) -> float:
        """Of a row before its first trace: the calibration pulse stands there."""
        return 5.0 + PULSE_S * self.speed_mm_s


PLAIN = Style()


@dataclass(frozen=True)
class Stretch:
    """One stretch of one lead: its left end, its zero line and the height of its row (mm), and which seconds it shows.

    The zero line is the middle of the row.
    """

    lead: str
    x_mm: float
    y_mm: float
    row_mm: float
    from_s: float
    seconds: float


def seconds_left(duration_s: float, from_s: float) -> float:
    """How many seconds there are from `from_s` on; `MalformedInput` when there is none."""
    if not 0 <= from_s < duration_s:
        raise MalformedInput("There is nothing to show.", "from", f"0 to less than {duration_s:g} s", from_s)
    return duration_s - from_s


def arrange(leads: Sequence[str], duration_s: float, style: Style, width_mm: float, height_mm: float) -> list[Stretch]:
    """Where each lead stands on a field of paper; zero lines are counted from its lower edge.

    Leads that are no standard set stand in one column. The 3 × 4 layout has lead II below as a rhythm strip. Columns
    share the seconds that are there one after another; of a short recording they all show its first seconds. Raises
    `MalformedInput` when the recording has ended before the first second to show.
    """
    columns = [[lead for lead in column if lead in leads] for column in COLUMNS[style.layout]]
    columns = [column for column in columns if column]
    if not columns or {lead for column in columns for lead in column} != set(leads):
        columns = [list(leads)]
    strip = style.layout == "3x4" and len(columns) == 4 and "II" in leads
    row_mm = height_mm / (max(map(len, columns)) + strip)
    paper_s = min(PAPER_S, (width_mm - style.left_mm) / style.speed_mm_s)
    shown_s = min(paper_s, seconds_left(duration_s, style.from_s))
    one_after_another = shown_s >= _ENOUGH * paper_s
    each_s = shown_s / len(columns) if one_after_another else min(shown_s, paper_s / len(columns))
    width_s = each_s if one_after_another else paper_s / len(columns)
    stretches = [
        Stretch(
            lead,
            style.left_mm + c * width_s * style.speed_mm_s,
            height_mm - (r + 0.5) * row_mm,
            row_mm,
            style.from_s + (c * each_s if one_after_another else 0.0),
            each_s,
        )
        for c, column in enumerate(columns)
        for r, lead in enumerate(column)
    ]
    if strip:
        stretches.append(Stretch("II", style.left_mm, 0.5 * row_mm, row_mm, style.from_s, shown_s))
    return stretches
