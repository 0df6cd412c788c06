"""Zip files: their members by name, within bounds on number, size and ratio, and without ever writing one to disk."""

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import BinaryIO

from ecg.errors import InputTooLarge, MalformedInput, UnusableRecording

NAME = "zip"
SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
MAX_UNPACKED = 2**27  # bytes of the members of one recording
_MAX_OF_ONE = 64  # members of the archive of one recording
_MAX_ENTRIES = 1024  # of such an archive, with folders and what a file system adds
_MAX_MEMBERS = 200_000  # of an archive of many
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def claims(name: str, head: bytes) -> bool:
    """Whether the name or the first bytes say zip."""
    return name.endswith(".zip") or head.startswith(SIGNATURES)


def members(stream: BinaryIO) -> tuple[str, ...]:
    """Names of the files of an archive, folders and what operating systems put beside them left out.

    Raises `MalformedInput` for what is no zip file, `InputTooLarge` for too many members.
    """
    with opened(stream) as archive:
        return tuple(info.filename for info in _files(archive))


def content(archive: zipfile.ZipFile, name: str, most: int = MAX_UNPACKED) -> bytes:
    """A member of at most `most` bytes.

    Raises `FileNotFoundError` when there is none of this name, `InputTooLarge`, `UnusableRecording` for a method other
    than deflate, `MalformedInput` for a damaged one.
    """
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise FileNotFoundError(name) from None
    return _content(archive, info, most)


def begin(stream: BinaryIO, name: str, size: int) -> bytes:
    """The first `size` bytes of a member; nothing of one that cannot be read."""
    try:
        with opened(stream) as archive, archive.open(name) as inner:
            return inner.read(size)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, OSError, KeyError):
        return b""


def unpacked(data: bytes) -> Mapping[str, bytes]:
    """The files of the archive of one recording, by name without their folder.

    Raises what `content` raises, `InputTooLarge` for more than one recording has, and `MalformedInput` for two files of
    one name.
    """
    found: dict[str, bytes] = {}
    if (entries := data.count(b"PK\1\2")) > _MAX_ENTRIES:  # each of them becomes an object when the archive is opened
        raise InputTooLarge("The zip file holds too many files for one recording.", "file", _MAX_ENTRIES, entries)
    with opened(io.BytesIO(data)) as archive:
        infos = list(_files(archive))
        if len(infos) > _MAX_OF_ONE:
            raise InputTooLarge(
                "The zip file holds too many files for one recording; `ecg batch` reads archives.",
                "file",
                _MAX_OF_ONE,
                len(infos),
            )
        left = MAX_UNPACKED
        for info in infos:
            name = PurePosixPath(info.filename).name
            if name in found:
                raise MalformedInput("Two files of the zip file have one name.", "file", "each name once", name[:80])
            found[name] = _content(archive, info, left)
            left -= len(found[name])
    return found


def opened(stream: BinaryIO) -> zipfile.ZipFile:
    """The archive in a seekable stream. Raises `MalformedInput` for what is no zip file."""
    try:
        return zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, OverflowError):
        raise MalformedInput("Not a zip file that can be read.", "file", "a zip file", None) from None


def _files(archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    infos = archive.infolist()
    if len(infos) > _MAX_MEMBERS:
        raise InputTooLarge("The zip file holds too many files.", "file", _MAX_MEMBERS, len(infos))
    for info in infos:
        path = PurePosixPath(info.filename)
        hidden = any(part.startswith(".") for part in path.parts) or path.parts[:1] == ("__MACOSX",)
        if path.name and not info.filename.endswith("/") and not hidden:  # `is_dir` fails for an empty name
            yield info


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    if info.compress_type not in _METHODS or info.flag_bits & 1:
        raise UnusableRecording("The zip file is encrypted or not deflated.", "file", "stored or deflated", None)
    if info.file_size > most:
        raise InputTooLarge("The zip file unpacks to too much; unpack it first.", "file", most, info.file_size)
    try:
        with archive.open(info) as stream:
            content = stream.read(most + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, OSError):
        raise MalformedInput("A file of the zip file is damaged.", "file", "deflated", None) from None
    if len(content) > most:
        raise InputTooLarge("The zip file unpacks to too much.", "file", most, None)
    return content
