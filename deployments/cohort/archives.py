"""Files that hold many recordings, zip and HDF5: what is in them, and one of it, by ``file#inner``."""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import BinaryIO
from zipfile import ZipFile

from deployments.cohort import kinds
from ecg import formats
from ecg.errors import MalformedInput
from ecg.formats import hdf5, zip_archive
from ecg.formats.stated import Stated
from ecg.record import EcgRecord, check_duration

ENDINGS = (".zip", *hdf5.ENDINGS)
_INNER = re.compile(r"(.*\.(?:zip|h5|hdf5))#(.+)", re.IGNORECASE | re.DOTALL)
_opened = threading.local()


def split(location: str) -> tuple[str, str | None]:
    """A location as its file and what is meant in it; None for the whole file."""
    found = _INNER.fullmatch(location)
    return (location, None) if found is None else (found[1], found[2])


def contents(stream: BinaryIO, path: str, passed_over: Counter[str]) -> Iterator[str] | None:
    """Names of the recordings in a zip file, numbers of those in an HDF5 file; None for a file of one recording.

    Raises what `ecg.formats.zip_archive.members` and `ecg.formats.hdf5.count_of` raise.
    """
    if path.lower().endswith(hdf5.ENDINGS):
        count = hdf5.count_of(stream)
        return None if count is None else map(str, range(count))
    by_folder: dict[str, list[str]] = {}
    for name in zip_archive.members(stream):
        by_folder.setdefault(name.rpartition("/")[0], []).append(name)

    def head(name: str) -> bytes:
        return zip_archive.begin(stream, name, kinds.HEAD_BYTES)

    found: list[str] = []
    for names in by_folder.values():
        found += kinds.recordings_among(names, head, passed_over)
    return iter(found)


def read(open_file: Callable[[], BinaryIO], path: str, inner: str, stated: Stated, max_duration_s: float) -> EcgRecord:
    """One recording of the file that `open_file` opens. Raises what `ecg.read` raises."""
    name = PurePosixPath(path).name
    if path.lower().endswith(hdf5.ENDINGS):
        if not (inner.isascii() and inner.isdigit()):
            raise MalformedInput("This is no number of a recording.", "input", f"{name}#0", inner[:80])
        with open_file() as stream:
            record = hdf5.read_stream(stream, name, replace(stated, index=int(inner)), max_duration_s)
        check_duration(record.duration_s, max_duration_s)
        return record
    folder, _, member = inner.rpartition("/")
    prefix = f"{folder}/" if folder else ""
    archive = _archive(open_file, path)
    return formats.read_files(
        member, lambda file: zip_archive.content(archive, f"{prefix}{file}"), stated, max_duration_s
    )


def _archive(open_file: Callable[[], BinaryIO], path: str) -> ZipFile:
    """The zip file, kept open for the next recording of it: its directory may have a hundred thousand entries."""
    kept: tuple[str, ZipFile] | None = getattr(_opened, "last", None)
    if kept is None or kept[0] != path:
        if kept is not None:
            kept[1].close()
        kept = _opened.last = (path, zip_archive.opened(open_file()))
    return kept[1]
