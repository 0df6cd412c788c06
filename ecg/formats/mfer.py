"""MFER (ISO 22077-1): definitions one after the other, then frames of samples, a block of each channel in turn."""

import datetime
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecg.errors import InputTooLarge, MalformedInput, UnusableRecording
from ecg.formats.channels import Channel
from ecg.formats.device_file import MAX_VALUES, DeviceFile, age_of, filters_of, moment_of, number_of, record_of, text_of
from ecg.formats.stated import Stated
from ecg.leads import MAX_LEADS
from ecg.origin import Origin
from ecg.record import EcgRecord

NAME = "mfer"
_PREAMBLE, _ORDER, _BLOCK, _CHANNELS, _SEQUENCES = 0x40, 0x01, 0x04, 0x05, 0x06
_WAVEFORM, _LEAD, _TYPE, _INTERVAL, _SENSITIVITY, _OFFSET = 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D
_COMPRESSION, _FILTER, _MISSING, _MAKER, _SAMPLES = 0x0E, 0x11, 0x12, 0x17, 0x1E
_OF_CHANNEL, _END, _NAME_OF, _ID_OF, _AGE, _SEX, _TIME = 0x3F, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85
_PER_CHANNEL = {_BLOCK, _SEQUENCES, _LEAD, _TYPE, _INTERVAL, _SENSITIVITY, _OFFSET, _MISSING, _WAVEFORM}
_MAX_DEFINITIONS = 20_000
_CONTENT = re.compile(rb"[^\0]")
_UNDERSTOOD = {_PREAMBLE, _FILTER, _NAME_OF, _ID_OF, _AGE, _SEX, _TIME}
_DOMINANT_BEAT = 9
_TYPES = {0: "i2", 1: "u2", 2: "i4", 3: "u1", 5: "i1", 6: "u4", 7: "f4", 8: "f8"}
_LEADS = {
    1: "I", 2: "II", 3: "V1", 4: "V2", 5: "V3", 6: "V4", 7: "V5", 8: "V6", 9: "V7",
    11: "V3R", 12: "V4R", 13: "V5R", 14: "V6R", 15: "V7R", 16: "X", 17: "Y", 18: "Z", 19: "CC5", 20: "CM5",
    61: "III", 62: "aVR", 63: "aVL", 64: "aVF", 65: "-aVR", 66: "V8", 67: "V9", 68: "V8R", 69: "V9R",
    143: "ABP", 160: "Resp", 175: "SpO2", 4160: "Status", 4161: "Position", 4163: "Resp",
    4166: "ECG1", 4167: "ECG2", 4168: "ECG3", 4169: "ECG4",
}  # fmt: skip


@dataclass
class _Definitions:
    """What is in force at a place of the file: byte order, and definitions of all channels and of single ones."""

    order: str = ">"
    n_channels: int = 1
    shared: dict[int, bytes] = field(default_factory=dict)
    own: dict[int, dict[int, bytes]] = field(default_factory=dict)

    def of(self, channel: int) -> dict[int, bytes]:
        return self.shared | self.own.get(channel, {})

    def integer(self, data: bytes, signed: bool = False) -> int:
        return int.from_bytes(data, "big" if self.order == ">" else "little", signed=signed)


@dataclass(frozen=True)
class _Frame:
    """The channels of the rhythm: their definitions, and all their samples."""

    definitions: list[dict[int, bytes]]
    order: str
    samples: list[NDArray[np.float64]]
    notes: tuple[str, ...]


