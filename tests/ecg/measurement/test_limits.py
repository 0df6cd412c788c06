"""Every limit of measurement is explained, and the document says what the code says."""

from dataclasses import fields

from benchmarks.limits import DOCUMENT, SOURCE, replaced, section
from ecg.measurement import limits


def test_the_document_lists_the_limits_as_they_are() -> None:
    document = DOCUMENT.read_text()
    assert document == replaced(document, section(SOURCE)), "run python -m benchmarks.limits"


def test_every_limit_has_an_explanation() -> None:
    rows = [row.split("|") for row in section(SOURCE).splitlines() if row.startswith("| `")]
    assert all(row[3].strip() for row in rows)
    assert len(rows) == sum(len(fields(stage)) for stage in limits.STAGES)
