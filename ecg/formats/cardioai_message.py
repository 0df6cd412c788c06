"""CardioAI messages and payloads as types, and their strict decoding and exact encoding.

Version 1 is, field for field and in the same order, what the original tools write; sampling rate, gain, units and
acquisition time do not travel in it. Version 2 adds them to the payload, each optional.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from ecg.errors import InputTooLarge, MalformedInput, UnknownMessageVersion

MESSAGE_TYPE = "cardioai.ekg.data"
ORIGIN_CODES = ("clinical", "consumer")
MAX_MESSAGE_BYTES = 16 * 2**20
MAX_ID_CHARS = 128
MAX_SEQUENCE = 10**6
MAX_INT64 = 2**63 - 1
#: A string of valid JSON; the group holds the colon that makes it a key.
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?')


@dataclass(frozen=True)
class Calibration:
    """What version 2 says about the samples. Per lead where it is a tuple; None where it is not known.

    Attributes
    ----------
    fs_hz
        Samples per second of every lead.
    gain
        ADC units per physical unit.
    baseline
        The ADC value of physical zero.
    units
        Physical unit, such as ``"mV"``.
    acquired
        When the first sample of the recording was taken, ISO 8601; without an offset it is the device's local time.
    """

    fs_hz: float | None = None
    gain: tuple[float, ...] | None = None
    baseline: tuple[int, ...] | None = None
    units: tuple[str, ...] | None = None
    acquired: str | None = None


NOTHING_KNOWN = Calibration()


@dataclass(frozen=True)
class Payload:
    """Part `index` (1-based) of the `sequence` parts of a recording; a row is CSV text, the sample number first."""

    device_id: str | None
    customer_id: str | None
    sequence_id: str
    sequence: int
    index: int
    headers: str
    data: list[str]
    record_id: str
    created_ms: int | None
    calibration: Calibration = NOTHING_KNOWN


@dataclass(frozen=True)
class Envelope:
    """A message with a key to keep it under; `payload` is still as it came.

    `fault` is what is wrong with its outer fields, which are empty then.
    """

    message_id: str
    payload: dict[str, Any]
    origin_id: str | None = None
    origin_code: str | None = None
    device_code: str | None = None
    message_type: str = ""
    message_version: int = 0
    fault: MalformedInput | None = None


def check_size(body: bytes, max_bytes: int) -> None:
    """Raise `InputTooLarge` above `max_bytes`."""
    if len(body) > max_bytes:
        raise InputTooLarge(f"The message has more than {max_bytes} bytes.", "body", f"<= {max_bytes}", len(body))


def decode_envelope(body: bytes, max_bytes: int = MAX_MESSAGE_BYTES) -> Envelope:
    """The outer fields of a message.

    Raises `InputTooLarge` above `max_bytes`, `MalformedInput` when the body is no JSON object, or has no message id or
    no payload object: it cannot be kept then.
    """
    check_size(body, max_bytes)
    fields = _object(body, "body")
    payload = fields.get("payload")
    if not isinstance(payload, dict):
        raise MalformedInput("The message has no payload object.", "payload", "object", type(payload).__name__)
    message_id = _text(fields, "messageId")
    try:
        return Envelope(
            message_id=message_id,
            payload=payload,
            origin_id=_optional_text(fields, "originId"),
            origin_code=_optional_text(fields, "originCode"),
            device_code=_optional_text(fields, "deviceCode"),
            message_type=_text(fields, "messageType"),
            message_version=_integer(fields, "messageVersion", 0, 2**31 - 1),
        )
    except MalformedInput as fault:
        return Envelope(message_id, payload, fault=fault)


def open_payload(envelope: Envelope) -> Payload:
    """The payload of a message of a known type and version.

    Raises `UnknownMessageVersion`, or `MalformedInput` naming the field that is wrong.
    """
    if envelope.fault is not None:
        raise envelope.fault
    if envelope.message_type != MESSAGE_TYPE:
        raise UnknownMessageVersion(
            f"Unknown message type {envelope.message_type!r}.", "messageType", MESSAGE_TYPE, envelope.message_type
        )
    if envelope.message_version not in (1, 2):
        raise UnknownMessageVersion(
            f"Unknown message version {envelope.message_version}.", "messageVersion", [1, 2], envelope.message_version
        )
    if envelope.origin_code not in (None, *ORIGIN_CODES):
        raise MalformedInput("Unknown origin code.", "originCode", list(ORIGIN_CODES), envelope.origin_code)
    return payload_from(envelope.payload, with_calibration=envelope.message_version == 2)


def decode_payload(body: bytes) -> Payload:
    """A payload file's content, with its calibration where it states one. Raises `MalformedInput`."""
    return payload_from(_object(body, "payload file"), with_calibration=True)


