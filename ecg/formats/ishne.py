"""ISHNE Holter files: a header of 522 bytes, then 16-bit samples of all leads in turn (Badilini 1998)."""

import math
import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecg.errors import MalformedInput, UnusableRecording
from ecg.formats.channels import Channel
from ecg.formats.device_file import DeviceFile, moment_of, record_of, text_of
from ecg.formats.stated import Stated
from ecg.origin import Origin
from ecg.record import EcgRecord

NAME = "ishne"
_MAGIC = b"ISHNE1.0"
_ANNOTATIONS = b"ANN  1.0"
_HEADER = 522  # bytes before the block of variable length
_MAX_LEADS = 12
_LEADS = ("X", "Y", "Z", "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6", "ES", "AS", "AI")
_FIRST_CODE = 2  # of `_LEADS`; 0 is unknown and 1 a bipolar lead without a name
_MISSING = -32768
_NOT_STATED = (0, -9)
_START = (142, 140, 138, 150, 152, 154)  # year, month, day, hour, minute, second
_IDENTIFYING = ((28, 40, "patient name"), (68, 40, "patient name"), (108, 20, "patient id"))


def claims(name: str, head: bytes) -> bool:
    """Whether the first bytes are ISHNE's mark, of samples or of annotations."""
    return head[:8] in (_MAGIC, _ANNOTATIONS)


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The leads in mV; a sample of -32768 is missing. Raises `MalformedInput`, `UnusableRecording`."""
    data = files[main]
    if data[:8] == _ANNOTATIONS:
        raise UnusableRecording("This ISHNE file holds annotations only.", "file", "the file of the samples", None)
    if len(data) < _HEADER:
        raise MalformedInput("The ISHNE header is cut off.", "file", f">= {_HEADER} bytes", len(data))
    n_leads, fs_hz = _short(data, 156), _short(data, 272)
    if not 0 < n_leads <= _MAX_LEADS:
        raise MalformedInput("The number of leads is not possible.", "lead_names", f"1 to {_MAX_LEADS}", n_leads)
    if fs_hz <= 0:
        raise MalformedInput("The ISHNE header states no sampling rate.", "fs", "Hz", fs_hz)
    start = _start_of_samples(data, 2 * n_leads)
    n_samples = (len(data) - start) // (2 * n_leads)
    counts = np.frombuffer(data, "<i2", n_samples * n_leads, start).reshape(n_samples, n_leads)
    resolutions = [_short(data, 206 + 2 * i) for i in range(n_leads)]  # nanovolts a count
    channels = [
        Channel(_lead(_short(data, 158 + 2 * i), i), "uV" if resolutions[i] > 0 else None, 1.0) for i in range(n_leads)
    ]

    def samples(number: int) -> NDArray[np.float64]:
        column = counts[:, number]
        scale = resolutions[number] / 1000 if channels[number].unit else 1.0
        return np.where(column == _MISSING, np.nan, column * scale)

    (announced,) = struct.unpack_from("<i", data, 14)
    differs = announced > 0 and n_samples not in (0, announced)
    notes = (f"The ISHNE file announces {announced} samples a lead and holds {n_samples}.",) if differs else ()
    file = DeviceFile(
        NAME,
        channels,
        float(fs_hz),
        n_samples,
        samples,
        _origin(data, start),
        notes,
        moment_of([_short(data, at) for at in _START]),
    )
    return record_of(file, main, stated, max_duration_s)


def _start_of_samples(data: bytes, width: int) -> int:
    """Where the samples begin, of which those of one moment are `width` bytes.

    The header states it (bytes 22 to 25), and with the length of the variable block says it once more. Where the two
    differ, the stated place counts if exactly the announced samples stand there; else `MalformedInput`: every value
    would be read a byte or a lead beside its place.
    """
    variable, announced, _, stated = struct.unpack_from("<iiii", data, 10)
    start: int = _HEADER + variable
    if variable < 0 or start > len(data):
        raise MalformedInput("The ISHNE header ends beyond the file.", "file", f"<= {len(data)}", start)
    if stated in (start, *_NOT_STATED):
        return start
    if stated > start and announced > 0 and len(data) - stated == announced * width:
        return int(stated)
    raise MalformedInput("The ISHNE header states two places for the samples.", "file", start, stated)


def _short(data: bytes, at: int) -> int:
    value: int = struct.unpack_from("<h", data, at)[0]
    return value


def _lead(code: int, number: int) -> str:
    known = 0 <= code - _FIRST_CODE < len(_LEADS)
    return _LEADS[code - _FIRST_CODE] if known else f"ECG{number + 1}"


def _origin(data: bytes, start: int) -> Origin:
    found = [what for at, size, what in _IDENTIFYING if data[at : at + size].strip(b"\0 ")]
    if any(_short(data, at) > 0 for at in (132, 134, 136)):
        found.append("birth date")
    if data[274:start].strip(b"\0 "):
        found.append("other texts")
    recorder = text_of(data[232:272].split(b"\0")[0].decode("latin-1"))
    return Origin(
        model=None if recorder is None or recorder.lower() in ("analog", "digital") else recorder,
        sex={1: "male", 2: "female"}.get(_short(data, 128)),
        identifying=tuple(dict.fromkeys(found)),
    )
