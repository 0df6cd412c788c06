"""The answer as a table: one row for each measured value, finding and label."""

import csv
import io
from dataclasses import fields

from ecg.report.analysis import Analysis
from ecg.report.conclusion import Conclusion
from ecg.values import Value

HEADER = ("kind", "name", "value", "unit", "spread", "detail")
_PRESENCE = {True: "present", False: "absent", None: "open"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would take such a text for a formula


def to_csv(analysis: Analysis, conclusion: Conclusion) -> bytes:
    """The answer as UTF-8 CSV with a heading (`HEADER`); `detail` is the reason, the evidence or the source."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    for row in _rows(analysis, conclusion):
        writer.writerow(["" if cell is None else _safe(cell) for cell in row])
    return out.getvalue().encode()


def _rows(analysis: Analysis, conclusion: Conclusion) -> list[tuple[object, ...]]:
    measurements = analysis.examination.measurements
    rows: list[tuple[object, ...]] = []
    if "clinical" in analysis.include:
        rows.append(("rhythm", conclusion.rhythm or "not decided", None, None, None, conclusion.source))
    if "measurements" in analysis.include:
        for field in fields(measurements):
            value = getattr(measurements, field.name)
            if isinstance(value, Value):
                spread = None if value.spread is None else round(value.spread, 3)
                rows.append(("measurement", field.name, value.rounded, value.unit, spread, value.reason))
    if "quality" in analysis.include:
        rows.append(("quality", "grade", analysis.examination.quality.grade, None, None, None))
    if "clinical" in analysis.include:
        rows += [("finding", f.label, _PRESENCE[f.present], None, None, f.evidence) for f in conclusion.findings]
        rows += [("statement", s.label, _PRESENCE[s.present], None, None, s.evidence) for s in conclusion.statements]
        rows += [
            ("probability", label.name, round(label.score, 6), None, None, conclusion.source)
            for label in conclusion.labels
            if label.score is not None
        ]
    return rows + [("warning", "", None, None, None, warning) for warning in conclusion.warnings]


def _safe(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
