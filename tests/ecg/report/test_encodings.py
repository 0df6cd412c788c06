"""Forms of the answer: which one a client gets, and how one is added."""

from collections.abc import Iterator

import orjson
import pytest

import ecg
from ecg.errors import MalformedInput, NotAcceptable
from ecg.record import EcgRecord
from ecg.report import Analysis, Conclusion
from ecg.report.encodings import ENCODINGS, Encoding, encoding_named, negotiated, register

PLAIN = "text/vnd.test"


def as_text(analysis: Analysis, conclusion: Conclusion) -> bytes:
    return f"{analysis.record.n_samples} samples, {conclusion.rhythm}".encode()


@pytest.fixture
def plain() -> Iterator[Encoding]:
    encoding = Encoding("plain", PLAIN, as_text)
    register(encoding)
    yield encoding
    del ENCODINGS[PLAIN]


def test_one_registration_adds_an_encoding(sinus: EcgRecord, plain: Encoding) -> None:
    report = ecg.analyze(sinus, include=frozenset({"measurements"}))
    assert report.encoded(PLAIN) == b"5000 samples, None"
    assert negotiated(f"{PLAIN}, application/json;q=0.5") is encoding_named("plain") is plain
    with pytest.raises(ValueError, match="already"):
        register(plain)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "application/json"),
        (" ", "application/json"),
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("APPLICATION/JSON; charset=utf-8", "application/json"),
        ("text/*", "text/csv"),  # the first of them
        (f"application/json;q=0.2, {PLAIN};q=0.9", PLAIN),
        (f"*/*, {PLAIN};q=0", "application/json"),
        ("application/json;q=0, */*;q=0.1", "application/fhir+json"),
    ],
)
@pytest.mark.usefixtures("plain")
def test_the_form_asked_for_most_is_given(accept: str | None, expected: str) -> None:
    assert negotiated(accept).media_type == expected


@pytest.mark.parametrize(
    "accept", ["text/html", "application/json;q=0", "application/json;q=much", "application/json;q=nan", ";", "*"]
)
def test_what_cannot_be_given_is_refused_with_the_list(accept: str) -> None:
    with pytest.raises(NotAcceptable) as refusal:
        negotiated(accept)
    assert refusal.value.expected == list(ENCODINGS)


def test_an_unknown_form_is_refused(sinus: EcgRecord) -> None:
    with pytest.raises(NotAcceptable):
        ecg.analyze(sinus, include=frozenset({"quality"})).encoded("image/png")
    with pytest.raises(MalformedInput):
        encoding_named("png")


def test_json_is_the_same_by_every_way(sinus: EcgRecord) -> None:
    report = ecg.analyze(sinus, include=frozenset({"quality"}))
    assert report.encoded("application/json") == report.to_json() == orjson.dumps(report.to_dict())
