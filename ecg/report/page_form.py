"""The answer on one page of paper: header from the conclusion, traces at true scale (`ecg.report.paper`)."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ecg._version import __version__
from ecg.report.analysis import Analysis
from ecg.report.conclusion import Conclusion
from ecg.report.lettering import name_and_font, printable, wrapped
from ecg.report.paper import Column, FileForm, as_bytes, figure
from ecg.report.paper_layout import PLAIN, Style
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
_SAID_LETTERS = 88  # in a line of the middle column
_FACT_LETTERS = 54  # in a line of the right column
NOT_REVIEWED = "Not reviewed by a physician"


def page(analysis: Analysis, conclusion: Conclusion, name: str | None = None, style: Style = PLAIN) -> "Figure":
    """The answer as one landscape page; `name` is printed above, and nothing else of the patient.

    Limb leads that follow from I and II are drawn, too (`EcgRecord.completed`). Raises `MalformedInput` for a name that
    no font can print, or when `style` begins after the end of the recording.
    """
    measurements = analysis.examination.measurements
    values = [f"{title}: {_text(getattr(measurements, field), unit)}" for title, field, unit in VALUES]
    record = analysis.record
    title, font = ("", None) if not name else name_and_font(name)
    facts = [f"Signal quality: {analysis.examination.quality.grade}", f"{record.duration_s:.1f} s of {record.format}"]
    facts += [f"{model}: {result.identity.weights.split('@')[0]}" for model, result in analysis.results.items()]
    facts.append(f"ecg-serve {__version__}, input {record.sha256[:12]}")
    right = wrapped(title, _FACT_LETTERS, 2) if title else []
    right += [line for fact in facts for line in wrapped(printable(fact), _FACT_LETTERS, 2)]
    header = [Column(0.19, values), Column(0.5, _fitted(_said(conclusion))), Column(0.31, _fitted(right), font)]
    return figure(record.completed(), header, style)


def headline(conclusion: Conclusion) -> list[str]:
    """The rhythm, or that it is not decided, and the other abnormalities, each with who says so."""
    others = [text for text in conclusion.abnormalities if text != conclusion.rhythm]
    rhythm = "Rhythm not decided" if conclusion.rhythm is None else _with_source(conclusion, conclusion.rhythm)
    return [rhythm, *(_with_source(conclusion, text) for text in others)]


def disagreements(conclusion: Conclusion) -> list[str]:
    """One line for each label on which rules and model disagree: what the rules say, and the model's score."""
    rules = {finding.label: finding.present for finding in conclusion.findings}
    return [
        f"Rules: {c.label} {'present' if rules[c.label] else 'absent'}; model: {c.model:.2g}"
        for c in conclusion.contradictions
    ]


def _with_source(conclusion: Conclusion, label: str) -> str:
    """A label that was found, with who decided it: a model is not named for a label on which it is silent."""
    rule = next((finding.present for finding in conclusion.findings if finding.label == label), None)
    scored = any(each.name == label and each.score is not None for each in conclusion.labels)
    if conclusion.source == "rules" or not scored:
        return f"{label} (by the rules)"
    if conclusion.source == "ecg-fm" or rule is None:
        return f"{label} (by the model)"
    return f"{label} (by model and rules)" if rule else f"{label} (by the model against the rules)"


def _said(conclusion: Conclusion) -> list[str]:
    rhythm, *others = headline(conclusion)
    lines = [rhythm]
    lines += wrapped("; ".join(others), _SAID_LETTERS, 3) if others else []
    lines.append(NOT_REVIEWED)
    lines += disagreements(conclusion)
    for warning in conclusion.warnings:
        lines += wrapped(printable(f"! {warning}"), _SAID_LETTERS, 3)
    return lines


def _text(value: Value, unit: str) -> str:
    return "–" if value.rounded is None else f"{round(value.rounded)} {unit}".replace(" °", "°")


def _fitted(lines: Sequence[str]) -> list[str]:
    """As many lines as the header holds; what is left out is said."""
    left = len(lines) - _MOST_LINES
    return list(lines) if left <= 0 else [*lines[: _MOST_LINES - 1], f"… and {left + 1} lines more"]


def encode(form: FileForm, analysis: Analysis, conclusion: Conclusion) -> bytes:
    """The page as PDF, SVG or PNG bytes. Needs matplotlib (extra `report`); raises `BackendUnavailable` without it."""
    return as_bytes(page(analysis, conclusion), form)


to_pdf = partial(encode, "pdf")
to_svg = partial(encode, "svg")