def claims(name: str, head: bytes) -> bool:
    """Whether the name has an ending of MFER, or the bytes its preamble."""
    return name.endswith((".mwf", ".mfer", ".mfr")) or (head[:1] == b"@" and head[2:6] == b"MFR ")


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The first waveform that is no dominant beat, in mV. Raises `MalformedInput`, `UnusableRecording`.

    A file without a sampling interval, for which the standard would take 1,000 Hz, must have its rate stated.
    """
    state, about = _Definitions(), dict[int, list[bytes]]()
    frame = None
    for tag, channel, value in _definitions(files[main]):
        if tag == _SAMPLES:
            if frame is None and state.integer(state.shared.get(_WAVEFORM, b"")[:2]) != _DOMINANT_BEAT:
                frame = _decoded(value, state)
        else:
            _define(state, about, tag, channel, value)
    if frame is None:
        raise UnusableRecording("The MFER file holds no rhythm.", "file", "a frame of samples", None)
    scales = [_scale(definitions, state) for definitions in frame.definitions]
    rates = [_rate(definitions, state) for definitions in frame.definitions]
    channels = [
        Channel(_lead(definitions, state, i), scales[i][1], rates[i] or 0.0)
        for i, definitions in enumerate(frame.definitions)
    ]
    judges = [i for i, channel in enumerate(channels) if channel.is_standard] or [0]

    def samples(number: int) -> NDArray[np.float64]:
        return _physical(frame.samples[number], frame.definitions[number], frame.order, scales[number][0])

    n_samples = len(frame.samples[judges[0]])
    file = DeviceFile(
        NAME,
        channels,
        rates[judges[0]],
        n_samples,
        samples,
        _origin(state, about),
        frame.notes,
        _time(state, about.get(_TIME, [b""])[0]),
    )
    return record_of(file, main, stated, max_duration_s)


def _definitions(data: bytes) -> Iterator[tuple[int, int | None, bytes]]:
    """Tag, channel and content of each definition, those of one channel opened."""
    budget = [_MAX_DEFINITIONS]
    for tag, channel, value in _level(data, budget):
        if tag == _OF_CHANNEL:
            for inner, _, content in _level(value, budget):
                yield inner, channel, content
        else:
            yield tag, None, value


def _level(data: bytes, budget: list[int]) -> Iterator[tuple[int, int | None, bytes]]:
    at = 0
    while at < len(data):
        tag, channel = data[at], None
        at += 1
        if tag == 0:  # filling
            content = _CONTENT.search(data, at)
            at = content.start() if content else len(data)
            continue
        if tag == _END:
            return
        budget[0] -= 1
        if budget[0] < 0:
            raise InputTooLarge("The MFER file has too many definitions.", "file", _MAX_DEFINITIONS, None)
        if tag == _OF_CHANNEL:
            channel, at = _channel_number(data, at)
        size, at = _size(data, at)
        if at + size > len(data):
            raise MalformedInput("The MFER file is cut off.", "file", at + size, len(data))
        yield tag, channel, data[at : at + size]
        at += size


def _channel_number(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for byte in data[at : at + 3]:
        number, at = number << 7 | byte & 127, at + 1
        if not byte & 128:
            return number, at
    raise MalformedInput("A channel number of the MFER file is not possible.", "lead_names", f"< {MAX_LEADS}", None)


def _size(data: bytes, at: int) -> tuple[int, int]:
    first = data[at] if at < len(data) else 255
    if first < 128:
        return first, at + 1
    n_bytes = first & 127
    if not 0 < n_bytes <= 4 or at + 1 + n_bytes > len(data):
        raise MalformedInput("A length of the MFER file is not possible.", "file", "1 to 4 bytes", n_bytes)
    return int.from_bytes(data[at + 1 : at + 1 + n_bytes], "big"), at + 1 + n_bytes


def _define(state: _Definitions, about: dict[int, list[bytes]], tag: int, channel: int | None, value: bytes) -> None:
    if tag == _ORDER:
        state.order = "<" if value[:1] == b"\1" else ">"
    elif tag == _CHANNELS:
        state.n_channels, state.own = state.integer(value[:4]) if value else 1, {}
        if not 0 < state.n_channels <= MAX_LEADS:
            raise MalformedInput(
                "The number of channels is not possible.", "lead_names", f"1 to {MAX_LEADS}", state.n_channels
            )
    elif tag == _COMPRESSION and state.integer(value[:2]):
        raise UnusableRecording("Compressed MFER files are not read.", "file", "no compression", None)
    elif tag in _PER_CHANNEL:
        target = state.shared if channel is None else state.own.setdefault(channel, {})
        target[tag] = value
        if not value:
            del target[tag]  # nothing resets to the default
    else:
        about.setdefault(tag, []).append(value)


def _decoded(data: bytes, state: _Definitions) -> _Frame:
    """All whole sequences of a frame."""
    definitions = [state.of(i) for i in range(state.n_channels)]
    blocks = [state.integer(d[_BLOCK][:4]) if _BLOCK in d else 1 for d in definitions]
    sequences = {state.integer(d[_SEQUENCES][:4]) for d in definitions if _SEQUENCES in d}
    kinds = []
    for d in definitions:
        code = state.integer(d[_TYPE][:1]) if _TYPE in d else 0
        if code not in _TYPES and code != 4:  # words of status bits beside the leads
            raise UnusableRecording("Samples of this kind are not read.", "file", sorted(_TYPES), code)
        kinds.append(np.dtype(state.order + _TYPES.get(code, "u2")))
    if min(blocks) < 1 or sum(blocks) > MAX_VALUES or len(sequences) > 1:
        raise UnusableRecording("The blocks of the MFER file are not read.", "file", "one number of blocks", None)
    layout = np.dtype([(f"c{i}", kind, (size,)) for i, (kind, size) in enumerate(zip(kinds, blocks, strict=True))])
    there = len(data) // layout.itemsize
    count = min(there, sequences.pop() if sequences else there)
    if count < 1 or count * sum(blocks) > MAX_VALUES:
        raise MalformedInput("The frame of the MFER file holds no whole block.", "signal", layout.itemsize, len(data))
    table = np.frombuffer(data, layout, count)
    samples = [table[f"c{i}"].reshape(-1).astype(np.float64) for i in range(len(blocks))]
    over = len(data) - count * layout.itemsize
    notes = (f"{over} bytes after the last whole block are not read.",) if over else ()
    return _Frame(definitions, state.order, samples, notes)


def _typed(data: bytes, definitions: dict[int, bytes], order: str) -> float | None:
    kind = np.dtype(order + _TYPES.get(definitions.get(_TYPE, b"\0")[0], "u2"))
    return float(np.frombuffer(data, kind, 1)[0]) if len(data) >= kind.itemsize else None


def _physical(
    counts: NDArray[np.float64], definitions: dict[int, bytes], order: str, scale: float
) -> NDArray[np.float64]:
    offset = _typed(definitions[_OFFSET], definitions, order) if _OFFSET in definitions else None
    missing = _typed(definitions[_MISSING], definitions, order) if _MISSING in definitions else None
    values = (counts + (offset or 0.0)) * scale
    return values if missing is None else np.where(counts == missing, np.nan, values)


def _power(definition: bytes, state: _Definitions) -> tuple[int, float] | None:
    """Code of the unit, and the number, of a definition of unit, exponent and mantissa."""
    if len(definition) < 3:
        return None
    exponent = int.from_bytes(definition[1:2], signed=True)
    return definition[0], state.integer(definition[2:6], signed=True) * 10.0**exponent


def _rate(definitions: dict[int, bytes], state: _Definitions) -> float | None:
    found = _power(definitions.get(_INTERVAL, b""), state)
    if found is None or found[1] <= 0 or found[0] not in (0, 1):
        return None
    return float(f"{found[1] if found[0] == 0 else 1 / found[1]:.9g}")


def _scale(definitions: dict[int, bytes], state: _Definitions) -> tuple[float, str | None]:
    """What one count is, and its unit; 1 and None without a sensitivity."""
    found = _power(definitions.get(_SENSITIVITY, b""), state)
    if found is None or not found[1]:
        return 1.0, None
    return found[1], "V" if found[0] == 0 else f"MFER unit {found[0]}"


def _lead(definitions: dict[int, bytes], state: _Definitions, number: int) -> str:
    value = definitions.get(_LEAD, b"")
    code = state.integer(value[:2]) if len(value) > 1 else value[0] if value else 0
    return _LEADS.get(code) or text_of(_words(value[2:])) or (f"MFER lead {code}" if code else f"ECG{number + 1}")


def _words(data: bytes) -> str:
    return data.split(b"\0")[0].decode("utf-8", "replace")


def _origin(state: _Definitions, about: dict[int, list[bytes]]) -> Origin:
    maker = [part.strip() for part in _words(about.get(_MAKER, [b""])[0]).split("^")] + ["", "", ""]
    filters = [_words(value) for value in about.get(_FILTER, [])]
    bounds: dict[str, float | None] = {}
    for text in filters:
        kind, _, value = text.partition("=")
        bounds[kind.strip().upper()] = number_of(value.partition("^")[0].strip().removesuffix("Hz").strip()) or None
    age = about.get(_AGE, [b""])[0]
    found = [what for tag, what in ((_NAME_OF, "patient name"), (_ID_OF, "patient id")) if any(about.get(tag, []))]
    if any(age[3:7]):
        found.append("birth date")
    if any(re.search(rb"[A-Za-z]{2}", value) for tag in about.keys() - _UNDERSTOOD for value in about[tag]):
        found.append("other texts")
    return Origin(
        manufacturer=text_of(maker[0]),
        model=text_of(maker[1]),
        software=text_of(maker[2]),
        filters=filters_of(filters),
        high_pass_hz=bounds.get("HPF"),
        low_pass_hz=bounds.get("LPF"),
        notch_hz=bounds.get("BEF"),
        age_years=age_of(age[0]) if age[:1].strip(b"\0") else None,
        sex={1: "male", 2: "female"}.get(about.get(_SEX, [b""])[0][:1][0] if any(about.get(_SEX, [])) else 0),
        identifying=tuple(found),
    )


def _time(state: _Definitions, value: bytes) -> datetime.datetime | None:
    return moment_of([state.integer(value[:2]), *value[2:7]])
