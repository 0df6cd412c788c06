"""An archive's own table joined to the recordings of a job, as `metadata.parquet` beside its tables."""

import io
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from deployments.cohort import archives
from ecg import formats
from ecg.atomic_write import replacing
from ecg.errors import MalformedInput
from ecg.formats import hdf5

NAME = "metadata.parquet"
_IDENTIFIERS = ("exam_id", "id", "record_id", "ecg_id")  # arrays of HDF5 files that name their recordings


def join(paths: Sequence[str], table: Path, key: str, out: Path) -> int:
    """Write the rows of a CSV or Parquet table that are about these recordings, with their ``path``; how many.

    The column `key` holds the path of a recording, or its end, with or without ending (``records500/00000/00001_hr``),
    its name (``A0001``), or the number that an HDF5 file gives it (``exam_id``). Of several rows about one recording
    the first counts. Raises `MalformedInput` for a table that cannot be read or has no such column.
    """
    rows = _read(table)
    if key not in rows.column_names:
        raise MalformedInput("The metadata have no such column.", "key", rows.column_names[:40], key)
    names = [_plain(str(value)) for value in rows.column(key).to_pylist()]
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        first.setdefault(name, number)
    depths = sorted({name.count("/") for name in first}, reverse=True)
    identifiers: dict[str, list[str] | None] = {}
    found: list[tuple[str, int]] = []
    for path in paths:
        row = _row_of(path, first, depths, identifiers)
        if row is not None:
            found.append((path, row))
    joined = rows.take(pa.array([number for _, number in found], pa.int64()))
    if "path" in joined.column_names:
        joined = joined.rename_columns({"path": "metadata_path"})
    joined = joined.add_column(0, "path", pa.array([path for path, _ in found], pa.string()))
    with replacing(out) as draft:
        pq.write_table(joined, draft)
    return len(found)


def _read(table: Path) -> pa.Table:
    try:
        if table.suffix == ".parquet":
            return pq.read_table(table)
        return pc.read_csv(io.BytesIO(table.read_bytes()))
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:200]
        raise MalformedInput(f"The metadata cannot be read: {reason}", "metadata", "CSV or Parquet", None) from None


def _plain(name: str) -> str:
    """A name or path without the ending of a recording and without ``./``."""
    path = PurePosixPath(name)
    return str(path.with_suffix("") if path.suffix == ".dat" or formats.is_named_like_a_recording(path.name) else path)


def _row_of(
    path: str, first: dict[str, int], depths: Sequence[int], identifiers: dict[str, list[str] | None]
) -> int | None:
    container, inner = archives.split(path)
    if inner is not None and container.lower().endswith(hdf5.ENDINGS):
        if container not in identifiers:
            identifiers[container] = _identifiers(container)
        known = identifiers[container]
        return first.get(known[int(inner)]) if known is not None and int(inner) < len(known) else None
    parts = _plain(inner or path).split("/")
    for depth in depths:
        number = first.get("/".join(parts[-depth - 1 :]))
        if number is not None:
            return number
    return None


def _identifiers(container: str) -> list[str] | None:
    """What an HDF5 file calls its recordings; None where it cannot be read here, such as in an object store."""
    try:
        with open(container, "rb") as stream:
            return hdf5.identifiers_of(stream, _IDENTIFIERS)
    except OSError:
        return None
