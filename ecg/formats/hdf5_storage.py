"""How HDF5 files store arrays, decoded within bounds, because the library's own decompression has none.

Virtual and external arrays and filters beside deflate, shuffle and checksums are refused.
"""

import io
import math
import zlib
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ecg.errors import InputTooLarge, MalformedInput, UnusableRecording
from ecg.formats.device_file import MAX_VALUES
from ecg.formats.matrix_file import Beside

_MAX_MEMBERS = 64
_DEPTH = 2
_MAX_BESIDE = 1000  # entries of a variable or attribute beside the arrays
_MAX_CHUNK = 2**26  # bytes
_MAX_CHUNKS = 4096
_DEFLATE, _SHUFFLE, _CHECKSUM = 1, 2, 3
_SUMMED_AT_ONCE = 2**20  # words


def members(h5py: Any, group: Any, depth: int = _DEPTH) -> Iterator[Any]:
    """What a group and its groups hold, reached by hard links. Raises `InputTooLarge` for too many."""
    if len(group) > _MAX_MEMBERS:
        raise InputTooLarge("A group of the HDF5 file has too many members.", "file", _MAX_MEMBERS, len(group))
    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.HardLink):
            item = group[name]
            yield item
            if isinstance(item, h5py.Group) and depth > 1:
                yield from members(h5py, item, depth - 1)


def what_stands_beside(h5py: Any, file: Any, arrays: Iterable[Any]) -> Beside:
    """Small variables and attributes of the file; those that the library would have to inflate are not read."""
    beside = Beside()
    known = {item.name for item in arrays}
    for item in [file, *members(h5py, file)]:
        for name in list(item.attrs)[:_MAX_MEMBERS]:
            space = item.attrs.get_id(name)
            if not name.startswith(("MATLAB_", "H5PATH")) and math.prod(space.shape or ()) <= _MAX_BESIDE:
                beside.add(name, _values(item.attrs[name], False))
        if isinstance(item, h5py.Dataset) and item.name not in known and item.size and item.size <= _MAX_BESIDE:
            plain = item.chunks is None and not item.is_virtual and not item.external
            beside.add(item.name, _values(item[()], is_text(item)) if plain else [])
    return beside


def is_text(array: Any) -> bool:
    """Whether MATLAB wrote the numbers of letters."""
    return "MATLAB_class" in array.attrs and array.attrs["MATLAB_class"] in (b"char", "char")


def _values(value: Any, characters: bool) -> list[object]:
    """Numbers and texts of a value; `characters` says that its numbers are those of letters, as MATLAB stores texts."""
    flat = np.asarray(value).reshape(-1)
    if characters and flat.dtype.kind == "u":
        return ["".join(chr(code) for code in flat.tolist() if code < 0x110000)]
    return [part.decode("utf-8", "replace") if isinstance(part, bytes) else part for part in flat.tolist()]


class Decoder:
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
            if not _fits(data[:-4], data[-4:]):
                raise MalformedInput("A chunk of the array does not fit its checksum.", "signal", "undamaged", None)
            return data[:-4]
        if kind == _SHUFFLE:
            return np.frombuffer(data, np.uint8).reshape(self._array.dtype.itemsize, -1).T.tobytes()
        inflater = zlib.decompressobj()
        inflated = inflater.decompress(data, bytes_each + 4 + 1)
        if not inflater.eof:  # its checksum stands at the end
            raise MalformedInput("A chunk of the array is damaged.", "signal", bytes_each, len(inflated))
        return inflated


def _fits(data: bytes, written: bytes) -> bool:
    """Whether data fit their Fletcher sum, as HDF5 computes it or with its bytes swapped, as it did before 1.6.3.

    Both halves are sums modulo 65,535, of which 0 and 65,535 are one.
    """
    words = np.frombuffer(data + bytes(len(data) % 2), ">u2")
    first = second = 0
    for at in range(0, len(words), _SUMMED_AT_ONCE):
        part = words[at : at + _SUMMED_AT_ONCE].astype(np.int64)
        second += first * len(part) + int(part @ np.arange(len(part), 0, -1))
        first += int(part.sum())
    wanted = (second % 65535, first % 65535)
    for order in ("<u2", ">u2"):
        low, high = (int(half) for half in np.frombuffer(written, order))
        if wanted == (high % 65535, low % 65535):
            return True
    return False
