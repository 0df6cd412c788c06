"""Readers: bytes in, `EcgRecord` out. One module per format, listed in `ecg.formats.table`.

A reader raises `MalformedInput` or another `EcgError` for bytes it cannot read, and never opens a path itself: `read`
does that, and only beside the file it was given.
"""

import contextlib
import math
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from ecg.errors import InputTooLarge, MalformedInput, UnknownFormat, UnusableRecording
from ecg.formats import hdf5, matlab, zip_archive
from ecg.formats.record_map import mapped_beside
from ecg.formats.stated import Stated
from ecg.formats.table import FORMATS, XML, ZIP_ENDINGS, ZIP_MEDIA_TYPES, Format
from ecg.record import EcgRecord, check_duration

__all__ = [
    "FORMATS",
    "check_regular",
    "is_named_like_a_recording",
    "media_types",
    "parse",
    "read",
    "read_files",
    "read_path",
]

_MAX_NAME = 255
#: Of a file on disk. A day of 12 leads at 1,000 Hz and 16 bits has 2.07 GB.
MAX_FILE_BYTES = 2**31
_NOTHING_STATED = Stated()
_HEAD_BYTES = 4096
_MAY_HOLD_MANY = (hdf5.NAME, matlab.NAME)


def read(  # noqa: PLR0913  what a file may leave out
    path: str | Path,
    *,
    fs_hz: float | None = None,
    leads: tuple[str, ...] | None = None,
    unit: str | None = None,
    index: int | None = None,
    variable: str | None = None,
) -> EcgRecord:
    """The recording in a file of any format of `ecg.formats.table`, or in a zip file of one recording.

    `fs_hz`, `leads` and `unit` state what the file does not say itself (a bare ``.npy`` says none of them); stating
    something else than the file says is `InconsistentInput`. `index` is the number of a recording, from 0, in a file of
    many (HDF5), `variable` the name of the matrix in a file of several (HDF5, MATLAB). A table of `ecg extract` is
    calibrated by the record map beside its folder. Raises `MalformedInput`, `UnknownFormat` or `UnusableRecording`;
    `OSError` when the file cannot be opened.
    """
    return read_path(Path(path), Stated(fs_hz, leads, unit, index, variable))


def read_path(path: Path, stated: Stated) -> EcgRecord:
    """As `read`, with what was stated in one piece."""
    if path.name.lower().endswith(hdf5.ENDINGS):  # an archive may be larger than memory
        if not check_regular(path):
            raise _empty(path.name)
        with path.open("rb") as stream:
            return hdf5.read_stream(stream, path.name, stated)
    mapped = mapped_beside(path)
    if mapped is not None:
        stated = mapped.stated(stated)
    record = read_files(path.name, lambda name: _bytes(path.parent / name), stated)
    return record if mapped is None else mapped.calibrated(record)


def _bytes(path: Path) -> bytes:
    """All of a regular file. Raises `InputTooLarge`, and what `check_regular` raises."""
    size = check_regular(path)
    if size > MAX_FILE_BYTES:
        raise InputTooLarge("The file is larger than any recording.", "file", f"<= {MAX_FILE_BYTES}", size)
    return path.read_bytes()


def check_regular(path: Path) -> int:
    """The size of a file; `UnusableRecording` for a pipe or a device, which may have no end."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
        raise UnusableRecording("A recording is read from a regular file.", "file", "a regular file", None)
    return about.st_size


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
    if not data:
        raise _empty(name)
    if zip_archive.claims(name.lower(), data[:_HEAD_BYTES]):
        return parse({name.rpartition("/")[2]: data}, stated, max_duration_s)
    files = {name: data}
    reader = _format_of(name, data, stated)
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
    return name.lower().endswith(tuple(ending for reader in FORMATS for ending in (*reader.endings, *ZIP_ENDINGS)))


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
    if not files[main]:
        raise _empty(main)
    if zip_archive.claims(main.lower(), files[main][:_HEAD_BYTES]) and len(files) == 1:
        files = _recording_of(zip_archive.unpacked(files[main]))
        main = next(iter(files))
    reader = _format_of(main, files[main], stated)
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


def _recording_of(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of the one recording among those of a zip file, the main one first.

    Others are passed over, such as annotations and licences. Raises `UnusableRecording` for none and for several.
    """
    headers = [name for name in files if name.lower().endswith(".hea")]
    tables = [name for name in files if is_named_like_a_recording(name) and not name.lower().endswith(".txt")]
    mains = headers or tables or [name for name in files if name.lower().endswith(".txt")]
    if len(mains) != 1 or mains[0].lower().endswith(ZIP_ENDINGS):
        raise UnusableRecording(
            f"The zip file holds {len(mains)} recordings; `ecg batch` reads archives.",
            "file",
            "the files of one recording",
            [name[:80] for name in mains[:5]],
        )
    main = mains[0]
    _refuse_path(main)
    companions = {name.rpartition("/")[2] for name in _format_of(main, files[main]).companions(files[main])}
    return {main: files[main], **{name: data for name, data in files.items() if name in companions}}


def media_types() -> tuple[str, ...]:
    """Every media type under which a file may be sent, each once."""
    return tuple(dict.fromkeys((*(kind for reader in FORMATS for kind in reader.media_types), *ZIP_MEDIA_TYPES)))


def _empty(name: str) -> MalformedInput:
    return MalformedInput(f"{name} is empty.", "file", "a recording", "0 bytes")


def _format_of(name: str, data: bytes, stated: Stated = _NOTHING_STATED) -> Format:
    head = data[:_HEAD_BYTES]
    if head.startswith(b"version https://git-lfs"):
        raise UnknownFormat(
            f"{name} is a pointer of Git LFS: `git lfs pull` brings the file.", "file", "the file", None
        )
    lower = name.lower()
    for reader in FORMATS:
        if reader.claims(lower, head):
            if reader.name not in _MAY_HOLD_MANY:
                stated.check_alone()
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
