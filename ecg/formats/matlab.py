"""MATLAB files of the public archives: a matrix of samples; rate, leads and unit in variables, or stated beside."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg.errors import InputTooLarge, MalformedInput
from ecg.formats import hdf5
from ecg.formats.channels import Channel
from ecg.formats.device_file import MAX_VALUES, DeviceFile, age_of, record_of, sex_of
from ecg.formats.matlab_elements import inflated
from ecg.formats.matrix_file import Beside, chosen, stands_beside
from ecg.formats.stated import Stated
from ecg.origin import Origin
from ecg.record import EcgRecord

NAME = "matlab"
_MAX_BESIDE = 1000  # entries of a variable beside the matrix


def claims(name: str, head: bytes) -> bool:
    """Whether the name or the first bytes say MATLAB."""
    return name.endswith(".mat") or head.startswith(b"MATLAB 5.0 MAT-file")


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The one matrix with as many rows or columns as there are leads.

    Variables such as ``fs``, ``units`` and ``leads`` say what was not stated, and must not contradict it. Raises
    `MalformedInput`, `InconsistentInput`, `UnusableRecording`, `InputTooLarge`.
    """
    data = files[main]
    if data.startswith(hdf5.SIGNATURE) or b"MATLAB 7.3" in data[:128]:
        return replace(hdf5.parse(files, main, stated, max_duration_s), format=NAME)
    if stated.index not in (None, 0):
        raise MalformedInput("The file holds one recording.", "index", 0, stated.index)
    from scipy.io import loadmat

    try:
        variables = loadmat(inflated(data), struct_as_record=True, squeeze_me=False, chars_as_strings=True)
    except (InputTooLarge, MalformedInput):
        raise
    except Exception:  # noqa: BLE001  scipy raises what its parsers meet
        raise MalformedInput("Not a MATLAB file that can be read.", "file", "MATLAB 4 or 5", None) from None
    matrices, beside = _matrices(variables)
    stated = beside.settled(stated)
    name = chosen({name: matrix.shape for name, matrix in matrices.items()}, stated)
    found = matrices[name]
    if stated.leads is None:
        header = f"{PurePosixPath(main).stem[:80]}.hea"
        raise MalformedInput(
            f"The MATLAB file names no leads, rate or unit: state them, or give {header} when it is of a WFDB record.",
            "lead_names",
            "one name a row",
            None,
        )
    leads = stated.settle_leads(None)
    if found.shape[0] != len(leads):
        found = found.T
    if found.shape[0] != len(leads):
        raise MalformedInput("The matrix has another number of rows.", "lead_names", len(leads), list(found.shape))
    origin = Origin(
        age_years=age_of(beside.one("age")),
        sex=sex_of(beside.one("sex", "gender")),
        identifying=beside.identifying,
    )
    channels = [Channel(lead, stated.unit, 1.0) for lead in leads]
    file = DeviceFile(NAME, channels, None, found.shape[1], lambda i: found[i], origin, beside.notes(stated.unit))
    return record_of(file, main, stated, max_duration_s)


def _matrices(variables: Mapping[str, Any]) -> tuple[dict[str, NDArray[Any]], Beside]:
    """The matrices of numbers, those in a structure too, and what stands beside them."""
    matrices: dict[str, NDArray[Any]] = {}
    beside = Beside()
    for name, value in variables.items():
        if name.startswith("__") or not isinstance(value, np.ndarray):
            continue
        parts = {name: value}
        if value.dtype.names and value.size == 1:
            parts = {f"{name}/{field}": value.reshape(-1)[0][field] for field in value.dtype.names}
        for path, part in parts.items():
            if not isinstance(part, np.ndarray):
                continue
            numbers = part.dtype.kind in "iuf" and part.ndim == 2 and 1 < part.size <= MAX_VALUES
            if numbers and not stands_beside(path):
                matrices[path] = part
            elif part.size <= _MAX_BESIDE:
                beside.add(path, [_plain(item) for item in part.reshape(-1)])
    return matrices, beside


def _plain(item: Any) -> object:
    """A number or text; that within a cell of one."""
    if isinstance(item, np.ndarray):
        return _plain(item.reshape(-1)[0]) if item.size == 1 else None
    return item.item() if isinstance(item, np.generic) else item
