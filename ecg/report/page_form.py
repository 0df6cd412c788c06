"""The answer on one page of paper: header from the conclusion, traces at true scale (`ecg.report.paper`)."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ecg._version import __version__
from ecg.report.analysis import Analysis
from ecg.report.conclusion import Conclusion
from ecg.report.paper import PLAIN, FileForm, Style, as_bytes, figure
from ecg.values import Value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What the header shows: title, field of `Measurements`, unit.
VALUES = (
    ("Rate", "heart_rate", "/min"),
    ("PR", "pr_interval", "ms"),
    ("QRS", "qrs_duration", "ms"),
    ("QT", "qt_interval", "ms"),
    ("QTc (Fridericia)", "qtc_fridericia", "ms"),
    ("Axes P", "p_axis", "°"),
    ("Axes QRS", "qrs_axis", "°"),
    ("Axes T", "t_axis", "°"),
)
_MOST_LINES = 9  # of a column of the header
_MOST_LETTERS = 62


def page(analysis: Analysis, conclusion: Conclusion, name: str | None = None, style: Style = PLAIN) -> "Figure":
    """The answer as one landscape page; `name` is printed above, and nothing else of the patient.

    Limb leads that follow from I and II are drawn, too (`EcgRecord.completed`).
    """
    measurements = analysis.examination.measurements
    values = [f"{title}: {_text(getattr(measurements, field), unit)}" for title, field, unit in VALUES]
    said = headline(conclusion)
    said.append(f"Decided by {'the rules' if conclusion.source == 'rules' else 'the model'}; not reviewed")
    said += [f"! {warning}" for warning in conclusion.warnings]
    record = analysis.record
    facts = [name] if name else []
    facts += [f"Signal quality: {analysis.examination.quality.grade}", f"{record.duration_s:.1f} s of {record.format}"]
    facts += [f"{model}: {result.identity.weights.split('@')[0]}" for model, result in analysis.results.items()]
    facts.append(f"ecg-serve {__version__}, input {record.sha256[:12]}")
    return figure(record.completed(), [values, _column(said), _column(facts)], style)


def headline(conclusion: Conclusion) -> list[str]:
    """The rhythm, or that it is not decided, and the other abnormalities."""
    others = [text for text in conclusion.abnormalities if text != conclusion.rhythm]
    return [conclusion.rhythm or "Rhythm not decided", *others]


def _text(value: Value, unit: str) -> str:
    return "–" if value.rounded is None else f"{round(value.rounded)} {unit}".replace(" °", "°")


def _column(lines: Sequence[str]) -> list[str]:
    """Lines cut to what the header holds; what is left out is said."""
    short = [line if len(line) <= _MOST_LETTERS else f"{line[: _MOST_LETTERS - 1]}…" for line in lines]
    left = len(short) - _MOST_LINES
    return short if left <= 0 else [*short[: _MOST_LINES - 1], f"… and {left + 1} more"]


def encode(form: FileForm, analysis: Analysis, conclusion: Conclusion) -> bytes:
    """The page as PDF, SVG or PNG bytes. Needs matplotlib (extra `report`); raises `BackendUnavailable` without it."""
    return as_bytes(page(analysis, conclusion), form)


to_pdf = partial(encode, "pdf")
to_svg = partial(encode, "svg")
