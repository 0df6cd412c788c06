"""Messages, payloads and rows: exact for version 1, strict for all."""

import json
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg.errors import MalformedInput, UnknownMessageVersion
from ecg.formats.cardioai_message import (
    Calibration,
    Sender,
    decode_envelope,
    decode_payload,
    encode_message,
    encode_payload,
    open_payload,
)
from ecg.formats.cardioai_rows import INVALID_SAMPLE, content_hash, parse_rows
from tests.builders.messages import message, payload

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "cardioai-samples"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="../shared/cardioai-samples is absent")
FULL = Calibration(360.0, (200.0, 0.1), (1024, -3), ("mV", "uV"), "2001-02-03T04:05:06")


def real(kind: str) -> list[Path]:
    return sorted(SAMPLES.glob(f"{kind}-*.json")) if SAMPLES.is_dir() else []


@pytest.mark.shared
@needs_samples
@pytest.mark.parametrize("path", real("message") + real("handmade"), ids=lambda path: path.stem)
def test_real_messages_are_read_and_written_to_the_byte(path: Path) -> None:
    body = path.read_bytes()
    envelope = decode_envelope(body)
    part = open_payload(envelope)
    assert (part.calibration, envelope.message_version) == (Calibration(), 1)
    sender = Sender(envelope.origin_id or "", envelope.origin_code or "", envelope.device_code or "")
    assert encode_message(part, sender, envelope.message_id, json.loads(body)["created"]) == body


@pytest.mark.shared
@needs_samples
@pytest.mark.parametrize("path", real("payload"), ids=lambda path: path.stem)
def test_real_payload_files_are_read_and_written_to_the_byte(path: Path) -> None:
    assert encode_payload(decode_payload(path.read_bytes())) == path.read_bytes()


@pytest.mark.shared
@needs_samples
def test_real_rows_have_the_number_and_leads_that_the_index_says() -> None:
    entries = [entry for entry in json.loads((SAMPLES / "index.json").read_text()) if "record" in entry]
    assert len(entries) == 5
    for entry in entries:
        part = open_payload(decode_envelope((SAMPLES / f"message-{entry['record']}.json").read_bytes()))
        found = parse_rows(part.headers, part.data)
        assert (found.first, len(found.samples)) == (0, entry["rows"])
        assert part.headers == entry["headers"]
    gap = json.loads((SAMPLES / "message-missing_250hz_4s.json").read_text())["payload"]["data"]
    assert (parse_rows("INDEX,I,II", gap).samples == INVALID_SAMPLE).any()


def test_version_2_carries_what_is_known_and_comes_back_equal() -> None:
    body = message(payload(calibration=FULL))
    fields = orjson.loads(body)
    assert fields["messageVersion"] == 2
    assert list(fields["payload"])[-5:] == ["fs", "gain", "baseline", "units", "acquired"]
    assert open_payload(decode_envelope(body)).calibration == FULL
    assert decode_payload(encode_payload(payload(calibration=FULL))) == payload(calibration=FULL)


def test_version_1_never_carries_it() -> None:
    fields = orjson.loads(message(payload(calibration=FULL)))
    fields["messageVersion"] = 1
    assert open_payload(decode_envelope(orjson.dumps(fields))).calibration == Calibration()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"fs": 0}, "fs"),
        ({"fs": "500"}, "fs"),
        ({"fs": True}, "fs"),
        ({"gain": [1.0]}, "gain"),
        ({"gain": [1.0, 0]}, "gain"),
        ({"baseline": [0, 0.5]}, "baseline"),
        ({"units": "mV"}, "units"),
        ({"acquired": 7}, "acquired"),
        ({"sequence": 1.0}, "sequence"),
        ({"sequence": True}, "sequence"),
        ({"index": 2}, "index"),
        ({"data": "0,1,2"}, "data"),
        ({"data": [1]}, "data"),
        ({"headers": "I\u0000"}, "headers"),
        ({"recordId": ""}, "recordId"),
        ({"sequenceId": "x" * 129}, "sequenceId"),
        ({"created": "now"}, "created"),
    ],
)
def test_a_wrong_payload_field_is_named(changes: dict, field: str) -> None:
    fields = orjson.loads(message(payload(calibration=FULL)))
    fields["payload"] |= changes
    with pytest.raises(MalformedInput) as refusal:
        open_payload(decode_envelope(orjson.dumps(fields)))
    assert refusal.value.field == field