def payload_from(fields: dict[str, Any], with_calibration: bool) -> Payload:
    """A checked `Payload` from decoded JSON; the rows are checked by `ecg.formats.cardioai_rows.parse_rows`."""
    headers = fields.get("headers")
    if not isinstance(headers, str) or not headers.isprintable():
        raise MalformedInput("The payload has no header line.", "headers", "printable text", type(headers).__name__)
    data = fields.get("data")
    if not isinstance(data, list) or not set(map(type, data)) <= {str}:
        raise MalformedInput("The rows are not an array of text.", "data", "array of text", type(data).__name__)
    sequence = _integer(fields, "sequence", 1, MAX_SEQUENCE)
    return Payload(
        device_id=_optional_text(fields, "deviceId"),
        customer_id=_optional_text(fields, "customerId"),
        sequence_id=_text(fields, "sequenceId"),
        sequence=sequence,
        index=_integer(fields, "index", 1, sequence),
        headers=headers,
        data=data,
        record_id=_text(fields, "recordId"),
        created_ms=_integer(fields, "created", -MAX_INT64, MAX_INT64) if fields.get("created") is not None else None,
        calibration=calibration_from(fields, headers.count(",")) if with_calibration else NOTHING_KNOWN,
    )


def payload_fields(payload: Payload) -> dict[str, Any]:
    """The payload as JSON fields in the originals' order; version 2 fields only where they are known."""
    fields = {
        "deviceId": payload.device_id,
        "customerId": payload.customer_id,
        "sequenceId": payload.sequence_id,
        "sequence": payload.sequence,
        "index": payload.index,
        "headers": payload.headers,
        "data": payload.data,
        "recordId": payload.record_id,
        "created": payload.created_ms,
    }
    return _known(fields) | calibration_fields(payload.calibration)


def calibration_fields(known: Calibration) -> dict[str, Any]:
    """The version 2 fields that are known, as JSON."""
    fields = asdict(known)
    return _known({"fs": fields.pop("fs_hz"), **fields})


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def encode_payload(payload: Payload) -> bytes:
    """A payload file as the original generator writes it: UTF-8 JSON, two spaces of indentation, no final newline."""
    return orjson.dumps(payload_fields(payload), option=orjson.OPT_INDENT_2)


@dataclass(frozen=True)
class Sender:
    """Who sends: the fields that every message of one relay thread shares."""

    origin_id: str
    origin_code: str
    device_code: str


def encode_message(payload: Payload, sender: Sender, message_id: str, created_ns: int) -> bytes:
    """A compact UTF-8 JSON message; version 2 when the payload states anything of version 2, else exactly version 1."""
    return orjson.dumps(
        {
            "originId": sender.origin_id,
            "messageId": message_id,
            "originCode": sender.origin_code,
            "deviceCode": sender.device_code,
            "messageType": MESSAGE_TYPE,
            "messageVersion": 1 if payload.calibration == NOTHING_KNOWN else 2,
            "payload": payload_fields(payload),
            "created": created_ns,
        }
    )


def _object(body: bytes, field: str) -> dict[str, Any]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedInput(f"Not JSON: {error.msg} at character {error.pos}.", field, "JSON object") from None
    if not isinstance(fields, dict):
        raise MalformedInput("The JSON is not an object.", field, "object", type(fields).__name__)
    keys = _keys_in(fields)
    # Each key has a colon: with no more colons than keys none stands twice, and no string need be looked at.
    if body.count(b":") != keys and sum(1 for token in _STRING.finditer(body) if token[1]) != keys:
        raise MalformedInput("A key stands twice in an object: readers differ on which counts.", field, "each once")
    return fields


def _keys_in(value: Any) -> int:
    """Number of keys of all objects inside a JSON value."""
    if isinstance(value, dict):
        return len(value) + sum(map(_keys_in, value.values()))
    return sum(_keys_in(item) for item in value if isinstance(item, (dict, list))) if isinstance(value, list) else 0


def _optional_text(fields: dict[str, Any], name: str) -> str | None:
    return None if fields.get(name) is None else _text(fields, name)


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_CHARS or not value.isprintable():
        raise MalformedInput(
            f"{name} is not printable text of 1 to {MAX_ID_CHARS} characters.", name, "text", type(value).__name__
        )
    return value


def _integer(fields: dict[str, Any], name: str, low: int, high: int) -> int:
    value = fields.get(name)
    if type(value) is not int or not low <= value <= high:
        raise MalformedInput(
            f"{name} is not a whole number from {low} to {high}.",
            name,
            f"{low}..{high}",
            value if isinstance(value, int | float | str) else type(value).__name__,
        )
    return value


def calibration_from(fields: dict[str, Any], n_leads: int) -> Calibration:
    """The version 2 fields of a payload or record map, checked. Raises `MalformedInput`."""
    fs_hz = fields.get("fs")
    if fs_hz is not None and not (_is_number(fs_hz) and fs_hz > 0):
        raise MalformedInput("fs is not a positive number of Hz.", "fs", "> 0", fs_hz)
    gain = _per_lead(fields, "gain", n_leads, lambda value: _is_number(value) and value != 0, "numbers other than 0")
    baseline = _per_lead(fields, "baseline", n_leads, lambda value: type(value) is int, "whole numbers")
    units = _per_lead(fields, "units", n_leads, lambda value: isinstance(value, str), "texts")
    return Calibration(
        fs_hz=None if fs_hz is None else float(fs_hz),
        gain=None if gain is None else tuple(float(value) for value in gain),
        baseline=baseline,
        units=units,
        acquired=_optional_text(fields, "acquired"),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _per_lead(fields: dict[str, Any], name: str, n_leads: int, accepts: Any, expected: str) -> tuple[Any, ...] | None:
    values = fields.get(name)
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != n_leads or not all(accepts(value) for value in values):
        raise MalformedInput(f"{name} is not {n_leads} {expected}, one a lead.", name, f"{n_leads} {expected}")
    return tuple(values)
