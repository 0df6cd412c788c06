"""CSV tables: one named column a lead, one row a sample; rate and unit in ``# fs: 500`` comments or stated beside."""

import io
import math
import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecg.errors import InputTooLarge, MalformedInput
from ecg.formats.channels import Channel, choose
from ecg.formats.stated import Stated
from ecg.formats.table_comments import NO_UNIT, Comments, split_comments
from ecg.formats.table_heading import EXTRACTED, column_names, read_heading
from ecg.formats.time_column import check_rate, rate_of
from ecg.formats.wfdb_samples import INVALID_SAMPLE
from ecg.leads import MAX_LEADS, distinct_leads
from ecg.origin import Origin
from ecg.record import EcgRecord, check_announced, to_millivolt

NAME = "csv"
MAX_VALUES = 10_000_000  # cells: 64 MiB of text hold more only at less than seven characters each
_MAX_HEADING = 16_384  # characters
_QUOTED = re.compile(r'"[^"]*"')
_DECIMAL_COMMA = re.compile(r'"?[-+]?\d+,\d+"?', re.ASCII)
_IN_BLANKS = re.compile(r"\s*[-+]?\d[\d.eE+-]* +[-+]?\d", re.ASCII)
_BLANK_LINES = re.compile(r"\A(?: *\n)+")


def claims(name: str, head: bytes) -> bool:
    """Whether the name or the first bytes look like a table with a heading that names leads."""
    if name.endswith((".csv", ".tsv", ".txt")):
        return True
    lines = [line for line in head.decode("utf-8", "replace").splitlines() if not line.startswith("#")]
    return bool(lines) and bool(re.search(r"\b(aVR|II|V1|MLII)\b", lines[0], re.IGNORECASE))


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The recording in a table whose heading names the leads; an empty cell or ``nan`` is a missing sample.

    A table without a heading is read when the leads are stated beside. A column of times must agree with the sampling
    rate, and gives it where nothing else does and its name has the unit (``time_s``, ``time (ms)``). A unit may stand
    in the heading (``I (mV)``) or in a row of its own. Columns of other names are left out with a note. Raises
    `MalformedInput`, `InconsistentInput`, `InputTooLarge`, `UnusableRecording`.
    """
    comments, first_line, rows = _split(files[main])
    delimiter = max(",;\t", key=_QUOTED.sub("", first_line).count)
    cells = _columns(first_line, delimiter)
    if len(cells) == 1 and _IN_BLANKS.match(rows):
        raise MalformedInput(
            "The columns are separated by blanks: write commas, semicolons or tabs.", "body", "commas", "blanks"
        )
    if rows.count("\n") * len(cells) > MAX_VALUES:
        raise InputTooLarge("The table has too many cells.", "body", MAX_VALUES, rows.count("\n") * len(cells))
    heading = read_heading(cells, first_line, rows, delimiter, stated.leads)
    in_file = comments.unit
    channels = [Channel(heading.names[i], heading.units[i] or in_file or stated.unit, 1.0) for i in heading.signals]
    chosen = choose(channels)
    columns = [heading.signals[i] for i in chosen.rows]
    names = stated.settle_leads(distinct_leads([heading.names[i] for i in columns]))
    fs_in_file = comments.fs_hz
    announced = stated.fs_hz or fs_in_file
    if announced:
        check_announced(heading.rows.count("\n"), announced, max_duration_s)
    table = _numbers(heading.rows, delimiter, len(cells))
    if fs_in_file is None and stated.fs_hz is None:
        rates = (rate_of(heading.names[i], table[:, i]) for i in heading.clocks)
        fs_in_file = next((fs for fs in rates if fs is not None), None)
    if fs_in_file is None and stated.fs_hz is None and comments.rate_doubt is not None:
        raise MalformedInput(comments.rate_doubt, "fs", "Hz", None)
    fs_hz = stated.settle_fs(fs_in_file)
    for i in heading.clocks:
        check_rate(heading.names[i], table[:, i], fs_hz)
    beside = replace(stated, unit=stated.settle_unit(in_file))
    missing = any(heading.names[i] == EXTRACTED for i in heading.counters)
    rows_mv = []
    for i, number in zip(columns, chosen.rows, strict=True):
        column = np.where(table[:, i] == INVALID_SAMPLE, np.nan, table[:, i]) if missing else table[:, i]
        with np.errstate(over="ignore"):  # beyond float32 becomes infinity, which EcgRecord refuses
            samples = column.astype(np.float32)
            in_mv, unit = to_millivolt(samples, beside.settle_unit(channels[number].unit))
        rows_mv.append(in_mv)
    notes = (*heading.notes, *chosen.notes, *((NO_UNIT,) if unit is None and comments.unit_in_doubt else ()))
    origin = Origin(identifying=("comments",)) if comments.others else None
    return EcgRecord(np.stack(rows_mv), names, fs_hz, unit, format=NAME, notes=notes, origin=origin)


def _split(data: bytes) -> tuple[Comments, str, str]:
    """What the comments state, the heading and the rows, each row ended by a newline."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MalformedInput("The table is not UTF-8 text.", "body", "UTF-8 text", None) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n") + "\n"
    if text.count("\n") > MAX_VALUES:
        raise InputTooLarge("The table has too many rows.", "body", MAX_VALUES, text.count("\n"))
    comments, text = split_comments(text)
    heading, _, rows = _BLANK_LINES.sub("", text, count=1).partition("\n")
    if not rows.strip():
        raise MalformedInput("The table has no rows.", "body", "a heading and rows of samples", None)
    return comments, heading, rows


