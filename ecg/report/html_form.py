"""The answer as a piece of HTML, which a notebook shows in the place of a `Report`."""

import base64
import io
from html import escape

from ecg.errors import BackendUnavailable
from ecg.report.analysis import Analysis
from ecg.report.conclusion import Conclusion
from ecg.report.page_form import NOT_REVIEWED, VALUES, disagreements, headline, page
from ecg.report.paper import RESEARCH_USE
from ecg.report.paper_layout import PAGES, PLAIN
from ecg.values import Value


def to_html(analysis: Analysis, conclusion: Conclusion) -> str:
    """What was concluded, the measured values with their spread or reason, and the page of paper.

    The page is left out where matplotlib is not installed. Text of the recording is escaped.
    """
    grade = analysis.examination.quality.grade
    rows = "".join(
        f"<tr><th scope='row'>{escape(title)}</th><td>{escape(_text(value, unit))}</td></tr>"
        for title, name, unit in VALUES
        if isinstance(value := getattr(analysis.examination.measurements, name), Value)
    )
    doubts = "".join(f"<li>{escape(text)}</li>" for text in (*disagreements(conclusion), *conclusion.warnings))
    return (
        f"<div><p><b>{escape('; '.join(headline(conclusion)))}</b>. {NOT_REVIEWED}. "
        f"Signal {escape(grade.lower())}.</p><table>{rows}</table><ul>{doubts}</ul>{_picture(analysis, conclusion)}"
        f"<p><small>{escape(RESEARCH_USE)}</small></p></div>"
    )


def _text(value: Value, unit: str) -> str:
    if value.rounded is None:
        return f"not given: {value.reason}"
    return f"{value.rounded:g} {unit}" + ("" if value.spread is None else f" ± {value.spread:.1f}")


def _picture(analysis: Analysis, conclusion: Conclusion) -> str:
    try:
        sheet = page(analysis, conclusion)
    except BackendUnavailable:
        return ""
    out = io.BytesIO()
    sheet.savefig(out, format="png", dpi=100)
    width = PAGES[PLAIN.page][0]
    content = base64.b64encode(out.getvalue()).decode()
    return f"<img alt='Traces on paper' style='width:{width:g}mm' src='data:image/png;base64,{content}'>"
