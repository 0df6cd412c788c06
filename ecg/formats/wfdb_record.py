"""WFDB records (``.hea`` with ``.dat`` or ``.mat`` signal files), read by the `wfdb` package.

The header is checked here first: file names must be plain, the sampling rate stated, the sizes possible. Only then does
`wfdb` see the files, in a folder that holds nothing else.
"""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg.errors import InputTooLarge, MalformedInput, UnusableRecording
from ecg.formats.stated import Stated
from ecg.leads import MAX_LEADS, distinct_leads
from ecg.record import EcgRecord, Signal, to_millivolt

NAME = "wfdb"
MAX_VALUES = 200_000_000  # samples times leads that a header may announce
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RECORD_LINE = re.compile(
    r"(?P<name>[^\s/]+)(?P<segments>/\d+)?\s+(?P<n_leads>\d{1,4})(?:\s+(?P<fs>[^\s/(]+)\S*)?(?:\s+(?P<n>\d+))?"
)
_GAIN = re.compile(r"(?P<gain>[-+.\deE]+)(?:\(-?\d+\))?(?:/(?P<unit>\S+))?")


@dataclass(frozen=True)
class _Header:
    """What is checked of a header: record name, stated rate, and per signal its file, unit and whether calibrated."""

    name: str
    fs_hz: float | None
    files: tuple[str, ...]
    units: tuple[str | None, ...]
    unit_stated: bool


def claims(name: str, head: bytes) -> bool:
    """Whether this is a WFDB header, by name or by its first line."""
    return name.endswith(".hea") or bool(
        re.match(rb"[A-Za-z0-9_-]+ \d+ \d+(\.\d+)?\S* \d+\s*\n[A-Za-z0-9_-]+\.(dat|mat) ", head)
    )


def companions(data: bytes) -> tuple[str, ...]:
    """The signal files that the header names."""
    return tuple(dict.fromkeys(_read_header(data).files))


def parse(files: Mapping[str, bytes], main: str, stated: Stated) -> EcgRecord:
    """The recording of a header and its signal files, in mV; invalid samples become NaN.

    A signal whose gain is 0 or absent is uncalibrated: then `unit` is None for the record. A header without units is in
    mV, as the WFDB header specification defines. Raises `MalformedInput`, `InputTooLarge`.
    """
    header = _read_header(files[main])
    with tempfile.TemporaryDirectory(prefix="ecg-wfdb-") as folder:
        for name in dict.fromkeys(header.files):
            if name not in files:
                raise MalformedInput(f"The header names {name}, which was not given.", "file", name, sorted(files))
            (Path(folder) / name).write_bytes(files[name])
        (Path(folder) / f"{header.name}.hea").write_bytes(files[main])
        signal, names = _read_signals(Path(folder) / header.name)
    signal, unit, notes = _to_one_unit(signal, header, stated)
    return EcgRecord(
        signal, stated.settle_leads(names), stated.settle_fs(header.fs_hz), unit,
        name=Path(main).stem, format=NAME, notes=notes,
    )  # fmt: skip


def _read_header(data: bytes) -> _Header:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = _RECORD_LINE.match(lines[0]) if lines else None
    if found is None:
        raise MalformedInput("The WFDB header has no record line.", "file", "name, leads, rate, samples", None)
    if found["segments"]:
        raise UnusableRecording("Multi-segment WFDB records are not read.", "file", "a single segment", lines[0][:80])
    n_leads = int(found["n_leads"])
    if n_leads > MAX_LEADS:
        raise MalformedInput("The WFDB header has too many signals.", "file", f"<= {MAX_LEADS}", n_leads)
    if n_leads * int(found["n"] or 0) > MAX_VALUES:
        raise InputTooLarge(
            "The WFDB header announces too many samples.", "file", MAX_VALUES, n_leads * int(found["n"])
        )
    if not 0 < n_leads <= len(lines) - 1:
        raise MalformedInput("The WFDB header lacks signal lines.", "file", n_leads, len(lines) - 1)
    signals = [line.split(maxsplit=8) for line in lines[1 : n_leads + 1]]
    for name in [found["name"], *(fields[0] for fields in signals)]:
        if not _PLAIN.fullmatch(name) or ".." in name:
            raise MalformedInput("The WFDB header names a file outside its folder.", "file", "a plain name", name[:80])
    gains = [_GAIN.match(fields[2]) if len(fields) > 2 else None for fields in signals]
    try:
        fs_hz = float(found["fs"]) if found["fs"] else None
        calibrated = [gain is not None and float(gain["gain"]) != 0 for gain in gains]
    except ValueError:
        raise MalformedInput("The WFDB header holds a broken number.", "file", "numbers", lines[0][:80]) from None
    units = [(gain["unit"] or "mV") if gain and ok else None for gain, ok in zip(gains, calibrated, strict=True)]
    unit_stated = all(gain is not None and gain["unit"] for gain in gains)
    return _Header(found["name"], fs_hz, tuple(fields[0] for fields in signals), tuple(units), unit_stated)


def _read_signals(path: Path) -> tuple[Signal, tuple[str, ...]]:
    """Physical samples float64 [lead, sample] in the header's units, and the lead names."""
    import wfdb  # brings pandas: only when a WFDB record is really read

    try:
        record = wfdb.rdrecord(str(path), physical=True, return_res=64)
    except Exception as error:  # noqa: BLE001  wfdb raises bare Exception, ValueError, IndexError, … on bad bytes
        raise MalformedInput(f"The WFDB signal files cannot be read: {_first_line(error)}", "file") from None
    if record.p_signal is None or record.p_signal.shape[0] == 0:
        raise MalformedInput("The WFDB record holds no samples.", "file", "samples", 0)
    return np.ascontiguousarray(record.p_signal.T), distinct_leads(record.sig_name)


def _first_line(error: Exception) -> str:
    text = (str(error).splitlines() or [type(error).__name__])[0][:120]
    return "the folder's files do not fit the header" if "/" in text else text


def _to_one_unit(signal: Signal, header: _Header, stated: Stated) -> tuple[Signal, str | None, tuple[str, ...]]:
    if None in header.units:
        return signal.astype(np.float32), None, ("The header gives no gain; the scale of the samples is not known.",)
    rows = []
    for row, unit in zip(signal, header.units, strict=True):
        in_mv, _ = to_millivolt(row, stated.settle_unit(unit))
        rows.append(in_mv)
    notes = () if header.unit_stated else ("The header states no units; WFDB then means mV.",)
    return np.stack(rows).astype(np.float32), "mV", notes
