"""HDF5 files of the public archives (CODE-15, SPH) and MATLAB 7.3: one array of samples, or one of many by its number.

The library finds the array; its samples are decoded here, within bounds, because the library's own decompression has
none. Links to other files, virtual arrays and filters beside deflate, shuffle and checksums are refused.
"""

import io
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ecg.errors import EcgError, InputTooLarge, MalformedInput, UnusableRecording
from ecg.formats.channels import Channel
from ecg.formats.device_file import MAX_VALUES, DeviceFile, record_of
from ecg.formats.stated import Stated
from ecg.formats.xml_tree import missing_extra
from ecg.leads import MAX_LEADS
from ecg.record import EcgRecord

NAME = "hdf5"
ENDINGS = (".h5", ".hdf5")
SIGNATURE = b"\x89HDF\r\n\x1a\n"
_NAMES = ("tracings", "ecg", "signal", "signals", "val", "data", "feats")  # preferred in this order
_MAX_MEMBERS = 64
_MAX_CHUNK = 2**26  # bytes
_MAX_CHUNKS = 4096
_DEFLATE, _SHUFFLE, _CHECKSUM = 1, 2, 3
_LEAST_PADDING_S = 0.1


def claims(name: str, head: bytes) -> bool:
    """Whether the name or the first bytes say HDF5, MATLAB's kind apart."""
    return (name.endswith(ENDINGS) or head.startswith(SIGNATURE)) and not name.endswith(".mat")


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The recording in a file in memory; see `read_stream`."""
    return read_stream(io.BytesIO(files[main]), main, stated, max_duration_s)


def read_stream(stream: BinaryIO, main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The recording `stated.index` of an array [recording, sample, lead], or the only one, read from a seekable stream.

    The file says neither rate nor leads nor unit. Zeros in all leads at the ends of a recording of such an array, which
    fill it up to the common length, are cut off, with a note. Raises `MalformedInput`, `UnusableRecording`,
    `InputTooLarge`.
    """
    with _opened(stream) as (h5py, file):
        array = _array(h5py, file)
        number, count = _number(array, stated.index)
        samples = _Decoder(stream, array).samples(number)
    leads = stated.settle_leads(None)
    if samples.shape[0] != len(leads) and samples.shape[1] == len(leads):
        samples = samples.T
    if samples.shape[0] != len(leads):
        raise MalformedInput("The array has another number of rows.", "lead_names", len(leads), list(samples.shape))
    notes = []
    if count is not None:
        main = f"{PurePosixPath(main).stem}#{number}.hdf5"
        first, last = _without_padding(samples, stated.fs_hz)
        if last - first < samples.shape[1]:
            notes.append(f"{samples.shape[1] - last + first} zeros before and after the recording are cut off.")
            samples = samples[:, first:last]
    channels = [Channel(lead, stated.unit, 1.0) for lead in leads]
    found = DeviceFile(NAME, channels, None, samples.shape[1], lambda i: samples[i], None, notes)
    return record_of(found, main, stated, max_duration_s)


def count_of(stream: BinaryIO) -> int | None:
    """How many recordings the file holds in one array; None for a file of one. Raises what `read_stream` raises."""
    with _opened(stream) as (h5py, file):
        array = _array(h5py, file)
        return int(array.shape[0]) if array.ndim == 3 else None


def identifiers_of(stream: BinaryIO, names: Sequence[str]) -> list[str] | None:
    """What the file calls its recordings, in order: the first array of one of these names; None without any."""
    with _opened(stream) as (h5py, file):
        count = int(_array(h5py, file).shape[0])
        for name in names:
            item = file.get(name) if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
            if isinstance(item, h5py.Dataset) and item.shape == (count,) and item.dtype.kind in "iu":
                return [str(number) for number in item[()].tolist()]
    return None


@contextmanager
def _opened(stream: BinaryIO) -> Iterator[tuple[Any, Any]]:
    """The library and the file; whatever the library raises is a refusal."""
    try:
        import h5py
    except ImportError:
        raise missing_extra("HDF5") from None
    try:
        with h5py.File(stream, "r") as file:
            yield h5py, file
    except EcgError:
        raise
    except Exception:  # noqa: BLE001  h5py raises what its parsers meet
        raise MalformedInput("Not an HDF5 file that can be read.", "file", "HDF5", None) from None


def _array(h5py: Any, file: Any) -> Any:
    """The array of samples: one of the usual names, else the largest."""
    found = [item for item in _arrays(h5py, file, 2) if min(item.shape[-2:]) <= MAX_LEADS and item.size > 1]
    if not found:
        raise UnusableRecording("The HDF5 file holds no array of samples.", "signal", "an array [lead, sample]", None)
    rank = {name: i for i, name in enumerate(_NAMES)}
    found.sort(key=lambda item: (rank.get(item.name.rpartition("/")[2].lower(), len(rank)), -item.size))
    return found[0]


def _arrays(h5py: Any, group: Any, depth: int) -> Iterator[Any]:
    """Numeric arrays of two or three dimensions in a group and its groups, reached by hard links."""
    if len(group) > _MAX_MEMBERS:
        raise InputTooLarge("A group of the HDF5 file has too many members.", "file", _MAX_MEMBERS, len(group))
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        item = group[name]
        if isinstance(item, h5py.Group) and depth > 1:
            yield from _arrays(h5py, item, depth - 1)
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "iuf" and item.ndim in (2, 3):
            yield item


