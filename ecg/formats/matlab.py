"""MATLAB files of the public archives: one matrix of samples, whose rate, leads and unit must be stated beside."""

import io
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from ecg.errors import InputTooLarge, MalformedInput, UnusableRecording
from ecg.formats import hdf5
from ecg.formats.channels import Channel
from ecg.formats.device_file import MAX_VALUES, DeviceFile, age_of, record_of, sex_of
from ecg.formats.stated import Stated
from ecg.leads import MAX_LEADS
from ecg.origin import Origin
from ecg.record import EcgRecord

NAME = "matlab"
MAX_INFLATED = 2**27  # bytes
_COMPRESSED = 15  # miCOMPRESSED
_MAX_ELEMENTS = 64


def claims(name: str, head: bytes) -> bool:
    """Whether the name or the first bytes say MATLAB."""
    return name.endswith(".mat") or head.startswith(b"MATLAB 5.0 MAT-file")


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The largest matrix with as many rows or columns as leads were stated.

    The file says neither rate nor leads nor unit. Raises `MalformedInput`, `UnusableRecording`, `InputTooLarge`.
    """
    data = files[main]
    if data.startswith(hdf5.SIGNATURE) or b"MATLAB 7.3" in data[:128]:
        return replace(hdf5.parse(files, main, stated, max_duration_s), format=NAME)
    from scipy.io import loadmat

    try:
        variables = loadmat(io.BytesIO(_inflated(data)), struct_as_record=True, squeeze_me=False, chars_as_strings=True)
    except (InputTooLarge, MalformedInput):
        raise
    except Exception:  # noqa: BLE001  scipy raises what its parsers meet
        raise MalformedInput("Not a MATLAB file that can be read.", "file", "MATLAB 4 or 5", None) from None
    found, origin = _matrix(variables)
    if stated.leads is None:
        header = f"{PurePosixPath(main).stem[:80]}.hea"
        raise MalformedInput(
            f"The MATLAB file names no leads, rate or unit: state them, or give {header} when it is of a WFDB record.",
            "lead_names",
            "one name a row",
            None,
        )
    leads = stated.settle_leads(None)
    if found.shape[0] != len(leads) and found.shape[1] == len(leads):
        found = found.T
    if found.shape[0] != len(leads):
        raise MalformedInput("The matrix has another number of rows.", "lead_names", len(leads), list(found.shape))
    channels = [Channel(lead, stated.unit, 1.0) for lead in leads]
    file = DeviceFile(NAME, channels, None, found.shape[1], lambda i: found[i], origin)
    return record_of(file, main, stated, max_duration_s)


def _inflated(data: bytes) -> bytes:
    """A MATLAB 5 file without compression, bounded in size; any other file as it is."""
    if not data.startswith(b"MATLAB 5.0") or len(data) < 136 or data[126:128] != b"IM":
        return data
    out = bytearray(data[:128])
    at = 128
    for _ in range(_MAX_ELEMENTS):
        if at + 8 > len(data):
            return bytes(out)
        kind, size = struct.unpack_from("<II", data, at)
        body = data[at + 8 : at + 8 + size]
        if kind == _COMPRESSED:
            try:
                inflater = zlib.decompressobj()
                out += inflater.decompress(body, MAX_INFLATED - len(out))
            except zlib.error:
                raise MalformedInput("The MATLAB file is damaged.", "file", "zlib streams", None) from None
            if inflater.unconsumed_tail or len(out) >= MAX_INFLATED:
                raise InputTooLarge("The MATLAB file inflates to too much.", "file", MAX_INFLATED, None)
        else:
            out += data[at : at + 8] + body
        at += 8 + size
    raise MalformedInput("The MATLAB file has too many variables.", "file", f"<= {_MAX_ELEMENTS}", None)


def _matrix(variables: Mapping[str, Any]) -> tuple[np.ndarray[Any, Any], Origin]:
    arrays: list[np.ndarray[Any, Any]] = []
    age = sex = None
    for name, value in variables.items():
        if name.startswith("__") or not isinstance(value, np.ndarray):
            continue
        parts = [value]
        if value.dtype.names and value.size == 1:
            fields = {field.lower(): value.reshape(-1)[0][field] for field in value.dtype.names}
            parts = [part for part in fields.values() if isinstance(part, np.ndarray)]
            age = fields.get("age") if age is None else age
            sex = fields.get("sex") if sex is None else sex
        arrays += [
            part for part in parts if part.dtype.kind in "iuf" and part.ndim == 2 and 1 < part.size <= MAX_VALUES
        ]
    usable = [array for array in arrays if min(array.shape) <= MAX_LEADS]
    if not usable:
        raise UnusableRecording(
            "The MATLAB file holds no matrix of samples.", "signal", "a matrix [lead, sample]", None
        )
    return max(usable, key=lambda array: array.size), Origin(age_years=age_of(_only(age)), sex=sex_of(_only(sex)))


def _only(value: Any) -> Any:
    """The one element of an array; None for anything else."""
    return value.reshape(-1)[0] if isinstance(value, np.ndarray) and value.size == 1 else None
