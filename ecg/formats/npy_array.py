"""NumPy ``.npy`` arrays [lead, sample], and headerless little-endian int16; both need leads and rate stated beside."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg.errors import MalformedInput
from ecg.formats.stated import Stated
from ecg.record import EcgRecord, to_millivolt

NAME = "npy"
_MAGIC = b"\x93NUMPY"


def claims(name: str, head: bytes) -> bool:
    """Whether the name or the first bytes say NumPy array."""
    return name.endswith(".npy") or head.startswith(_MAGIC)


def companions(data: bytes) -> tuple[str, ...]:
    """No other files belong to an array."""
    return ()


def parse(files: Mapping[str, bytes], main: str, stated: Stated) -> EcgRecord:
    """The recording in an array of integers or floats [lead, sample]. Pickled (object) arrays are refused unread."""
    data = files[main]
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran_order, dtype = header(stream)
    except ValueError as error:
        raise MalformedInput(f"Not a NumPy array: {error}", "body", "a .npy file", None) from None
    if dtype.hasobject or dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise MalformedInput("Only arrays of integers or floats are read.", "body", "int or float", str(dtype)[:40])
    if len(shape) != 2:
        raise MalformedInput("The array is not [lead, sample].", "body", "2 dimensions", list(shape)[:8])
    content = memoryview(data)[stream.tell() :]
    expected = shape[0] * shape[1] * dtype.itemsize
    if len(content) != expected:
        raise MalformedInput("The array is cut off or has trailing bytes.", "body", expected, len(content))
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C")
    return _record(array, stated, NAME)


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
