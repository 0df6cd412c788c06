"""NumPy ``.npy`` arrays [lead, sample], and headerless little-endian int16; both need leads and rate stated beside."""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg.errors import MalformedInput
from ecg.formats.stated import Stated
from ecg.record import EcgRecord, check_announced, to_millivolt

NAME = "npy"
_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 4096
_DESCR = re.compile(rb"'descr'\s*:\s*'([<>|=]?(?:i[1248]|u[1248]|f[248]))'")
_ORDER = re.compile(rb"'fortran_order'\s*:\s*(True|False)")
_SHAPE = re.compile(rb"'shape'\s*:\s*\(\s*(\d{1,6})\s*,\s*(\d{1,12})\s*,?\s*\)")


def claims(name: str, head: bytes) -> bool:
    """Whether the name or the first bytes say NumPy array."""
    return name.endswith(".npy") or head.startswith(_MAGIC)


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The recording in an array of integers or floats [lead, sample]. Pickled (object) arrays are refused unread."""
    data = files[main]
    start, dtype, fortran_order, shape = _read_header(data)
    content = memoryview(data)[start:]
    expected = shape[0] * shape[1] * dtype.itemsize
    if len(content) != expected:
        raise MalformedInput("The array is cut off or has trailing bytes.", "body", expected, len(content))
    check_announced(shape[1], stated.settle_fs(None), max_duration_s)
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C")
    return _record(array, stated, NAME)


def _read_header(data: bytes) -> tuple[int, np.dtype[Any], bool, tuple[int, int]]:
    """Where the samples start, their type, whether they are in Fortran order, and the shape.

    NumPy's own reader is not used on untrusted bytes: it evaluates the header and tokenises what does not parse.
    """
    if not data.startswith(_MAGIC) or len(data) < 12 or data[6] not in (1, 2, 3):
        raise MalformedInput("Not a NumPy array.", "body", "a .npy file", None)
    width = 2 if data[6] == 1 else 4
    start = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
    header = data[8 + width : min(start, _MAX_HEADER)]
    kind, order, size = _DESCR.search(header), _ORDER.search(header), _SHAPE.search(header)
    if kind is None:
        raise MalformedInput("Only arrays of integers or floats are read.", "body", "int or float", None)
    if order is None or size is None:
        raise MalformedInput("The array is not [lead, sample].", "body", "2 dimensions", None)
    return start, np.dtype(kind[1].decode()), order[1] == b"True", (int(size[1]), int(size[2]))


def parse_int16(data: bytes, stated: Stated, scale: float) -> EcgRecord:
    """The recording in headerless little-endian int16, lead after lead; `scale` is the stated unit per count."""
    leads = stated.settle_leads(None)
    if not np.isfinite(scale) or scale <= 0:
        raise MalformedInput("The scale is not a positive number.", "scale", "> 0", str(scale))
    if len(data) == 0 or len(data) % (2 * len(leads)):
        raise MalformedInput(
            "The body is not a whole number of int16 rows.", "body", f"a multiple of {2 * len(leads)} bytes", len(data)
        )
    counts = np.frombuffer(data, "<i2").reshape(len(leads), -1)
    return _record(counts.astype(np.float32) * np.float32(scale), stated, "int16")


def _record(array: NDArray[Any], stated: Stated, format_name: str) -> EcgRecord:
    fs_hz = stated.settle_fs(None)
    leads = stated.settle_leads(None)
    with np.errstate(over="ignore"):  # beyond float32 becomes infinity, which EcgRecord refuses
        signal, unit = to_millivolt(array.astype(np.float32), stated.settle_unit(None))
    return EcgRecord(signal, leads, fs_hz, unit, format=format_name)
