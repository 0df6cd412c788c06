"""The sample rows of a payload: CSV text to integers, with every rule a part must keep."""

import hashlib
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg.errors import MalformedInput

INVALID_SAMPLE = -32768  # what WFDB's rdsamp prints for a sample that its file marks as missing
MAX_LEADS = 64
_ALLOWED = b"0123456789,-"


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
    commas = list(map(str.count, data, itertools.repeat(",")))
    if set(commas) != {len(columns) - 1}:
        number = next(n for n, found in enumerate(commas) if found != len(columns) - 1)
        raise MalformedInput(
            f"Row {number} has {commas[number] + 1} columns.", "data", len(columns), commas[number] + 1
        )
    table = _integers(",".join(data), len(data) * len(columns)).reshape(len(data), len(columns))
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


def _integers(joined: str, count: int) -> NDArray[np.int64]:
    """The `count` values of a comma-separated text of integers, ``-`` standing for a missing one; too large ones are
    given as the largest int64.
    """  # fmt: skip
    text = joined.encode()
    if text.translate(None, _ALLOWED):
        raise MalformedInput("A row holds something other than whole numbers.", "data", "digits, commas, minus signs")
    if b"-," in text or text.endswith(b"-"):
        text = b",".join(str(INVALID_SAMPLE).encode() if field == b"-" else field for field in text.split(b","))
    try:
        values: NDArray[np.int64] = np.fromstring(text, dtype=np.int64, sep=",")
    except ValueError:
        values = np.empty(0, np.int64)
    if len(values) != count:
        raise MalformedInput("A row holds an empty or unreadable number.", "data", "whole numbers")
    return values
