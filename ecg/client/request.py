"""What is sent to the service: a recording with all that is stated beside it."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ecg.errors import MalformedInput
from ecg.formats import wfdb_record
from ecg.formats.stated import Stated
from ecg.record import EcgRecord, to_millivolt

#: A path, a recording, or samples [lead, sample] with `fs`, `leads` and `units` beside them.
Source = str | Path | EcgRecord | ArrayLike


def request_of(
    source: Source,
    fs: float | None,
    leads: Sequence[str] | None,
    units: str | None,
    include: Sequence[str] | None,
) -> dict[str, Any]:
    """Keyword arguments of httpx for a request that carries a recording and what is stated of it, None for nothing.

    Raises `MalformedInput` for a source that is no recording, `InconsistentInput` where a recording says otherwise.
    """
    listed = {"leads": None if leads is None else ",".join(leads), "include": ",".join(include or ()) or None}
    beside = listed | {"fs": fs, "units": units}
    stated = {name: value for name, value in beside.items() if value is not None}
    if not isinstance(source, str | Path | EcgRecord):
        source = _as_record(source, stated)
    if isinstance(source, EcgRecord):
        body = io.BytesIO()
        np.save(body, source.signal, allow_pickle=False)
        settled = _settled(source, stated)
        parameters = settled | {name: value for name, value in stated.items() if name not in settled}
        return {"content": body.getvalue(), "params": parameters, "headers": {"Content-Type": "application/x-npy"}}
    try:
        files = [("file", file) for file in _files(Path(source))]
    except OSError as error:
        raise MalformedInput(
            f"The file cannot be read: {error.strerror or error}.", "source", "a file", str(source)
        ) from None
    return {"files": files, "data": {name: str(value) for name, value in stated.items()}}


def _settled(record: EcgRecord, stated: dict[str, Any]) -> dict[str, Any]:
    """Rate, leads and unit of a recording. Raises `InconsistentInput` where something else is stated beside it."""
    leads = stated.get("leads")
    beside = Stated(stated.get("fs"), None if leads is None else tuple(leads.split(",")), stated.get("units"))
    settled = {
        "fs": beside.settle_fs(record.fs_hz),
        "leads": ",".join(beside.settle_leads(record.leads)),
        "units": beside.settle_unit(record.unit),
    }
    return {name: value for name, value in settled.items() if value is not None}


def _as_record(samples: ArrayLike, stated: dict[str, Any]) -> EcgRecord:
    """The recording of bare samples; takes what is stated of them out of `stated`."""
    for name in ("fs", "leads"):
        if name not in stated:
            raise MalformedInput("Samples need their sampling rate and leads.", name, "stated beside them", None)
    leads = stated.pop("leads").split(",")
    record = EcgRecord.from_array(samples, stated.pop("fs"), leads)
    signal, unit = to_millivolt(record.signal, stated.pop("units", None))
    return EcgRecord.from_array(signal, record.fs_hz, leads, unit)


def _files(path: Path) -> list[tuple[str, bytes]]:
    """Name and bytes of a file, and of the signal files that a WFDB header names."""
    if not path.is_file():
        raise MalformedInput("No such file.", "source", "a path of a recording", str(path))
    found = [(path.name, path.read_bytes())]
    if path.suffix.lower() == ".hea":
        for named in wfdb_record.companions(found[0][1]):
            beside = path.parent / named.rpartition("/")[2]  # never elsewhere: a header could name any file
            if beside != path and beside.is_file():
                found.append((beside.name, beside.read_bytes()))
    return found
