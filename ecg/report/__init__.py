"""The answer about a recording: analysis, conclusion, and the forms it is given in.

`analysis` holds what was worked out, `conclusion` what is said of it, `encodings` the media types it can be written in.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ecg.report import html_form, json_form, page_form
from ecg.report.analysis import Analysis, checked_subject
from ecg.report.conclusion import Conclusion, conclude
from ecg.report.encodings import encoding_of
from ecg.report.paper_layout import PLAIN, Style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Analysis", "Conclusion", "Report", "conclude"]


@dataclass(frozen=True, eq=False)
class Report:
    """An analysis with its conclusion, and every form it can be given in."""

    analysis: Analysis

    @cached_property
    def conclusion(self) -> Conclusion:
        """What is said about the recording."""
        return conclude(self.analysis)

    def encoded(self, media_type: str) -> bytes:
        """The report as a document of a media type of `ecg.report.encodings`; `NotAcceptable` for another one."""
        return encoding_of(media_type).encode(self.analysis, self.conclusion)

    def about(self, subject: str | None) -> "Report":
        """The same report about a patient: a FHIR reference such as ``"Patient/17"``, which its FHIR form then has.

        Raises `MalformedInput` for what is no such reference.
        """
        return Report(replace(self.analysis, subject=checked_subject(subject)))

    def to_json(self) -> bytes:
        """The report as JSON (docs/api.md)."""
        return json_form.to_json(self.analysis, self.conclusion)

    def to_dict(self) -> dict[str, Any]:
        """The same, before it is written: plain JSON values."""
        return json_form.to_dict(self.analysis, self.conclusion)

    def plot(self, name: str | None = None, style: Style = PLAIN) -> "Figure":
        """The report on one page of millimetre paper at true scale, as a `matplotlib.figure.Figure`.

        `name` is printed above the traces; nothing else of the patient is. Raises `BackendUnavailable` without
        matplotlib (``pip install 'ecg-serve[report]'``).
        """
        return page_form.page(self.analysis, self.conclusion, name, style)

    def _repr_html_(self) -> str:
        return html_form.to_html(self.analysis, self.conclusion)
