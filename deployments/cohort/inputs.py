"""What a cohort job reads: folders, manifests, tables of paths and single files, on disk or in an object store."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import NoReturn
from urllib.parse import unquote_to_bytes

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from deployments.cohort import archives, kinds
from ecg import formats
from ecg.errors import EcgError, InputTooLarge, MalformedInput
from ecg.formats.stated import Stated
from ecg.record import EcgRecord

_PATH_COLUMN = "path"
#: As in the service; a longer file in an archive of ECGs is a mistake, and must not take the memory of a worker.
MAX_DURATION_S = 600.0
#: Of one file. So long a recording of twelve leads at the highest rate, 4,000 Hz, is 230 MB of float64, the bulkiest
#: array; of text no reader takes more than ten million numbers, and the longest that is written has 26 characters.
MAX_FILE_BYTES = 2**28


def list_recordings(inputs: Sequence[str], passed_over: Counter[str] | None = None) -> list[str]:
    """Locations (see `settle`) of the recordings that `inputs` name, sorted, none twice.

    An input is a folder, walked to its depths, linked folders too, each once (`deployments.cohort.kinds` says which of
    its files are recordings; the others are counted in `passed_over`); a manifest (``.txt`` or PhysioNet's
    ``RECORDS``), one path a line, a folder with a final slash; a Parquet table with a column ``path``; a zip file or an
    HDF5 file of many, whose recordings are ``archive.zip#folder/name.hea`` and ``part.hdf5#17``; or a recording.
    Relative paths inside a manifest or table start at its folder. URLs are ``file:`` ones and those of `pyarrow.fs`
    (``s3://bucket/key``), whose query holds for everything below. Raises `MalformedInput` for an input that is not
    there or is none of these.
    """
    counts: Counter[str] = Counter() if passed_over is None else passed_over
    found = {path for location in inputs for path in _expand(location, counts)}
    return sorted(path for path in found if f"{path}.hea" not in found)  # RECORDS names headers without their ending


def settle(location: str) -> str:
    """One name for a path or URL, from wherever it is given: an absolute path or, of another scheme, the URL itself.

    A path that is not UTF-8, which no table can hold, is a ``file:`` URL. Raises `MalformedInput` for such a URL of
    another machine, and for what can name no file anywhere.
    """
    if not location or "\0" in location:
        raise MalformedInput("This names no file.", "input", "a path or URL", location)
    scheme, separator, rest = location.partition("://")
    if scheme == "file":
        host, slash, path = rest.partition("/")
        if host not in ("", "localhost") or not slash:
            raise MalformedInput("The URL is not of a file on this machine.", "input", "file:///path", location)
        return _listed(os.path.normpath(_unquoted(slash + path)))
    return location if separator else _listed(os.path.abspath(location))


def read_recording(location: str, stated: Stated) -> EcgRecord:
    """The recording at a location of `list_recordings`; raises what `ecg.read` raises, and what is said of size here.

    `InputTooLarge` for a file beyond `MAX_FILE_BYTES`, which is not read, and `RecordingTooLong`.
    """
    container, inner = archives.split(location)
    if inner is not None:
        filesystem, path, _ = _open(container)
        return archives.read(lambda: filesystem.open_input_file(os.fsencode(path)), path, inner, stated, MAX_DURATION_S)
    filesystem, path, _ = _open(location)
    quoted = location.startswith("file:")  # and stays so in the name, which gets into tables and messages
    folder, _, name = path.rpartition("/")

    def fetch(file: str) -> bytes:
        at = f"{folder}/{_unquoted(file) if quoted else file}"
        if isinstance(filesystem, pafs.LocalFileSystem):
            formats.check_regular(Path(at))  # a pipe would be waited for
        with filesystem.open_input_file(os.fsencode(at)) as stream:
            if stream.size() > MAX_FILE_BYTES:
                raise InputTooLarge("The file is too large for a recording.", "file", MAX_FILE_BYTES, stream.size())
            content: bytes = stream.read()
        return content

    return formats.read_files(location.rpartition("/")[2] if quoted else name, fetch, stated, MAX_DURATION_S)


def part_of(path: str, parts: int) -> int:
    """Which part of the output a recording goes to, 0 to `parts` - 1: by a hash of its path, the same everywhere."""
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:8]) % parts


def _expand(location: str, passed_over: Counter[str]) -> Iterator[str]:
    if archives.split(location)[1] is not None:
        yield settle(location)
        return
    filesystem, path, locate = _open(location)
    # As bytes, here and below: Arrow takes no other path that is not UTF-8.
    found = filesystem.get_file_info(os.fsencode(path))
    name = PurePosixPath(path).name
    if found.type == pafs.FileType.Directory:
        for found_path in _walk(filesystem, path, passed_over):
            yield from _contents(filesystem, found_path, locate, passed_over)
    elif found.type == pafs.FileType.NotFound:
        if not filesystem.get_file_info(os.fsencode(f"{path}.hea")).is_file:
            raise MalformedInput(
                "There is no such file or folder.", "input", "a recording, folder or manifest", location
            )
        yield locate(path)
    elif found.type == pafs.FileType.Unknown:  # a pipe or a device: reading it says so
        yield locate(path)
    elif name.endswith(".parquet"):
        yield from (_beside(path, entry, locate) for entry in _table(filesystem, path))
    elif name == "RECORDS" or (name.endswith(".txt") and not kinds.is_table_of_samples(_head(filesystem, path) or b"")):
        with filesystem.open_input_stream(os.fsencode(path)) as stream:
            text = stream.read().decode("utf-8-sig", "surrogateescape" if locate is _listed else "replace")
        for line in filter(None, map(str.strip, text.splitlines())):
            beside = _beside(path, line, locate)
            if line.endswith("/"):  # such as those of the RECORDS of the challenges
                yield from _expand(beside, passed_over)
            else:
                yield beside
    else:
        yield from _contents(filesystem, path, locate, passed_over)


def _contents(
    filesystem: pafs.FileSystem, path: str, locate: Callable[[str], str], passed_over: Counter[str]
) -> Iterator[str]:
    """The recordings in a zip file or in an HDF5 file of many; any other file itself."""
    inner: Iterator[str] | None = None
    if path.lower().endswith(archives.ENDINGS):
        try:
            with filesystem.open_input_file(os.fsencode(path)) as stream:
                inner = archives.contents(stream, path, passed_over)
        except (EcgError, OSError):
            inner = None  # reading it says what is wrong
    yield from [locate(path)] if inner is None else (f"{locate(path)}#{name}" for name in inner)


def _head(filesystem: pafs.FileSystem, path: str) -> bytes | None:
    try:
        with filesystem.open_input_stream(os.fsencode(path)) as stream:
            head: bytes = stream.read(kinds.HEAD_BYTES)
    except OSError:
        return None
    return head


def _open(location: str) -> tuple[pafs.FileSystem, str, Callable[[str], str]]:
    """The file system of a path or URL, the path in it, and what makes a location of such a path again."""
    location = settle(location)
    scheme, separator, rest = location.partition("://")
    if not separator or scheme == "file":
        return pafs.LocalFileSystem(), _unquoted(rest) if separator else location, _listed
    key, mark, query = rest.partition("?")
    try:
        # Without the key, so that one connection serves every recording of a bucket.
        filesystem, root = _connect(f"{scheme}://{key.partition('/')[0]}{mark}{query}")
    except (pa.ArrowException, ValueError, OSError) as error:
        raise MalformedInput(f"The URL cannot be opened: {error}", "input", "s3://bucket/key", location) from None
    path = f"{root}/{key.partition('/')[2]}".rstrip("/")
    return filesystem, path, lambda path: f"{scheme}://{path}{mark}{query}"


def _listed(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        return Path(path).as_uri()
    return path


def _unquoted(path: str) -> str:
    return os.fsdecode(unquote_to_bytes(path))


@cache
def _connect(base: str) -> tuple[pafs.FileSystem, str]:
    filesystem, root = pafs.FileSystem.from_uri(base)
    return filesystem, root


def _walk(filesystem: pafs.FileSystem, folder: str, passed_over: Counter[str]) -> Iterator[str]:
    by_folder: dict[str, list[str]] = {}
    for path in _local_files(folder) if isinstance(filesystem, pafs.LocalFileSystem) else _files(filesystem, folder):
        by_folder.setdefault(path.rpartition("/")[0], []).append(path)
    for files in by_folder.values():
        yield from kinds.recordings_among(files, partial(_head, filesystem), passed_over)


def _files(filesystem: pafs.FileSystem, folder: str) -> Iterator[str]:
    for info in filesystem.get_file_info(pafs.FileSelector(folder, recursive=True)):
        if info.is_file:
            yield info.path


def _local_files(folder: str) -> Iterator[str]:
    """Files and dangling links, which are recordings that cannot be read; not devices, pipes and sockets.

    Arrow's own walk goes round a loop of links until the paths are too long, and ends at a name that is not UTF-8.
    """
    starts, walked = [folder], set()
    for start in starts:  # linked folders come last: what is also there without the link has its own path
        for at, folders, names in os.walk(start, onerror=_refuse):
            place = os.path.realpath(at)
            if place in walked:
                folders.clear()
                continue
            walked.add(place)
            folders.sort()
            starts += filter(os.path.islink, (os.path.join(at, name) for name in folders))
            for path in (os.path.join(at, name) for name in names):
                if os.path.isfile(path) or not os.path.exists(path):
                    yield path


def _refuse(error: OSError) -> NoReturn:
    raise error


def _table(filesystem: pafs.FileSystem, path: str) -> list[str]:
    try:
        with filesystem.open_input_file(os.fsencode(path)) as file:
            column = pq.read_table(file, columns=[_PATH_COLUMN]).column(_PATH_COLUMN)
        # Without nulls and empty ones, which are as blank lines of a manifest.
        paths: list[str] = [path for path in column.cast(pa.string()).to_pylist() if path]
    except (pa.ArrowException, KeyError) as error:
        raise MalformedInput(
            f"The table cannot be read: {error}", "input", f"Parquet with a text column {_PATH_COLUMN!r}", path
        ) from None
    return paths


def _beside(main: str, entry: str, locate: Callable[[str], str]) -> str:
    """A location that a manifest or table names: as it is when whole, else from the folder of the manifest."""
    if "://" in entry or entry.startswith("/"):
        return settle(entry)
    return locate(os.path.normpath(f"{main.rpartition('/')[0]}/{entry}"))
