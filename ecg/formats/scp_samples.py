"""How SCP-ECG files code samples: Huffman codes, and first or second differences."""

import re
import struct

import numpy as np
from numpy.typing import NDArray

from ecg.errors import MalformedInput, UnusableRecording

_DEFAULT_TABLE = 19999
# The default Huffman code: up to eight ones, a zero and a sign; nine and ten ones announce a number of 8 or 16 bits.
_DEFAULT_CODE = re.compile("0|1{1,8}0[01]|1{9}0[01]{8}|1{10}[01]{16}")
#: None for plain samples, the default code, or pattern and prefixes of a table of the file.
Codes = re.Pattern[str] | tuple[re.Pattern[str], dict[str, tuple[int, int]]] | None


def codes_of(section: bytes | None) -> Codes:
    """How samples are coded: None for plain, the default code, or pattern and prefixes of a table of the file."""
    if section is None:
        return None
    (n_tables,) = struct.unpack_from("<H", section)
    if n_tables == _DEFAULT_TABLE:
        return _DEFAULT_CODE
    if n_tables != 1:
        raise UnusableRecording(
            "SCP-ECG files with several Huffman tables are not read.", "file", "one table", n_tables
        )
    (n_codes,) = struct.unpack_from("<H", section, 2)
    meanings: dict[str, tuple[int, int]] = {}
    for number in range(min(n_codes, 1024)):
        prefix, total, mode, value, code = struct.unpack_from("<BBBhI", section, 4 + 9 * number)
        if mode != 1 or not 0 < prefix <= 32 or not prefix <= total <= prefix + 32:
            raise UnusableRecording(
                "The Huffman table of the SCP-ECG file is not read.", "file", "one plain table", None
            )
        bits = format(code, "032b")[::-1][:prefix]  # the first bit is the lowest
        meanings[bits] = (total - prefix, value)
    if not meanings:
        raise MalformedInput("The Huffman table of the SCP-ECG file is empty.", "file", ">= 1 code", 0)
    return re.compile(_alternatives({bits: extra for bits, (extra, _) in meanings.items()}, 0)), meanings


def _alternatives(extra: dict[str, int], depth: int) -> str:
    """The pattern of codes, each with so many `extra` bits, that are alike up to `depth`: one decision a bit.

    With all codes side by side a table of a thousand would be tried code by code at every place of a lead.
    """
    if any(len(bits) == depth for bits in extra):
        if len(extra) > 1:
            raise MalformedInput("A code of the SCP-ECG file begins another one.", "file", "codes apart", None)
        return f"[01]{{{next(iter(extra.values()))}}}"
    parts = [
        bit + _alternatives({bits: n for bits, n in extra.items() if bits[depth] == bit}, depth + 1)
        for bit in "01"
        if any(bits[depth] == bit for bits in extra)
    ]
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"


def decoded(part: bytes, codes: Codes, count: int) -> NDArray[np.int64]:
    """The stored values of one lead, int64 [sample]."""
    if codes is None:
        if len(part) < 2 * count:
            raise MalformedInput("A lead of the SCP-ECG file is cut off.", "signal", 2 * count, len(part))
        return np.frombuffer(part, "<i2", count).astype(np.int64)
    bits = bin(1 << 8 * len(part) | int.from_bytes(part, "big"))[3:]
    pattern, meanings = codes if isinstance(codes, tuple) else (codes, None)
    tokens = pattern.findall(bits)[:count]
    if len(tokens) < count or not bits.startswith("".join(tokens)):  # something between two codes is none
        raise MalformedInput("A lead of the SCP-ECG file is cut off.", "signal", count, len(tokens))
    known: dict[str, int] = {}
    for token in set(tokens):
        known[token] = _default_value(token) if meanings is None else _table_value(token, meanings)
    return np.fromiter((known[token] for token in tokens), np.int64, count)


def _default_value(token: str) -> int:
    if len(token) > 10:
        return _signed(token[10:])
    return 0 if len(token) == 1 else (len(token) - 2) * (-1 if token[-1] == "1" else 1)


def _table_value(token: str, meanings: dict[str, tuple[int, int]]) -> int:
    for length in range(1, len(token) + 1):
        meaning = meanings.get(token[:length])
        if meaning is not None and len(token) == length + meaning[0]:
            return _signed(token[length:]) if meaning[0] else meaning[1]
    return 0


def _signed(bits: str) -> int:
    value = int(bits, 2)
    return value - (1 << len(bits)) if bits[0] == "1" else value


def integrated(values: NDArray[np.int64], coding: int) -> NDArray[np.int64]:
    """Samples from plain values (0), first (1) or second differences (2), which begin with one or two samples."""
    if coding == 0:
        return values
    if coding == 1:
        return np.cumsum(values)
    if coding == 2:
        if len(values) < 3:
            return values
        slopes = np.cumsum(np.concatenate([[values[1] - values[0]], values[2:]]))
        return np.concatenate([values[:1], values[0] + np.cumsum(slopes)])
    raise UnusableRecording("The SCP-ECG samples are coded in an unknown way.", "file", "0, 1 or 2", coding)
