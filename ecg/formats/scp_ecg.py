"""SCP-ECG (EN 1064, ISO 11073-91064): Huffman-coded or plain samples, first or second differences.

Signals from which a reference beat was subtracted are completed again; bimodal compression is refused.
"""

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg.errors import MalformedInput, UnusableRecording
from ecg.formats.channels import Channel
from ecg.formats.device_file import DeviceFile, age_of, measurements_of, record_of, statements_of, text_of
from ecg.formats.stated import Stated
from ecg.leads import MAX_LEADS
from ecg.origin import Origin
from ecg.record import EcgRecord

NAME = "scp-ecg"
_LEADS = {
    1: "I",
    2: "II",
    3: "V1",
    4: "V2",
    5: "V3",
    6: "V4",
    7: "V5",
    8: "V6",
    9: "V7",
    10: "V2R",
    11: "V3R",
    12: "V4R",
    13: "V5R",
    14: "V6R",
    15: "V7R",
    16: "X",
    17: "Y",
    18: "Z",
    61: "III",
    62: "aVR",
    63: "aVL",
    64: "aVF",
    66: "V8",
    67: "V9",
    68: "V8R",
    69: "V9R",
}
_DEFAULT_TABLE = 19999
# The default Huffman code: up to eight ones, a zero and a sign; nine and ten ones announce a number of 8 or 16 bits.
_DEFAULT_CODE = re.compile("0|1{1,8}0[01]|1{9}0[01]{8}|1{10}[01]{16}")
_NOT_MEASURED = 29999
_Codes = re.Pattern[str] | tuple[re.Pattern[str], dict[str, tuple[int, int]]] | None
_IDENTIFYING = {
    0: "patient name",
    1: "patient name",
    2: "patient id",
    3: "patient name",
    5: "birth date",
    20: "physician",
}
_AGE_UNITS = {1: "years", 2: "months", 3: "weeks", 4: "days", 5: "hours"}


@dataclass(frozen=True)
class _Lead:
    name: str
    first: int  # number of the first sample, from 1 (some writers: from 0)
    last: int


