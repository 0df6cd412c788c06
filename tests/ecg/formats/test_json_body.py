"""JSON bodies: what is stated twice, misspelt or out of all proportion is refused."""

import json

import pytest

from ecg import formats
from ecg.errors import MalformedInput

BODY = {"signal": [[0.5, 1, None]], "fs": 500, "lead_names": ["I"], "units": "mV", "name": 'a, {b} ["fs": 1]'}


def parse(text: str) -> object:
    return formats.parse({"x.json": text.encode()})


def test_every_documented_field_is_read() -> None:
    record = formats.parse({"x.json": json.dumps(BODY | {"recording_duration": 3 / 500}).encode()})
    assert (record.leads, record.fs_hz, record.unit, record.name) == (("I",), 500.0, "mV", BODY["name"])


@pytest.mark.parametrize(
    "repeat", ['"fs": 250', '"\\u0066s" : 500', '"units"' + " " * 100 + ': "uV"', '"signal": [[1]]']
)
def test_a_field_that_stands_twice_is_refused(repeat: str) -> None:
    with pytest.raises(MalformedInput, match="more than once"):
        parse(json.dumps(BODY)[:-1] + ", " + repeat + "}")


@pytest.mark.parametrize("field", ["unit", "sampling_rate", "Fs", "patient"])
def test_an_unknown_field_is_refused_and_the_known_ones_named(field: str) -> None:
    with pytest.raises(MalformedInput, match=field) as refused:
        parse(json.dumps(BODY | {field: "mV"}))
    assert "recording_duration" in str(refused.value.expected)


@pytest.mark.parametrize(
    "text",
    [
        '{"signal": [' + ",".join(["[]"] * 300) + "]}",
        '{"signal": [[' + "{}," * 300 + "0]]}",
        '{"signal": [["' + '","' * 1000 + '"]]}',
        '{"signal": [[' + "0," * 10_000_001 + "0]]}",
    ],
    ids=["rows", "objects", "texts", "samples"],
)
def test_what_no_recording_needs_is_refused_before_it_is_parsed(text: str) -> None:
    with pytest.raises(MalformedInput, match="too many"):
        parse(text)


def test_more_rows_than_leads_are_refused() -> None:
    with pytest.raises(MalformedInput, match="One row"):
        parse(json.dumps(BODY | {"signal": [[]] * 200}))
