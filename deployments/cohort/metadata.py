"""An archive's own table joined to the recordings of a job."""

import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from deployments.cohort import archives
from ecg import formats
from ecg.errors import MalformedInput
from ecg.formats import hdf5

_IDENTIFIERS = ("exam_id", "id", "record_id", "ecg_id")  # arrays of HDF5 files that name their recordings
_LETTER = re.compile(r"[^\W\d_]")
_MOST_COLUMNS_SHOWN = 40


@dataclass(frozen=True)
class Joined:
    """What came of a join.

    Attributes
    ----------
    recordings
        How many recordings have a row.
    of_several_rows
        How many of them have more than one; the first counts.
    without_own_row
        How many recordings share their only row with a recording of another folder, and were given none.
    """

    recordings: int
    of_several_rows: int = 0
    without_own_row: int = 0


def join(paths: Sequence[str], table: Path, key: str) -> tuple[pa.Table, Joined]:
    """The rows of a CSV or Parquet table that are about these recordings, with their ``path`` as the first column.

    The column `key`, read as text, holds the path of a recording, or its end, with or without ending
    (``records500/00000/00001_hr``), its name (``A0001``), or the number that an HDF5 file gives it (``exam_id``). A row
    that names recordings of several folders is given to none. Raises `MalformedInput` for a table that cannot be read
    or does not have one such column.
    """
    rows = _read(table, key)
    if rows.column_names.count(key) != 1:
        raise _no_column(rows.column_names, key)
    keys = _Keys(rows.column(key))
    found = [(path, numbers) for path in paths if (numbers := keys.rows_of(path))]
    places = defaultdict(set)
    for path, numbers in found:
        places[numbers[0]].add(_plain(path))
    own = [(path, numbers) for path, numbers in found if len(places[numbers[0]]) == 1]
    joined = rows.take(pa.array([numbers[0] for _, numbers in own], pa.int64()))
    joined = joined.rename_columns(_distinct(joined.column_names))
    joined = joined.add_column(0, "path", pa.array([path for path, _ in own], pa.string()))
    several = sum(len(numbers) > 1 for _, numbers in own)
    return joined, Joined(len(own), several, len(found) - len(own))


class _Keys:
    """The rows by what their key names: as written first, then without the ending of a recording."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._identifiers: dict[str, list[str] | None] = {}
        self._written: dict[str, list[int]] = {}
        self._plain: dict[str, list[int]] = {}
        for number, text in enumerate(map(_text, column.to_pylist())):
            if text:
                name = str(PurePosixPath(text))
                self._written.setdefault(name, []).append(number)
                self._plain.setdefault(_plain(name), []).append(number)
        self._depths = sorted({name.count("/") for name in self._written}, reverse=True)

    def rows_of(self, path: str) -> list[int]:
        """Numbers of the rows about a recording: those whose key is the longest end of its path."""
        for place in self._names(path):
            for rows, name in ((self._written, place), (self._plain, _plain(place))):
                parts = name.split("/")
                for depth in self._depths:
                    found = rows.get("/".join(parts[-depth - 1 :]))
                    if found is not None:
                        return found
        return []

    def _names(self, path: str) -> Iterator[str]:
        container, inner = archives.split(path)
        if inner is None or not container.lower().endswith(hdf5.ENDINGS):
            yield inner or path
            return
        if container not in self._identifiers:
            self._identifiers[container] = _identifiers(container)
        known = self._identifiers[container]
        if known is not None and int(inner) < len(known):
            yield known[int(inner)]


def _text(value: object) -> str:
    """A key as text. A gap in a column of Parquet makes whole numbers decimal: here they are whole again."""
    if value is None:
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def _distinct(names: Sequence[str]) -> list[str]:
    """The names of the columns, each once and none ``path``."""
    found: list[str] = []
    for name in names:
        wanted = "metadata_path" if name == "path" else name
        distinct, number = wanted, 2
        while distinct in found or (distinct != name and distinct in names):
            distinct, number = f"{wanted}_{number}", number + 1
        found.append(distinct)
    return found


def _no_column(names: Sequence[str], key: str) -> MalformedInput:
    if key in names:
        return MalformedInput("The metadata have several columns of this name.", "key", "one column", key)
    if not all(map(_LETTER.search, names)):  # values of a first row that is no heading may name a person
        return MalformedInput("The first row of the metadata names no columns.", "key", "a heading with the key", key)
    return MalformedInput("The metadata have no such column.", "key", list(names[:_MOST_COLUMNS_SHOWN]), key)


def _read(table: Path, key: str) -> pa.Table:
    """The table with the column `key` as text: as a number 010 would be 10, and as a missing value NA nothing."""
    try:
        if table.suffix == ".parquet":
            return pq.read_table(table)
        return _read_csv(table.read_bytes(), key)
    except OSError as error:
        raise MalformedInput(f"The metadata cannot be read: {error.strerror}.", "metadata", "a file", None) from None
    except pa.ArrowException:  # its words repeat the row
        kind = "a Parquet file" if table.suffix == ".parquet" else "comma-separated values in UTF-8"
        raise MalformedInput(f"The metadata cannot be read as {kind}.", "metadata", kind, None) from None


def _read_csv(data: bytes, key: str) -> pa.Table:
    broken: list[pc.InvalidRow] = []

    def stop(row: pc.InvalidRow) -> str:
        broken.append(row)
        return "error"

    try:
        return pc.read_csv(
            io.BytesIO(data),
            pc.ReadOptions(use_threads=False),  # else a broken row has no number
            pc.ParseOptions(newlines_in_values=True, invalid_row_handler=stop),
            pc.ConvertOptions(column_types={key: pa.string()}),
        )
    except pa.ArrowException:
        if not broken:
            raise
        row = broken[0]
        raise MalformedInput(
            f"Row {row.number} of the metadata has another number of cells than the heading.",
            "metadata",
            row.expected_columns,
            row.actual_columns,
        ) from None


def _plain(name: str) -> str:
    """A name or path without the ending of a recording and without ``./``."""
    path = PurePosixPath(name)
    return str(path.with_suffix("") if path.suffix == ".dat" or formats.is_named_like_a_recording(path.name) else path)


def _identifiers(container: str) -> list[str] | None:
    """What an HDF5 file calls its recordings; None where it cannot be read here, such as in an object store."""
    try:
        with open(container, "rb") as stream:
            return hdf5.identifiers_of(stream, _IDENTIFIERS)
    except OSError:
        return None
