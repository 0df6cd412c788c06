"""Readers: bytes in, `EcgRecord` out. One module per format, listed in `FORMATS`.

A reader raises `MalformedInput` or another `EcgError` for bytes it cannot read, and never opens a path itself: `read`
does that, and only beside the file it was given.
"""

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ecg.errors import MalformedInput, UnknownFormat
from ecg.formats import (
    csv_table,
    dicom,
    edf,
    hl7_aecg,
    json_body,
    matlab,
    muse_xml,
    npy_array,
    philips_xml,
    scp_ecg,
    wfdb_record,
)
from ecg.formats.stated import Stated
from ecg.record import EcgRecord, check_duration


@dataclass(frozen=True)
class Format:
    """A reader of one format.

    Attributes
    ----------
    name
        As `EcgRecord.format` gives it.
    title
        As people call it.
    endings
        Of its files' names, in lower case.
    media_types
        Under which a request body of the format may be sent, beside ``application/octet-stream``.
    claims
        Whether a file of this lower-case name, with these first bytes, is of the format.
    parse
        The recording in files by name, of which one is the main one, with what was stated beside. Raises
        `RecordingTooLong` for more seconds than the last argument, before the samples are decoded.
    companions
        Names of the files that belong to a main file of this content.
    extra
        What must be installed to read it, beside the base installation.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    media_types: tuple[str, ...]
    claims: Callable[[str, bytes], bool]
    parse: Callable[[Mapping[str, bytes], str, Stated, float], EcgRecord]
    companions: Callable[[bytes], tuple[str, ...]] = lambda data: ()
    extra: str | None = None


XML = ("application/xml", "text/xml")
#: Every format, in the order in which they are asked whether a file is theirs: those that look at the bytes first.
FORMATS = (
    Format(wfdb_record.NAME, "WFDB", (".hea",), (), wfdb_record.claims, wfdb_record.parse, wfdb_record.companions),
    Format(
        dicom.NAME,
        "DICOM waveform",
        (".dcm", ".dicom"),
        ("application/dicom",),
        dicom.claims,
        dicom.parse,
        extra="formats",
    ),
    Format(scp_ecg.NAME, "SCP-ECG", (".scp",), (), scp_ecg.claims, scp_ecg.parse),
    Format(muse_xml.NAME, "GE MUSE XML", (".xml",), XML, muse_xml.claims, muse_xml.parse, extra="formats"),
    Format(
        philips_xml.NAME, "Philips Sierra XML", (".xml",), XML, philips_xml.claims, philips_xml.parse, extra="formats"
    ),
    Format(hl7_aecg.NAME, "HL7 aECG", (".xml",), XML, hl7_aecg.claims, hl7_aecg.parse, extra="formats"),
    Format(edf.NAME, "EDF, EDF+, BDF", (".edf", ".bdf"), ("application/edf",), edf.claims, edf.parse),
    Format(matlab.NAME, "MATLAB", (".mat",), ("application/x-matlab-data",), matlab.claims, matlab.parse),
    Format(npy_array.NAME, "NumPy array", (".npy",), ("application/x-npy",), npy_array.claims, npy_array.parse),
    Format(json_body.NAME, "JSON", (".json",), ("application/json",), json_body.claims, json_body.parse),
    Format(
        csv_table.NAME,
        "CSV table",
        (".csv", ".tsv", ".txt"),
        ("text/csv", "text/plain", "application/csv"),
        csv_table.claims,
        csv_table.parse,
    ),
)
_MAX_NAME = 255
_NOTHING_STATED = Stated()
_HEAD_BYTES = 4096


def read(
    path: str | Path, *, fs_hz: float | None = None, leads: tuple[str, ...] | None = None, unit: str | None = None
) -> EcgRecord:
    """The recording in a file of any supported format: WFDB (``.hea``), NumPy ``.npy``, JSON or CSV.

    `fs_hz`, `leads` and `unit` state what the file does not say itself (a bare ``.npy`` says none of them); stating
    something else than the file says is `InconsistentInput`. Raises `MalformedInput`, `UnknownFormat` or
    `UnusableRecording`; `OSError` when the file cannot be opened.
    """
    path = Path(path)
    return read_files(path.name, lambda name: (path.parent / name).read_bytes(), Stated(fs_hz, leads, unit))


def read_files(name: str, fetch: Callable[[str], bytes], stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The recording in the file `name`, wherever it is: `fetch` gives the bytes of a file of its folder by name.

    `fetch` raises `FileNotFoundError` for a file that is not there. Raises what `read` raises, and `RecordingTooLong`,
    before the samples are read where a header announces so many.
    """
    data = None
    if "." not in name:  # WFDB users name a record without its suffix
        try:
            data = fetch(f"{name}.hea")
            name = f"{name}.hea"
        except FileNotFoundError:
            pass
    data = fetch(name) if data is None else data
    files = {name: data}
    reader = _format_of(name, data)
    for companion in reader.companions(data):
        found = _fetched(fetch, companion)
        if found is not None:
            files[companion] = found
    record = reader.parse(files, name, stated, max_duration_s)
    check_duration(record.duration_s, max_duration_s)
    return record