def test_fields_that_the_original_leaves_out_may_be_absent() -> None:
    fields = orjson.loads(message(payload()))
    for name in ("originId", "originCode", "deviceCode"):
        del fields[name]
    del fields["payload"]["deviceId"]
    fields["payload"]["customerId"] = None
    envelope = decode_envelope(orjson.dumps(fields))
    assert (envelope.origin_code, open_payload(envelope).customer_id) == (None, None)


def test_another_version_is_another_error_than_a_broken_message() -> None:
    with pytest.raises(UnknownMessageVersion):
        open_payload(decode_envelope(message(payload(), messageVersion=3)))


@given(st.integers(1, 5), st.integers(0, 2**40), st.data())
def test_rows_come_back_as_written(n_leads: int, first: int, data: st.DataObject) -> None:
    samples = data.draw(
        st.lists(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=n_leads, max_size=n_leads), min_size=1, max_size=8)
    )
    text = [",".join(map(str, [first + n, *row])) for n, row in enumerate(samples)]
    found = parse_rows(",".join(["INDEX", *(f"L{k}" for k in range(n_leads))]), text)
    assert (found.first, found.last) == (first, first + len(samples) - 1)
    np.testing.assert_array_equal(found.samples, np.array(samples))


@pytest.mark.parametrize(
    "data",
    [
        ["0,1,2", "1,2"],
        ["0,1,2,3"],
        ["0,1,"],
        ["0,1,2.0"],
        ["0,1,1e3"],
        ["0,1, 2"],
        ["0,1,+2"],
        ["0,1,0x2"],
        ["0,1,--2"],
        ["0,1,2-"],
        ["0,1,true"],
        ["0,1,[2]"],
        ["0,1,2147483648"],
        ["0,1,-2147483649"],
        ["0,1,99999999999999999999"],
        ["0,1,2", "2,1,2"],
        ["0,1,2", "0,1,2"],
        ["1,1,2", "0,1,2"],
        ["-1,1,2"],
        ["0,1,2\n1,1,2"],
        ["0,1,2],[1,1,2"],
        ["0,1,\u0663"],
        [""],
        [],
    ],
)
def test_rows_that_are_no_contiguous_integers_are_refused(data: list[str]) -> None:
    with pytest.raises(MalformedInput):
        parse_rows("INDEX,I,II", data)


@pytest.mark.parametrize("headers", ["INDEX", "INDEX,", "INDEX,I,,II", "index,I,II", "SAMPLE,I,II", ""])
def test_header_lines_without_index_and_leads_are_refused(headers: str) -> None:
    with pytest.raises(MalformedInput):
        parse_rows(headers, ["0,1,2"])


def test_a_dash_is_an_invalid_sample() -> None:
    assert parse_rows("INDEX,I,II", ["0,-,-5", "1,2,-"]).samples.tolist() == [[INVALID_SAMPLE, -5], [2, INVALID_SAMPLE]]


def test_the_content_hash_sees_headers_rows_and_nothing_else() -> None:
    one = content_hash("INDEX,I", ["0,1", "1,2"])
    assert one == content_hash("INDEX,I", ["0,1", "1,2"])
    assert len({one, content_hash("INDEX,II", ["0,1", "1,2"]), content_hash("INDEX,I", ["0,1"])}) == 3


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        (b'"originId":', b'"originId":"other","originId":'),
        (b'"recordId":', b'"recordId":"other","recordId":'),
        (b'"recordId":', b'"record\\u0049d":"other","recordId":'),
        (b'"messageId":', b'"messageId" \n: "other", "messageId":'),
    ],
)
def test_a_key_that_stands_twice_is_refused(once: bytes, twice: bytes) -> None:
    body = message(payload())
    assert body.count(once) == 1
    decode_envelope(body)
    with pytest.raises(MalformedInput, match="twice"):
        decode_envelope(body.replace(once, twice))


def test_text_that_looks_like_a_key_is_none() -> None:
    told = 'a":"b\\" : {"c":'
    assert decode_envelope(message(payload(record_id=told))).payload["recordId"] == told
