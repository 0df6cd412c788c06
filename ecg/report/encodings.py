"""Media types that a report can be written in. One `register` adds one: for the service, and for `ecg analyze`."""

from collections.abc import Callable
from dataclasses import dataclass

from ecg.errors import MalformedInput, NotAcceptable
from ecg.report import csv_form, display, fhir, json_form, page_form
from ecg.report.analysis import Analysis, checked_subject
from ecg.report.conclusion import Conclusion


@dataclass(frozen=True)
class Encoding:
    """One form of a report.

    Attributes
    ----------
    name
        Short name, for the command line; also the usual ending of such a file.
    media_type
        As in HTTP's `Accept` and `Content-Type`, without parameters.
    encode
        Makes the document. What it needs that is costly to import, it imports when it is called.
    has_subject
        Whether the document says whose recording it is, where the caller gave a reference.
    """

    name: str
    media_type: str
    encode: Callable[[Analysis, Conclusion], bytes]
    has_subject: bool = False


JSON = Encoding("json", "application/json", json_form.to_json)
#: By media type; the first one is given to a caller who accepts any.
ENCODINGS: dict[str, Encoding] = {
    encoding.media_type: encoding
    for encoding in (
        JSON,
        Encoding("fhir", "application/fhir+json", fhir.to_fhir, has_subject=True),
        Encoding("csv", "text/csv", csv_form.to_csv),
        Encoding("pdf", "application/pdf", page_form.to_pdf),
        Encoding("svg", "image/svg+xml", page_form.to_svg),
        Encoding("display", display.MEDIA_TYPE, display.to_json),
    )
}


def register(encoding: Encoding) -> None:
    """Add a form of the report. Raises `ValueError` when its media type or name is taken."""
    if encoding.media_type in ENCODINGS or any(known.name == encoding.name for known in ENCODINGS.values()):
        raise ValueError(f"{encoding.media_type} ({encoding.name}) is registered already")
    ENCODINGS[encoding.media_type] = encoding


def encoding_of(media_type: str) -> Encoding:
    """The encoding of a media type; `NotAcceptable` when there is none."""
    if media_type not in ENCODINGS:
        raise _refusal(media_type)
    return ENCODINGS[media_type]


def encoding_named(name: str) -> Encoding:
    """The encoding of a short name; `MalformedInput` when there is none."""
    for encoding in ENCODINGS.values():
        if encoding.name == name:
            return encoding
    raise MalformedInput("No such output format.", "format", [e.name for e in ENCODINGS.values()], name)


def subject_for(encoding: Encoding, subject: str | None) -> str | None:
    """The caller's reference to the patient for a document of this encoding; None for None.

    Raises `MalformedInput` for what is no reference (`checked_subject`), and where the document has no place for one.
    """
    if subject is not None and not encoding.has_subject:
        forms = [known.media_type for known in ENCODINGS.values() if known.has_subject]
        raise MalformedInput("This form of the answer has no subject.", "subject", forms, encoding.media_type)
    return checked_subject(subject)


def negotiated(accept: str | None) -> Encoding:
    """The encoding that an HTTP `Accept` header asks for most (RFC 9110, section 12.5.1).

    The most specific range that names a media type decides its weight; between equal weights the order of `ENCODINGS`
    decides. JSON for a header that is absent or empty. Raises `NotAcceptable`, which lists the media types, when none
    has a weight above zero.
    """
    if accept is None or not accept.strip():
        return JSON
    ranges = [_media_range(part) for part in accept.split(",") if part.strip()]
    weights = {media_type: _weight(media_type, ranges) for media_type in ENCODINGS}
    best = max(weights, key=weights.__getitem__)
    if not weights[best] > 0:  # also for NaN
        raise _refusal(accept)
    return ENCODINGS[best]


def _refusal(asked: str) -> NotAcceptable:
    return NotAcceptable("There is no such form of the answer.", "Accept", list(ENCODINGS), asked[:200])


def _media_range(text: str) -> tuple[str, float]:
    """A media range and its weight; an unreadable weight counts as zero, as if the range were not there."""
    media_range, *parameters = (part.strip().lower() for part in text.split(";"))
    weight = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = min(max(float(value), 0.0), 1.0)
            except ValueError:
                weight = 0.0
    return media_range, weight


def _weight(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """Weight of a media type: that of the most specific range which covers it, 0 when none does."""
    for pattern in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        found = [weight for media_range, weight in ranges if media_range == pattern]
        if found:
            return max(found)
    return 0.0