def claims(name: str, head: bytes) -> bool:
    """Whether the name has SCP's ending, or the bytes the mark of its first section."""
    return name.endswith(".scp") or head[16:22] == b"SCPECG"


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The rhythm data in mV. Raises `MalformedInput`, `UnusableRecording`."""
    try:
        return _parse(files[main], main, stated, max_duration_s)
    except (struct.error, IndexError):
        raise MalformedInput("The SCP-ECG file is cut off or damaged.", "file", "whole sections", None) from None


def _parse(data: bytes, main: str, stated: Stated, max_duration_s: float) -> EcgRecord:
    sections = _sections(data)
    for needed in (3, 6):
        if needed not in sections:
            raise UnusableRecording(
                f"The SCP-ECG file has no section {needed}.", "file", "lead definitions, rhythm", None
            )
    leads, subtracted = _leads(sections[3])
    rhythm = sections[6]
    nanovolts, interval_us, coding, bimodal = struct.unpack_from("<HHBB", rhythm)
    if bimodal and subtracted:
        raise UnusableRecording("Bimodal SCP-ECG compression is not read.", "file", "one sampling rate", None)
    if not interval_us:
        raise MalformedInput("The SCP-ECG file states no sampling interval.", "fs", "microseconds", 0)
    sizes = struct.unpack_from(f"<{len(leads)}H", rhythm, 6)
    edges = 6 + 2 * len(leads) + np.cumsum([0, *sizes])
    expected = leads[0].last - leads[0].first + 1
    codes, notes = _codes(sections.get(2)), []
    if codes is None and min(sizes) // 2 < expected:
        expected = min(sizes) // 2
        notes.append("The SCP-ECG file holds fewer samples than it announces.")
    beats = _reference_beats(sections, leads, codes) if subtracted else None

    def samples(number: int) -> NDArray[np.float64]:
        part = rhythm[edges[number] : edges[number + 1]]
        values = _integrated(_decoded(part, codes, expected), coding)
        microvolts: NDArray[np.float64] = values * (nanovolts / 1000)
        return microvolts if beats is None else microvolts + beats(number, expected)

    channels = [Channel(lead.name, "uV", 1.0) for lead in leads]
    file = DeviceFile(NAME, channels, _rate(interval_us), expected, samples, _origin(sections), notes)
    return record_of(file, main, stated, max_duration_s)


def _rate(interval_us: int) -> float:
    """The rate in Hz of an interval that is written in whole microseconds: 1667 is 600 Hz."""
    rate = 1e6 / interval_us
    return float(round(rate)) if abs(1e6 / round(rate) - interval_us) <= 0.5 else rate


def _sections(data: bytes) -> dict[int, bytes]:
    """The contents of the sections by number, without their heads."""
    if (
        len(data) < 38
        or struct.unpack_from("<I", data, 2)[0] > len(data) + 6
        or data[16:22] not in (b"SCPECG", b"\0" * 6)
    ):
        raise MalformedInput("Not an SCP-ECG file, or one that is shifted.", "file", "a pointer section", None)
    length = struct.unpack_from("<I", data, 10)[0]
    if struct.unpack_from("<H", data, 8)[0] != 0 or not 16 < length <= len(data):
        raise MalformedInput("Not an SCP-ECG file, or one that is shifted.", "file", "a pointer section", None)
    sections = {}
    for at in range(6 + 16, min(6 + length, 6 + 16 + 10 * 64) - 9, 10):
        number, size, place = struct.unpack_from("<HII", data, at)
        if size <= 16 or not 0 < place <= len(data) - 16:
            continue
        start = place - 1
        if struct.unpack_from("<H", data, start + 2)[0] != number or start + size > len(data):
            raise MalformedInput(
                f"Section {number} is not where the SCP-ECG file says.", "file", f"section {number}", None
            )
        sections[number] = data[start + 16 : start + size]
    return sections


def _leads(section: bytes) -> tuple[list[_Lead], bool]:
    n_leads, flags = section[0], section[1]
    if not 0 < n_leads <= MAX_LEADS:
        raise MalformedInput(
            "The SCP-ECG file has an impossible number of leads.", "lead_names", f"1 to {MAX_LEADS}", n_leads
        )
    leads = []
    for number in range(n_leads):
        first, last, code = struct.unpack_from("<IIB", section, 2 + 9 * number)
        if last < first:
            raise MalformedInput("A lead of the SCP-ECG file has no samples.", "signal", f"> {first}", last)
        leads.append(_Lead(_LEADS.get(code, f"SCP lead {code}"), first, last))
    if len({(lead.first, lead.last) for lead in leads}) != 1:
        raise UnusableRecording("The leads were not recorded at the same time.", "signal", "simultaneous leads", None)
    return leads, bool(flags & 1)


def _codes(section: bytes | None) -> _Codes:
    """How samples are coded: None for plain, the default code, or pattern and prefixes of a table of the file."""
    if section is None:
        return None
    (n_tables,) = struct.unpack_from("<H", section)
    if n_tables == _DEFAULT_TABLE:
        return _DEFAULT_CODE
    if n_tables != 1:
        raise UnusableRecording(
            "SCP-ECG files with several Huffman tables are not read.", "file", "one table", n_tables
        )
    (n_codes,) = struct.unpack_from("<H", section, 2)
    meanings: dict[str, tuple[int, int]] = {}
    for number in range(min(n_codes, 1024)):
        prefix, total, mode, value, code = struct.unpack_from("<BBBhI", section, 4 + 9 * number)
        if mode != 1 or not 0 < prefix <= 32 or not prefix <= total <= prefix + 32:
            raise UnusableRecording(
                "The Huffman table of the SCP-ECG file is not read.", "file", "one plain table", None
            )
        bits = format(code, "032b")[::-1][:prefix]  # the first bit is the lowest
        meanings[bits] = (total - prefix, value)
    if not meanings:
        raise MalformedInput("The Huffman table of the SCP-ECG file is empty.", "file", ">= 1 code", 0)
    alternatives = "|".join(f"{bits}[01]{{{extra}}}" for bits, (extra, _) in meanings.items())
    return re.compile(alternatives), meanings


def _decoded(part: bytes, codes: _Codes, count: int) -> NDArray[np.int64]:
    """The stored values of one lead, int64 [sample]."""
    if codes is None:
        if len(part) < 2 * count:
            raise MalformedInput("A lead of the SCP-ECG file is cut off.", "signal", 2 * count, len(part))
        return np.frombuffer(part, "<i2", count).astype(np.int64)
    bits = bin(1 << 8 * len(part) | int.from_bytes(part, "big"))[3:]
    pattern, meanings = codes if isinstance(codes, tuple) else (codes, None)
    tokens = pattern.findall(bits)[:count]
    if len(tokens) < count or not bits.startswith("".join(tokens)):  # something between two codes is none
        raise MalformedInput("A lead of the SCP-ECG file is cut off.", "signal", count, len(tokens))
    known: dict[str, int] = {}
    for token in set(tokens):
        known[token] = _default_value(token) if meanings is None else _table_value(token, meanings)
    return np.fromiter((known[token] for token in tokens), np.int64, count)


def _default_value(token: str) -> int:
    if len(token) > 10:
        return _signed(token[10:])
    return 0 if len(token) == 1 else (len(token) - 2) * (-1 if token[-1] == "1" else 1)


def _table_value(token: str, meanings: dict[str, tuple[int, int]]) -> int:
    for length in range(1, len(token) + 1):
        meaning = meanings.get(token[:length])
        if meaning is not None and len(token) == length + meaning[0]:
            return _signed(token[length:]) if meaning[0] else meaning[1]
    return 0


def _signed(bits: str) -> int:
    value = int(bits, 2)
    return value - (1 << len(bits)) if bits[0] == "1" else value


def _integrated(values: NDArray[np.int64], coding: int) -> NDArray[np.int64]:
    """Samples from plain values (0), first (1) or second differences (2), which begin with one or two samples."""
    if coding == 0:
        return values
    if coding == 1:
        return np.cumsum(values)
    if coding == 2:
        if len(values) < 3:
            return values
        slopes = np.cumsum(np.concatenate([[values[1] - values[0]], values[2:]]))
        return np.concatenate([values[:1], values[0] + np.cumsum(slopes)])
    raise UnusableRecording("The SCP-ECG samples are coded in an unknown way.", "file", "0, 1 or 2", coding)


class _ReferenceBeats:
    """The reference beat of each lead, added where the file says that it was subtracted; float64 [sample] in µV."""

    def __init__(self, beats: list[NDArray[np.float64]], fiducial: int, zones: list[tuple[int, int, int]]) -> None:
        self._beats, self._fiducial, self._zones = beats, fiducial, zones

    def __call__(self, number: int, n_samples: int) -> NDArray[np.float64]:
        added = np.zeros(n_samples)
        beat = self._beats[number]
        for start, centre, end in self._zones:
            offset = self._fiducial - centre  # of the reference beat against the recording
            begin = max(start - 1, 0, -offset)
            stop = min(end, n_samples, len(beat) - offset)
            if begin < stop:
                added[begin:stop] += beat[begin + offset : stop + offset]
        return added


def _reference_beats(sections: dict[int, bytes], leads: list[_Lead], codes: _Codes) -> _ReferenceBeats:
    if 4 not in sections or 5 not in sections:
        raise MalformedInput("The reference beat of the SCP-ECG file is missing.", "file", "sections 4 and 5", None)
    _, fiducial, n_beats = struct.unpack_from("<HHH", sections[4])
    zones = []
    for number in range(n_beats):
        kind, start, centre, end = struct.unpack_from("<HIII", sections[4], 6 + 14 * number)
        if kind == 0:
            zones.append((start, centre, end))
    nanovolts, interval_us, coding = struct.unpack_from("<HHB", sections[5])
    if interval_us != struct.unpack_from("<H", sections[6], 2)[0]:
        raise UnusableRecording("The reference beat has another sampling rate.", "fs", "one rate", None)
    sizes = struct.unpack_from(f"<{len(leads)}H", sections[5], 6)
    edges = 6 + 2 * len(leads) + np.cumsum([0, *sizes])
    length_ms = struct.unpack_from("<H", sections[4])[0]
    count = int(length_ms * 1000 / interval_us)
    beats = [
        _integrated(_decoded(sections[5][edges[i] : edges[i + 1]], codes, count), coding) * (nanovolts / 1000)
        for i in range(len(leads))
    ]
    return _ReferenceBeats(beats, fiducial, zones)


def _origin(sections: dict[int, bytes]) -> Origin:
    tags = _tags(sections.get(1, b""))
    device = tags.get(14, b"")
    age = struct.unpack("<HB", tags[4]) if len(tags.get(4, b"")) == 3 else (0, 0)
    date, time = tags.get(25, b""), tags.get(26, b"")
    acquired = None
    if len(date) == 4 and len(time) == 3:
        year, month, day = struct.unpack("<HBB", date)
        if (
            1900 < year < 2200
            and 1 <= month <= 12
            and 1 <= day <= 31
            and time[0] < 24
            and time[1] < 60
            and time[2] < 60
        ):
            acquired = f"{year}-{month:02}-{day:02}T{time[0]:02}:{time[1]:02}:{time[2]:02}"
    baseline, low_pass = (struct.unpack("<H", tags[t])[0] if len(tags.get(t, b"")) == 2 else 0 for t in (27, 28))
    return Origin(
        model=text_of(_latin(device[8:14])),
        high_pass_hz=baseline / 100 or None,
        low_pass_hz=float(low_pass) or None,
        acquired=acquired,
        age_years=age_of(age[0], _AGE_UNITS.get(age[1], "unknown")) if age[0] else None,
        sex={1: "male", 2: "female"}.get(tags.get(8, b"\0")[0] if tags.get(8) else 0),
        measurements=_measurements(sections.get(7, b"")),
        statements=statements_of(_statements(sections.get(8, b""))),
        identifying=tuple(
            dict.fromkeys(what for tag, what in _IDENTIFYING.items() if tags.get(tag, b"").strip(b"\0 "))
        ),
    )


def _tags(section: bytes) -> dict[int, bytes]:
    tags: dict[int, bytes] = {}
    at = 0
    while at + 3 <= len(section) and section[at] != 255 and len(tags) < 256:
        size = int.from_bytes(section[at + 1 : at + 3], "little")
        tags.setdefault(section[at], section[at + 3 : at + 3 + size])
        at += 3 + size
    return tags


def _latin(text: bytes) -> str:
    return text.split(b"\0")[0].decode("latin-1")


def _given(*times: int) -> bool:
    """Whether all of these times were measured."""
    return all(0 < time < _NOT_MEASURED - 10 for time in times)


def _measurements(section: bytes) -> dict[str, float]:
    if len(section) < 22:
        return {}
    rr_ms = struct.unpack_from("<H", section, 2)[0]
    p_on, _, qrs_on, qrs_off, t_off = struct.unpack_from("<5H", section, 6)
    axes = struct.unpack_from("<3h", section, 16)
    return measurements_of(
        {
            "heart_rate": round(60000 / rr_ms, 1) if _given(rr_ms) else None,
            "pr_interval": qrs_on - p_on if _given(p_on, qrs_on) else None,
            "qrs_duration": qrs_off - qrs_on if _given(qrs_on, qrs_off) else None,
            "qt_interval": t_off - qrs_on if _given(qrs_on, t_off) else None,
            **dict(zip(("p_axis", "qrs_axis", "t_axis"), axes, strict=True)),
        }
    )


def _statements(section: bytes) -> list[str]:
    found = []
    at = 9
    for _ in range(section[8] if len(section) > 8 else 0):
        size = int.from_bytes(section[at + 1 : at + 3], "little")
        found.append(_latin(section[at + 3 : at + 3 + size]))
        at += 3 + size
    return [text for text in found if text]
