"""The elements of a MATLAB 5 file: inflated, and held against bounds, before scipy decodes them.

scipy inflates what a file holds whatever its size, and calls itself for each cell in a cell: a file of a megabyte could
take all memory, or end the process by overflowing its stack.
"""

import io
import math
import struct
import zlib
from collections.abc import Iterable
from typing import BinaryIO

from ecg.errors import InputTooLarge, MalformedInput

MAX_INFLATED = 2**27  # bytes
_HEADER = 128  # bytes
_PIECE = 2**16  # bytes that are inflated at a time
_MAX_ELEMENTS = 64  # variables
_MAX_MATRICES = 100_000  # those in cells and structures included
_MAX_DIMENSIONS = 32
_DEEPEST = 32  # of cells in structures in cells
_COMPRESSED = 15  # miCOMPRESSED
_MATRIX = 14  # miMATRIX
# Classes of matrices (mxCELL_CLASS ...).
_CELL, _STRUCTURE, _OBJECT, _CHARACTERS, _SPARSE, _FUNCTION, _OPAQUE = 1, 2, 3, 4, 5, 16, 17
_IS_COMPLEX = 1 << 11


def inflated(data: bytes) -> BinaryIO:
    """A MATLAB 5 file without compression, bounded in size and depth; any other file as it is.

    Version and byte order are told as scipy tells them, by bytes 124 to 127 and by no text: what is not seen as
    compressed here would be inflated there without a bound. Raises `MalformedInput` and `InputTooLarge`.
    """
    if len(data) < _HEADER or 0 in data[:4] or data[125 if data[126] == ord("I") else 124] != 1:
        return io.BytesIO(data)
    order = "<" if data[126:128] == b"IM" else ">"
    out = io.BytesIO()
    out.write(data[:_HEADER])
    starts: list[int] = []
    at = _HEADER
    for _ in range(_MAX_ELEMENTS):
        if at + 8 > len(data):
            _check_nesting(out.getbuffer(), starts, order)
            out.seek(0)
            return out
        starts.append(out.tell())
        kind, size = struct.unpack_from(f"{order}II", data, at)
        if kind == _COMPRESSED:
            _inflate(memoryview(data)[at + 8 : at + 8 + size], out)
            _check_one_matrix(out.getbuffer()[starts[-1] :], order)
        else:
            out.write(data[at : at + 8 + size])
        at += 8 + size
    raise MalformedInput("The MATLAB file has too many variables.", "file", f"<= {_MAX_ELEMENTS}", None)


def _inflate(body: memoryview, out: io.BytesIO) -> None:
    """Write what a zlib stream holds, in pieces, so that never more than the bound is in memory."""
    inflater = zlib.decompressobj()
    try:
        for start in range(0, len(body), _PIECE):
            piece = bytes(body[start : start + _PIECE])
            while not inflater.eof:
                written = out.write(inflater.decompress(piece, _PIECE))
                if out.tell() > MAX_INFLATED:
                    raise InputTooLarge("The MATLAB file inflates to too much.", "file", MAX_INFLATED, None)
                piece = inflater.unconsumed_tail
                if not piece and written < _PIECE:
                    break
    except zlib.error:
        raise MalformedInput("The MATLAB file is damaged.", "file", "zlib streams", None) from None
    if not inflater.eof:  # its checksum stands at the end
        raise MalformedInput("A variable of the MATLAB file is cut off.", "file", "whole zlib streams", None)


def _check_one_matrix(element: memoryview, order: str) -> None:
    """Refuse what a zlib stream may not hold: another one, or something behind the matrix."""
    if len(element) < 8 or struct.unpack_from(f"{order}II", element) != (_MATRIX, len(element) - 8):
        raise MalformedInput("A variable of the MATLAB file is damaged.", "file", "one matrix a zlib stream", None)


def _check_nesting(data: memoryview, starts: Iterable[int], order: str) -> None:
    """Refuse variables that hold too many matrices in cells and structures, or nest them too deeply.

    The matrices are gone through in the order in which scipy reads them: one after another, whatever size the one
    around them states.
    """
    count = 0
    try:
        for at in starts:
            to_come = [1]  # of each open cell or structure
            while to_come:
                if not to_come[-1]:
                    to_come.pop()
                    continue
                to_come[-1] -= 1
                children, at = _matrix(data, at, order)  # noqa: PLW2901
                count += 1
                if count > _MAX_MATRICES or children > (len(data) - at) // 8 or len(to_come) > _DEEPEST:
                    raise InputTooLarge("The MATLAB file nests too much.", "file", f"<= {_DEEPEST} levels", None)
                to_come.append(children)
    except struct.error:
        raise MalformedInput("A variable of the MATLAB file is cut off.", "file", "whole matrices", None) from None


def _matrix(data: memoryview, at: int, order: str) -> tuple[int, int]:
    """How many matrices are in the one that begins at `at`, and where the first of them begins, or the next one."""
    kind, size = struct.unpack_from(f"{order}II", data, at)
    if kind != _MATRIX:
        raise MalformedInput("A variable of the MATLAB file is no matrix.", "file", _MATRIX, kind)
    if size == 0:
        return 0, at + 8
    (flags,) = struct.unpack_from(f"{order}I", data, at + 16)
    at += 24
    number = flags & 0xFF
    if number == _OPAQUE:
        return 1, _behind(data, at, order, 3)
    dimensions = _content(data, at, order)[: 4 * _MAX_DIMENSIONS]  # scipy refuses more
    n_items = math.prod(struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions[: len(dimensions) // 4 * 4]))
    at = _behind(data, at, order, 2)  # the dimensions and the name
    if number == _CELL:
        return max(0, n_items), at
    if number == _FUNCTION:
        return 1, at
    if number in (_STRUCTURE, _OBJECT):
        at = _behind(data, at, order, number == _OBJECT)  # the name of the class
        (width,) = struct.unpack_from(f"{order}i", _content(data, at, order))
        names = _content(data, _behind(data, at, order, 1), order)
        return max(0, n_items) * (len(names) // max(1, width)), _behind(data, at, order, 2)
    parts = 1 if number == _CHARACTERS else (3 if number == _SPARSE else 1) + bool(flags & _IS_COMPLEX)
    return 0, _behind(data, at, order, parts)


def _behind(data: memoryview, at: int, order: str, count: int) -> int:
    """Where the element after `count` elements begins."""
    for _ in range(count):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        at += 8 if kind >> 16 else 8 + size + -size % 8
    return at


def _content(data: memoryview, at: int, order: str) -> memoryview:
    """The bytes of an element; those of up to four stand in its tag."""
    kind, size = struct.unpack_from(f"{order}II", data, at)
    return data[at + 4 : at + 4 + min(4, kind >> 16)] if kind >> 16 else data[at + 8 : at + 8 + size]