def _fetched(fetch: Callable[[str], bytes], companion: str) -> bytes | None:
    """A companion where the main file says, or beside it; None when it is in neither place: it may not be needed."""
    for name in dict.fromkeys((companion, companion.rpartition("/")[2])):
        for part in name.split("/"):
            _refuse_path(part)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return fetch(name)
    return None


def is_named_like_a_recording(name: str) -> bool:
    """Whether a reader takes files of this name, by its ending alone."""
    return name.lower().endswith(tuple(ending for reader in FORMATS for ending in reader.endings))


def parse(
    files: Mapping[str, bytes],
    stated: Stated = _NOTHING_STATED,
    max_duration_s: float = math.inf,
) -> EcgRecord:
    """The recording in files that are already in memory, such as an upload: file name to content.

    It starts from the file whose format asks for the others. Raises `MalformedInput` for a file that is not part of the
    recording, and for a name that could be a path; `RecordingTooLong` before the samples are decoded.
    """
    for name in files:
        _refuse_path(name)
    main = next((name for name in files if name.lower().endswith(".hea")), next(iter(files), None))
    if main is None:
        raise MalformedInput("No file was given.", "file", "at least one file", 0)
    reader = _format_of(main, files[main])
    companions = {name.rpartition("/")[2] for name in reader.companions(files[main])}
    strangers = sorted(set(files) - {main, *companions})
    if strangers:
        raise MalformedInput(
            f"Not part of the recording {main}: {', '.join(strangers)[:200]}.",
            "file",
            "the files of one recording",
            strangers[:5],
        )
    record = reader.parse(files, main, stated, max_duration_s)
    check_duration(record.duration_s, max_duration_s)
    return record


def media_types() -> tuple[str, ...]:
    """Every media type under which a file may be sent, each once."""
    return tuple(dict.fromkeys(kind for reader in FORMATS for kind in reader.media_types))


def _format_of(name: str, data: bytes) -> Format:
    head = data[:_HEAD_BYTES]
    lower = name.lower()
    for reader in FORMATS:
        if reader.claims(lower, head):
            return reader
    stem = name.rpartition(".")[0]
    if lower.endswith((".dat", ".xyz", ".atr", ".qrs")):
        raise MalformedInput(
            f"{name} belongs to a WFDB record; give its header {stem}.hea, too.", "file", f"{stem}.hea", name
        )
    if lower.endswith(".xml") or head.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \r\n\t")[:1] == b"<":
        raise UnknownFormat(
            f"{name!r} is an XML document, and not one of an ECG device that is read.",
            "file",
            [reader.title for reader in FORMATS if reader.media_types == XML],
            None,
        )
    raise UnknownFormat(
        f"No reader knows the bytes of {name!r}.", "file", [reader.title for reader in FORMATS], name.rpartition(".")[2]
    )


def _refuse_path(name: str) -> None:
    """Refuse a name that is hidden, could leave its folder or could disturb a terminal; any letters will do."""
    if (
        not 0 < len(name) <= _MAX_NAME
        or not name.isprintable()
        or set("/\\") & set(name)
        or name[0] == "."
        or ".." in name
    ):
        raise MalformedInput("A file name is not a plain name.", "file", "no path, no control characters", name[:80])
