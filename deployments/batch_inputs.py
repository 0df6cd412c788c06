"""What a cohort job reads: folders, manifests, tables of paths and single files, on disk or in an object store."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from ecg import formats
from ecg.errors import MalformedInput
from ecg.formats.stated import Stated
from ecg.record import EcgRecord

_PATH_COLUMN = "path"


def list_recordings(inputs: Sequence[str]) -> list[str]:
    """Absolute paths or URLs of the recordings that `inputs` name, sorted, none twice.

    An input is a folder, walked to its depths: in each folder the WFDB headers or, where there are none, every file
    whose name a reader knows; a manifest (``.txt`` or PhysioNet's ``RECORDS``), one path a line; a Parquet table with a
    column ``path``; or a recording. Relative paths inside a manifest or table start at its folder. URLs are those of
    `pyarrow.fs` (``s3://bucket/key``); their query holds for everything below. Raises `MalformedInput` for an input
    that is not there or is none of these.
    """
    found = {path for location in inputs for path in _expand(location)}
    return sorted(path for path in found if f"{path}.hea" not in found)  # RECORDS names headers without their ending


def read_recording(location: str, stated: Stated) -> EcgRecord:
    """The recording at a path or URL of `list_recordings`; raises what `ecg.read` raises."""
    filesystem, path, _ = _open(location)
    folder, _, name = path.rpartition("/")

    def fetch(file: str) -> bytes:
        with filesystem.open_input_stream(f"{folder}/{file}", compression=None) as stream:
            content: bytes = stream.read()
        return content

    return formats.read_files(name, fetch, stated)


def part_of(path: str, parts: int) -> int:
    """Which part of the output a recording goes to, 0 to `parts` - 1: by a hash of its path, the same everywhere."""
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:8]) % parts


def _expand(location: str) -> Iterator[str]:
    filesystem, path, frame = _open(location)
    found = filesystem.get_file_info(path)
    name = PurePosixPath(path).name
    if found.type == pafs.FileType.Directory:
        yield from (frame.format(file) for file in _walk(filesystem, path))
    elif found.type == pafs.FileType.NotFound and filesystem.get_file_info(f"{path}.hea").is_file:
        yield frame.format(path)
    elif found.type == pafs.FileType.NotFound:
        raise MalformedInput("There is no such file or folder.", "input", "a recording, folder or manifest", location)
    elif name.endswith(".parquet"):
        yield from (_beside(path, entry, frame) for entry in _table(filesystem, path))
    elif name == "RECORDS" or name.endswith(".txt"):
        with filesystem.open_input_stream(path) as stream:
            lines = stream.read().decode("utf-8-sig", "replace").splitlines()
        yield from (_beside(path, line.strip(), frame) for line in lines if line.strip())
    else:
        yield frame.format(path)


def _open(location: str) -> tuple[pafs.FileSystem, str, str]:
    """The file system of a path or URL, the path in it, and the frame that makes a location of such a path again."""
    scheme, separator, rest = location.partition("://")
    if not separator:
        return pafs.LocalFileSystem(), os.path.abspath(location), "{}"
    key, mark, query = rest.partition("?")
    try:
        # Without the key, so that one connection serves every recording of a bucket.
        filesystem, root = _connect(f"{scheme}://{key.partition('/')[0]}{mark}{query}")
    except (pa.ArrowException, ValueError, OSError) as error:
        raise MalformedInput(f"The URL cannot be opened: {error}", "input", "s3://bucket/key", location) from None
    path = f"{root}/{key.partition('/')[2]}".rstrip("/")
    return filesystem, path, f"{scheme}://{{}}{mark}{query}"


@cache
def _connect(base: str) -> tuple[pafs.FileSystem, str]:
    filesystem, root = pafs.FileSystem.from_uri(base)
    return filesystem, root


def _walk(filesystem: pafs.FileSystem, folder: str) -> list[str]:
    by_folder: dict[str, list[str]] = {}
    for info in filesystem.get_file_info(pafs.FileSelector(folder, recursive=True)):
        if info.is_file:
            by_folder.setdefault(info.path.rpartition("/")[0], []).append(info.path)
    chosen = []
    for files in by_folder.values():
        headers = [file for file in files if file.endswith(".hea")]
        chosen += headers or [
            file for file in files if formats.is_named_like_a_recording(file) and not file.endswith(".txt")
        ]
    return chosen


def _table(filesystem: pafs.FileSystem, path: str) -> list[str]:
    try:
        column = pq.read_table(path, columns=[_PATH_COLUMN], filesystem=filesystem).column(_PATH_COLUMN)
        paths: list[str] = column.cast(pa.string()).drop_null().to_pylist()
    except (pa.ArrowException, KeyError) as error:
        raise MalformedInput(
            f"The table cannot be read: {error}", "input", f"Parquet with a text column {_PATH_COLUMN!r}", path
        ) from None
    return paths


def _beside(main: str, entry: str, frame: str) -> str:
    """A path that a manifest or table names: as it is when whole, else from the folder of the manifest."""
    if "://" in entry or entry.startswith("/"):
        return entry if "://" in entry else os.path.normpath(entry)
    return frame.format(os.path.normpath(f"{main.rpartition('/')[0]}/{entry}"))
