"""JSON recordings: ``{"signal": [[…], …], "fs": 500, "lead_names": […], "recording_duration": 10, "units": "mV"}``."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import orjson

from ecg.errors import InconsistentInput, MalformedInput
from ecg.formats.stated import Stated
from ecg.leads import MAX_LEADS
from ecg.record import EcgRecord, Signal, check_announced, to_millivolt

NAME = "json"
FIELDS = ("signal", "fs", "lead_names", "recording_duration", "units", "name")
MAX_VALUES = 10_000_000  # samples of all leads: more than 64 MiB of text hold at six characters each
# What a recording needs at most of each mark, checked before the parser makes an object of 8 to 100 bytes of each.
_MOST = {b"[": 4 * MAX_LEADS, b"{": 16, b'"': 1024, b"\\": 1024, b",": MAX_VALUES}
_STRING = re.compile(rb'("[^"\\]*(?:\\.[^"\\]*)*")[ \t\r\n]*(:?)')
_DURATION_TOLERANCE_S = 0.1  # clients round the duration; a wrong sampling rate is off by far more


def claims(name: str, head: bytes) -> bool:
    """Whether the name or the first bytes look like a JSON object."""
    return name.endswith(".json") or head.lstrip()[:1] == b"{"


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The recording in a JSON body; a ``null`` sample is a missing one. Raises `MalformedInput` naming the field.

    A field that is not one of `FIELDS`, or that stands twice, is refused: what it states would go unread.
    """
    data = files[main]
    marks = np.frombuffer(data, np.uint8)
    for mark, most in _MOST.items():
        found = np.count_nonzero(marks == ord(mark))
        if found > most:
            raise MalformedInput(
                f"The body has too many {mark.decode()} to be a recording.", "body", f"<= {most}", found
            )
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise MalformedInput(f"Not JSON: {error}.", "body", "a JSON object", None) from None
    if not isinstance(body, dict):
        raise MalformedInput("The body is not a JSON object.", "body", "a JSON object", type(body).__name__)
    deepest_text = _check_fields(data)
    if "signal" not in body:
        raise MalformedInput("The field signal is missing.", "signal", "rows of samples", None)
    fs_hz = stated.settle_fs(_number(body, "fs"))
    leads = stated.settle_leads(_lead_names(body))
    check_announced(_row_length(body["signal"]), fs_hz, max_duration_s)
    only_numbers = deepest_text <= 2 and b"true" not in data and b"false" not in data
    signal, unit = to_millivolt(
        _samples(body["signal"], len(leads), only_numbers), stated.settle_unit(_text(body, "units"))
    )
    _check_duration(_number(body, "recording_duration"), signal.shape[1], fs_hz)
    return EcgRecord(signal, leads, fs_hz, unit, name=_text(body, "name"), format=NAME)


def _check_fields(data: bytes) -> int:
    """How deep in lists and objects the deepest text stands; `MalformedInput` for unknown and repeated fields."""
    found: set[str] = set()
    deepest = 0
    for depth, text, is_key in _texts(data):
        deepest = max(deepest, depth)
        if depth != 1 or not is_key:
            continue
        field = orjson.loads(text)
        if field not in FIELDS:
            raise MalformedInput(f"Unknown field {field[:80]!r}.", "body", list(FIELDS), field[:80])
        if field in found:
            raise MalformedInput(f"The field {field} stands more than once.", field, "each field once", None)
        found.add(field)
    return deepest


def _texts(data: bytes) -> Iterator[tuple[int, bytes, bool]]:
    """Every text of a valid JSON document with its depth, and whether it is a key; `orjson` keeps one of equal keys."""
    marks = np.frombuffer(data, np.uint8)
    depth = at = 0
    while (start := data.find(b'"', at)) >= 0:  # a search by the expression itself takes fifty times as long
        string = _STRING.match(data, start)
        if string is None:
            raise MalformedInput("A text has no end.", "body", "a JSON object", None)
        between = marks[at:start] | ord("{") - ord("[")  # this bit alone tells [ from {, and ] from }
        depth += int(np.count_nonzero(between == ord("{"))) - int(np.count_nonzero(between == ord("}")))
        at = string.end()
        yield depth, string[1], bool(string[2])


def _number(body: dict[str, Any], field: str) -> float | None:
    value = body.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedInput(f"{field} is not a number.", field, "a number", type(value).__name__)
    return float(value)


def _text(body: dict[str, Any], field: str) -> str | None:
    value = body.get(field)
    if value is not None and not isinstance(value, str):
        raise MalformedInput(f"{field} is not a text.", field, "a text", type(value).__name__)
    return value


def _lead_names(body: dict[str, Any]) -> tuple[str, ...] | None:
    value = body.get("lead_names")
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise MalformedInput("lead_names is not a list of texts.", "lead_names", "a list of texts", None)
    return tuple(value)


def _row_length(rows: Any) -> int:
    """Samples of the first row, 0 for what is no list of rows: `_samples` says what is wrong with that."""
    return len(rows[0]) if isinstance(rows, list) and rows and isinstance(rows[0], list) else 0


def _samples(rows: Any, n_leads: int, only_numbers: bool) -> Signal:
    """float32 [lead, sample] from nested lists of numbers and nulls; `only_numbers` if no text or truth value is there.

    NumPy would turn "1.5" and true into numbers.
    """
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise MalformedInput("signal is not a list of rows.", "signal", "[[…], …], one row a lead", None)
    lengths = sorted({len(row) for row in rows})
    if len(rows) != n_leads:
        got = f"{len(rows)} rows of {lengths[-1] if lengths else 0}"
        raise MalformedInput("One row of samples for each lead name is needed.", "signal", f"{n_leads} rows", got)
    if len(lengths) != 1:
        raise MalformedInput("The rows differ in length.", "signal", "rows of equal length", lengths[:5])
    try:
        signal = np.array(rows, dtype=np.float64) if only_numbers else None
    except (TypeError, ValueError):  # lists or objects among the numbers
        signal = None
    if signal is None or signal.ndim != 2:
        _check_types(rows)
        signal = np.array(rows, dtype=np.float64)
    with np.errstate(over="ignore"):  # beyond float32 becomes infinity, which EcgRecord refuses
        return signal.astype(np.float32)


def _check_types(rows: list[list[Any]]) -> None:
    for row in rows:
        strange = set(map(type, row)) - {int, float, type(None)}
        if strange:
            names = sorted(kind.__name__ for kind in strange)
            raise MalformedInput("signal holds something else than numbers.", "signal", "numbers or null", names)


def _check_duration(duration_s: float | None, n_samples: int, fs_hz: float) -> None:
    if duration_s is None or fs_hz <= 0:
        return
    actual_s = n_samples / fs_hz
    if not abs(duration_s - actual_s) <= max(_DURATION_TOLERANCE_S, 0.01 * actual_s):
        raise InconsistentInput(
            f"{n_samples} samples at {fs_hz:g} Hz last {actual_s:.2f} s, not the stated {duration_s:g} s.",
            "recording_duration",
            round(actual_s, 3),
            duration_s,
        )
