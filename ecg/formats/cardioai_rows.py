"""The sample rows of a payload: CSV text to integers, with every rule a part must keep."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg.errors import MalformedInput
from ecg.leads import MAX_LEADS

INVALID_SAMPLE = -32768  # what WFDB's rdsamp prints for a sample that its file marks as missing
_INVALID = str(INVALID_SAMPLE).encode()
_ALLOWED = b"0123456789,-\n"
_NEWLINE, _COMMA, _MINUS = b"\n,-"


@dataclass(frozen=True, eq=False)
class Rows:
    """Samples of one part: ADC integers int32 [sample, lead], and the sample number of the first row."""

    first: int
    samples: NDArray[np.int32]

    @property
    def last(self) -> int:
        """Sample number of the last row."""
        return self.first + len(self.samples) - 1


def parse_rows(headers: str, data: list[str]) -> Rows:
    """The rows as integers; a sample given as ``-`` becomes `INVALID_SAMPLE`.

    Raises `MalformedInput` when there are no rows or leads, a lead name is missing, a row has another number of
    columns than the header, a value is no 32-bit integer, or the sample numbers do not go up by one.
    """
    columns = headers.split(",")
    if columns[0] != "INDEX" or not 2 <= len(columns) <= MAX_LEADS + 1 or "" in columns:
        raise MalformedInput("The header line is not INDEX and lead names.", "headers", "INDEX,lead,…", headers[:200])
    if not data:
        raise MalformedInput("The payload has no rows.", "data", ">= 1 row", 0)
    table = _integers("\n".join(data).encode(), len(data), len(columns))
    index = table[:, 0]
    steps = np.diff(index)
    if index[0] < 0 or (steps != 1).any():
        at = 0 if index[0] < 0 else int(np.argmax(steps != 1)) + 1
        raise MalformedInput(f"The sample numbers do not go up by one at row {at}.", "data", "contiguous INDEX", at)
    samples = table[:, 1:]
    low, high = int(samples.min()), int(samples.max())
    if low < -(2**31) or high >= 2**31:
        raise MalformedInput("A sample does not fit 32 bits.", "data", "32-bit integers", low if low < 0 else high)
    return Rows(int(index[0]), np.ascontiguousarray(samples, dtype=np.int32))


def content_hash(headers: str, data: list[str]) -> str:
    """SHA-256 over header line and rows: equal for the same samples under any message, sequence or envelope."""
    return hashlib.sha256("\n".join((headers, *data)).encode()).hexdigest()


def _integers(text: bytes, n_rows: int, n_columns: int) -> NDArray[np.int64]:
    """The table of a CSV text of integers, int64 [row, column]; ``-`` stands for a missing one, and what does not fit
    64 bits is given as the largest that does.
    """
    if text.translate(None, _ALLOWED):
        raise MalformedInput("A row holds something other than whole numbers.", "data", "digits, commas, minus signs")
    characters = np.frombuffer(text, np.uint8)
    line_ends = np.append(np.flatnonzero(characters == _NEWLINE), len(characters))
    if len(line_ends) != n_rows:
        raise MalformedInput("A row holds a line break.", "data", "one line a row")
    # Whole-array operations: this runs for every message that is received, and a loop over rows takes as long as all.
    columns = 1 + np.diff(np.searchsorted(np.flatnonzero(characters == _COMMA), line_ends), prepend=0)
    if (columns != n_columns).any():
        row = int(np.argmax(columns != n_columns))
        raise MalformedInput(f"Row {row} has {columns[row]} columns.", "data", n_columns, int(columns[row]))
    text = text.replace(b"\n", b",")
    ends_field = np.append(characters[1:] <= _COMMA, True)  # of the allowed characters, comma and newline
    if ((characters == _MINUS) & ends_field).any():
        text = b",".join(_INVALID if field == b"-" else field for field in text.split(b","))
    try:
        values: NDArray[np.int64] = np.fromstring(text, dtype=np.int64, sep=",")
    except ValueError:
        values = np.empty(0, np.int64)
    if len(values) != n_rows * n_columns:
        raise MalformedInput("A row holds an empty or unreadable number.", "data", "whole numbers")
    return values.reshape(n_rows, n_columns)
