"""CSV tables: one named column a lead, one row a sample; rate and unit in ``# fs: 500`` comments or stated beside."""

import csv
import math
import re
from collections.abc import Mapping

import numpy as np

from ecg.errors import MalformedInput
from ecg.formats.stated import Stated
from ecg.record import EcgRecord, to_millivolt

NAME = "csv"
_CLOCK_COLUMNS = {"", "time", "time_s", "t", "index", "sample", "sample #", "n"}
_COMMENT = re.compile(r"#\s*(fs|units|name)\s*[:=]\s*(.+)", re.IGNORECASE)


def claims(name: str, head: bytes) -> bool:
    """Whether the name or the first bytes look like a table with a heading that names leads."""
    if name.endswith((".csv", ".tsv", ".txt")):
        return True
    lines = [line for line in head.decode("utf-8", "replace").splitlines() if not line.startswith("#")]
    return bool(lines) and bool(re.search(r"\b(aVR|II|V1|MLII)\b", lines[0], re.IGNORECASE))


def companions(data: bytes) -> tuple[str, ...]:
    """No other files belong to a table."""
    return ()


def parse(files: Mapping[str, bytes], main: str, stated: Stated) -> EcgRecord:
    """The recording in a table whose heading names the leads; an empty cell or ``nan`` is a missing sample."""
    try:
        text = files[main].decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MalformedInput("The table is not UTF-8 text.", "body", "UTF-8 text", None) from None
    comments: dict[str, str] = {}
    lines = []
    for line in text.splitlines():
        found = _COMMENT.match(line)
        if found:
            comments[found[1].lower()] = found[2].strip()
        elif line.strip() and not line.startswith("#"):
            lines.append(line)
    if len(lines) < 2:
        raise MalformedInput("The table has no rows.", "body", "a heading and rows of samples", len(lines))
    delimiter = max(",;\t", key=lines[0].count)
    heading, *rows = csv.reader(lines, delimiter=delimiter)
    columns = [i for i, name in enumerate(heading) if name.strip().strip("'\"").lower() not in _CLOCK_COLUMNS]
    names = tuple(heading[i].strip().strip("'\"") for i in columns)
    if any(_is_number(name) for name in names):
        raise MalformedInput("The first row does not name the leads.", "lead_names", "a heading of lead names", None)
    table = np.empty((len(columns), len(rows)), np.float64)
    for at, row in enumerate(rows):
        if len(row) != len(heading):
            raise MalformedInput(f"Row {at + 1} has another number of cells.", "signal", len(heading), len(row))
        try:
            table[:, at] = [float(row[i]) if row[i].strip() else math.nan for i in columns]
        except ValueError:
            raise MalformedInput(
                f"Row {at + 1} holds something else than numbers.", "signal", "numbers", None
            ) from None
    with np.errstate(over="ignore"):
        signal, unit = to_millivolt(table.astype(np.float32), stated.settle_unit(comments.get("units")))
    fs_hz = stated.settle_fs(_comment_fs(comments.get("fs")))
    return EcgRecord(signal, stated.settle_leads(names), fs_hz, unit, name=comments.get("name"), format=NAME)


def _comment_fs(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text.lower().removesuffix("hz"))
    except ValueError:
        raise MalformedInput("The comment fs is not a number.", "fs", "Hz", text[:40]) from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