def _number(array: Any, index: int | None) -> tuple[int, int | None]:
    """Which recording of the array is read, and how many there are; None for an array of one recording."""
    if array.ndim == 2:
        if index not in (None, 0):
            raise MalformedInput("The file holds one recording.", "index", 0, index)
        return 0, None
    count = int(array.shape[0])
    if index is None and count != 1:
        raise MalformedInput(
            "The file holds many recordings; state the number of one.", "index", f"0 to {count - 1}", None
        )
    number = index or 0
    if not 0 <= number < count:
        raise MalformedInput("The file has no recording of this number.", "index", f"0 to {count - 1}", index)
    return number, count


class _Decoder:
    """Reads one recording of an array, chunk by chunk, with a bound on what a chunk inflates to."""

    def __init__(self, stream: BinaryIO, array: Any) -> None:
        properties = array.id.get_create_plist()
        self._stream, self._array = stream, array
        self._filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
        if array.is_virtual or array.external or {*self._filters} - {_DEFLATE, _SHUFFLE, _CHECKSUM}:
            raise UnusableRecording("The array is stored in a way that is not read.", "file", "plain or deflated", None)
        self._size = stream.seek(0, io.SEEK_END)

    def samples(self, number: int) -> NDArray[Any]:
        """[row, column] of a recording."""
        array = self._array
        shape = array.shape[-2:]
        if shape[0] * shape[1] > MAX_VALUES:
            raise InputTooLarge("The recording has too many samples.", "signal", MAX_VALUES, shape[0] * shape[1])
        if array.chunks is None:
            return self._contiguous(number, shape)
        chunk = array.chunks[-2:]
        bytes_each = math.prod(array.chunks) * array.dtype.itemsize
        grid = [range(0, extent, step) for extent, step in zip(shape, chunk, strict=True)]
        if bytes_each > _MAX_CHUNK or math.prod(map(len, grid)) > _MAX_CHUNKS:
            raise InputTooLarge("The chunks of the array are too large or too many.", "signal", _MAX_CHUNK, bytes_each)
        out = np.zeros(shape, array.dtype)
        out[...] = array.fillvalue
        at = [number // array.chunks[0] * array.chunks[0]] if array.ndim == 3 else []
        for row, column in product(*grid):
            block = self._chunk((*at, row, column), bytes_each)
            if block is not None:
                part = block[number - at[0]] if at else block
                height, width = (min(c, s - b) for c, s, b in zip(chunk, shape, (row, column), strict=True))
                out[row : row + height, column : column + width] = part[:height, :width]
        return out

    def _contiguous(self, number: int, shape: tuple[int, ...]) -> NDArray[Any]:
        dtype, count = self._array.dtype, math.prod(shape)
        start = self._array.id.get_offset()
        if start is None:  # compact, within the header: the library reads its at most 64 KiB
            if self._array.size * dtype.itemsize > 2**16:
                raise MalformedInput("The samples are cut off.", "signal", count, None)
            one: NDArray[Any] = np.asarray(self._array[()]).reshape(-1, *shape)[number]
            return one
        self._stream.seek(start + number * count * dtype.itemsize)
        data = self._stream.read(count * dtype.itemsize)
        if len(data) < count * dtype.itemsize:
            raise MalformedInput("The samples are cut off.", "signal", count * dtype.itemsize, len(data))
        return np.frombuffer(data, dtype).reshape(shape)

    def _chunk(self, start: tuple[int, ...], bytes_each: int) -> NDArray[Any] | None:
        info = self._array.id.get_chunk_info_by_coord(start)
        if info.byte_offset is None:
            return None
        if info.size > self._size:
            raise MalformedInput("A chunk of the array is cut off.", "signal", f"<= {self._size} bytes", info.size)
        self._stream.seek(info.byte_offset)
        data = self._stream.read(info.size)
        for number in reversed(range(len(self._filters))):
            if not info.filter_mask >> number & 1:
                data = self._undone(self._filters[number], data, bytes_each)
        if len(data) != bytes_each:
            raise MalformedInput("A chunk of the array is damaged.", "signal", bytes_each, len(data))
        return np.frombuffer(data, self._array.dtype).reshape(self._array.chunks)

    def _undone(self, kind: int, data: bytes, bytes_each: int) -> bytes:
        if kind == _CHECKSUM:
            return data[:-4]
        if kind == _SHUFFLE:
            return np.frombuffer(data, np.uint8).reshape(self._array.dtype.itemsize, -1).T.tobytes()
        return zlib.decompressobj().decompress(data, bytes_each + 4 + 1)


def _without_padding(samples: NDArray[Any], fs_hz: float | None) -> tuple[int, int]:
    """First and last sample of a recording [lead, sample] without the zeros at its ends; all of it for short ones."""
    there = np.flatnonzero((samples != 0).any(axis=0))
    n_samples = samples.shape[1]
    if not len(there):
        return 0, n_samples
    least = _LEAST_PADDING_S * (fs_hz or 0)
    first, last = int(there[0]), int(there[-1]) + 1
    return first if first > least else 0, last if n_samples - last > least else n_samples