def _columns(heading: str, delimiter: str) -> list[str]:
    """The names of the columns, without quotes."""
    if len(heading) > _MAX_HEADING or heading.count(delimiter) > 2 * MAX_LEADS:
        raise MalformedInput("The heading is too long.", "lead_names", f"<= {MAX_LEADS} leads", len(heading))
    return column_names(heading, delimiter)


def _numbers(rows: str, delimiter: str, n_columns: int) -> NDArray[np.float64]:
    """float64 [row, column] of the cells; an empty one is NaN."""
    if not rows.isascii():
        raise MalformedInput("The rows hold something else than numbers.", "signal", "numbers", None)
    if rows.count(delimiter) > (n_columns - 1) * rows.count("\n"):
        raise MalformedInput("The rows have more cells than the heading.", "signal", n_columns, None)
    if " " in rows:
        while "  " in rows:
            rows = rows.replace("  ", " ")
        for end in (delimiter, "\n"):
            rows = rows.replace(f" {end}", end).replace(f"{end} ", end)
    if n_columns == 1 and "\n\n" in rows.strip("\n"):  # in wider tables no row is empty: its delimiters are there
        raise MalformedInput("Rows of the samples are empty.", "signal", "a number or nan", None)
    rows = "\n" + rows
    for gap in (delimiter + delimiter, "\n" + delimiter, delimiter + "\n"):
        for _ in range(2 if gap in rows else 0):  # twice: of three delimiters in a row the first two are replaced
            rows = rows.replace(gap, f"{gap[0]}nan{gap[1]}")
    try:
        table = np.loadtxt(io.StringIO(rows), delimiter=delimiter, comments=None, quotechar='"', ndmin=2)
    except ValueError:
        raise _first_mistake(rows, delimiter, n_columns) from None
    if table.shape[1] != n_columns:
        raise MalformedInput("The rows have another number of cells.", "signal", n_columns, table.shape[1])
    return table


def _first_mistake(rows: str, delimiter: str, n_columns: int) -> MalformedInput:
    """Where the first row is that is not `n_columns` numbers. The cell itself, which may name a person, is not said."""
    for number, row in enumerate(rows.strip("\n").split("\n"), start=1):
        cells = row.split(delimiter)
        if len(cells) != n_columns:
            return MalformedInput(f"Row {number} of the samples has another width.", "signal", n_columns, len(cells))
        for column, cell in enumerate(cells, start=1):
            try:
                float(cell.strip('"'))
            except ValueError:
                if _DECIMAL_COMMA.fullmatch(cell):
                    return MalformedInput("The numbers have commas: write 0.5 for 0,5.", "signal", "0.5", "0,5")
                where = f"Row {number} of the samples is no number in column {column}."
                return MalformedInput(where, "signal", "a number", "text")
    return MalformedInput("The rows of samples cannot be read.", "signal", f"{n_columns} numbers a row", None)
