"""The output folder of a cohort job: its tables, and which parts of them are done.

    job.json                       what the job is; a resumed one must be the same
    listing.parquet                every recording and its part
    recordings/part-00000.parquet  one row a recording
    errors/part-00000.parquet      one row a recording that could not be analysed
    metadata.parquet               rows of the archive's own table, where one was given
    done/part-00000.json           written last: both tables of the part are whole

Every file is written under another name, synced and renamed. A part without its mark or a table is computed again and
replaced, so no recording is lost or there twice, wherever the job was killed.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from ecg._version import __version__
from ecg.atomic_write import replacing
from ecg.errors import InconsistentInput, MalformedInput
from ecg.features import SCHEMA_VERSION
from ecg.labels import LABEL_NAMES, label_column
from ecg.measurement.intervals import Measurements
from ecg.models.cards import CARDS
from ecg.models.contract import ModelCard
from ecg.report import Report, json_form
from ecg.values import Value

MEASURED = tuple(name for name, kind in get_type_hints(Measurements).items() if kind is Value)
#: Parts of the report that are lists or trees: as JSON text, so that every part of the table has one schema.
_DOCUMENTS = ("measurements", "quality", "findings", "statements", "consistency", "provenance")


@dataclass(frozen=True)
class Failure:
    """Why a recording has no row: a stable code, the field, and a sentence."""

    path: str
    code: str
    field: str | None
    message: str


def recordings_schema(cards: Mapping[str, ModelCard] = CARDS) -> pa.Schema:
    """The columns of the table of recordings, with those of every model in the role "additional"."""
    text = pa.string()
    columns = [
        ("path", text),
        ("name", text),
        ("format", text),
        ("input_sha256", text),
        ("fs", pa.float64()),
        ("duration", pa.float64()),
        ("signal_quality", text),
        ("acceptable", pa.bool_()),
        ("rhythm", text),
        ("axis_deviation", text),
        ("confidence", pa.float64()),
        ("source", text),
        ("abnormalities", pa.list_(text)),
        *((label_column(name), pa.float64()) for name in LABEL_NAMES),
        *((name, pa.float64()) for name in MEASURED),
        ("features", pa.list_(pa.float32())),
        ("warnings", pa.list_(text)),
        *((name, text) for name in _DOCUMENTS),
    ]
    for card in cards.values():
        if card.role == "additional" and card.labels is not None:
            columns += [(label_column(label.name, card.name), pa.float64()) for label in card.labels]
        elif card.role == "additional":
            columns.append((f"{card.name}_embedding", pa.list_(pa.float32())))
    return pa.schema(columns, metadata={"ecg-serve": __version__, "features_schema": SCHEMA_VERSION})


RECORDINGS = recordings_schema()
ERRORS = pa.schema([(field.name, pa.string()) for field in fields(Failure)])
LISTING = pa.schema([("path", pa.string()), ("part", pa.int32())])
#: The marks come first: no table goes while one vouches for it.
_FOLDERS = {"done": "json", "recordings": "parquet", "errors": "parquet"}
_PART = re.compile(r"part-(\d{5,})")


def recordings_table(reports: Sequence[tuple[str, Report]], cards: Mapping[str, ModelCard] = CARDS) -> pa.Table:
    """Reports by path as rows of `recordings_schema`; a part of the report that was not asked for is null."""
    return pa.Table.from_pylist([_row(path, report) for path, report in reports], schema=recordings_schema(cards))


def _row(path: str, report: Report) -> dict[str, Any]:
    analysis, conclusion = report.analysis, report.conclusion
    record, include = analysis.record, analysis.include
    row: dict[str, Any] = {
        "path": path,
        "name": record.name,
        "format": record.format,
        "input_sha256": record.sha256,
        "fs": record.fs_hz,
        "duration": round(record.duration_s, 3),
        "features": json_form.rounded_features(analysis),
        "warnings": conclusion.warnings,
    }
    if "quality" in include:
        quality = analysis.examination.quality
        row |= {"signal_quality": quality.grade, "acceptable": quality.acceptable}
    if "clinical" in include:
        row |= {
            "rhythm": conclusion.rhythm,
            "axis_deviation": conclusion.axis,
            "confidence": _rounded(conclusion.confidence, 4),
            "source": conclusion.source,
            "abnormalities": conclusion.abnormalities,
        }
        row |= {label_column(label.name): _rounded(label.score, 6) for label in conclusion.labels}
    for model, labels in conclusion.additional.items():
        row |= {label_column(label.name, model): _rounded(label.score, 6) for label in labels}
        if not labels:
            row[f"{model}_embedding"] = analysis.results[model].embedding
    if "measurements" in include:
        row |= {name: getattr(analysis.examination.measurements, name).rounded for name in MEASURED}
    return row | {name: orjson.dumps(part).decode() for name, part in _documents(report).items()}


def _documents(report: Report) -> dict[str, Any]:
    """The parts that are trees, as the JSON answer has them."""
    analysis, conclusion = report.analysis, report.conclusion
    documents: dict[str, Any] = {
        "consistency": [asdict(contradiction) for contradiction in conclusion.contradictions],
        "provenance": json_form.provenance_dict(analysis),
    }
    if "measurements" in analysis.include:
        documents["measurements"] = json_form.measurements_dict(analysis.examination.measurements)
    if "quality" in analysis.include:
        documents["quality"] = analysis.examination.quality.to_dict()
    if "clinical" in analysis.include:
        documents["findings"] = [json_form.finding_dict(finding) for finding in conclusion.findings]
        documents["statements"] = [json_form.statement_dict(statement) for statement in conclusion.statements]
    return documents


def _rounded(score: float | None, digits: int) -> float | None:
    return None if score is None else round(score, digits)


@dataclass(frozen=True)
class JobDescription:
    """What decides the content of the tables; kept in job.json."""

    inputs: tuple[str, ...]
    include: tuple[str, ...]
    models: dict[str, str]
    stated: dict[str, Any]
    software: str
    recordings: int
    parts: int


@dataclass(frozen=True)
class Output:
    """A job's output folder."""

    folder: Path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder, which is made, against a second job; `InconsistentInput` when another process has it.

        Raises `MalformedInput` when no folder can be made or written there.
        """
        lock = FileLock(self.folder / ".lock")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            raise InconsistentInput("Another job writes to this folder.", "out", "a folder of its own") from None
        except OSError as error:
            raise MalformedInput(
                f"The output folder cannot be written: {error.strerror}.", "out", "a folder", str(self.folder)
            ) from None
        try:
            yield
        finally:
            lock.release()

    def description(self) -> JobDescription | None:
        """What job.json says; None where there is no job yet. Raises `InconsistentInput` when it is damaged."""
        try:
            stored = orjson.loads((self.folder / "job.json").read_bytes())
            return JobDescription(**stored | {name: tuple(stored[name]) for name in ("inputs", "include")})
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, IsADirectoryError):
            raise self._damaged("job.json") from None

    def start(self, description: JobDescription, paths: Sequence[str], parts: Sequence[int]) -> None:
        """Write what the job is, the listing first: where there is a job.json, there is a whole listing."""
        _write_table(self.folder / "listing.parquet", pa.table({"path": paths, "part": parts}, schema=LISTING))
        _write(self.folder / "job.json", orjson.dumps(asdict(description), option=orjson.OPT_INDENT_2))

    def clear(self) -> None:
        """Make room for another job: the one that was there goes, its description last, and nothing else.

        Raises `InconsistentInput` for a folder that holds files by the names of a job's and no job.
        """
        description, listing = self.folder / "job.json", self.folder / "listing.parquet"
        own = self.files()
        known = set(own) if description in own else set()
        foreign = [file for table in _FOLDERS for file in (self.folder / table).glob("part-*") if file not in known]
        foreign += [path for table in _FOLDERS if (path := self.folder / table).exists() and not path.is_dir()]
        foreign += [path for path in (description, listing, self._metadata) if path.is_dir()]
        if not known and self._metadata.exists():
            foreign.append(self._metadata)
        if not known and listing.is_file() and _read_listing(listing) is None:
            foreign.append(listing)
        if foreign:
            raise InconsistentInput(
                "The output folder holds what no job has written; give another one.",
                "out",
                "a folder of its own",
                str(foreign[0].relative_to(self.folder)),
            )
        for file in own:
            file.unlink()

    def files(self) -> list[Path]:
        """The files here by the names of a job's, but for the listing: marks first, the description last."""
        parts = [file for table in _FOLDERS for file in (self.folder / table).glob("part-*")]
        others = (self._metadata, self.folder / "job.json")
        return [file for file in parts if self._part(file) is not None] + [file for file in others if file.is_file()]

    def listing(self) -> dict[int, list[str]]:
        """Paths by part, both ascending. Raises `InconsistentInput` when the file is damaged or gone."""
        table = _read_listing(self.folder / "listing.parquet")
        if table is None:
            raise self._damaged("listing.parquet")
        by_part: dict[int, list[str]] = {}
        for path, part in zip(table["path"].to_pylist(), table["part"].to_pylist(), strict=True):
            by_part.setdefault(part, []).append(path)
        return dict(sorted(by_part.items()))

    def write_metadata(self, rows: pa.Table) -> None:
        """Write the rows of the archive's own table, in place of earlier ones."""
        _write_table(self._metadata, rows)

    @property
    def _metadata(self) -> Path:
        return self.folder / "metadata.parquet"

    def write_part(self, part: int, recordings: Sequence[pa.Table], failures: Sequence[Failure]) -> None:
        """Write both tables of a part, rows in the order of their paths, and then its mark."""
        table = pa.concat_tables(recordings).sort_by("path")
        errors = pa.Table.from_pylist([asdict(failure) for failure in failures], schema=ERRORS).sort_by("path")
        _write_table(self._file("recordings", part), table)
        _write_table(self._file("errors", part), errors)
        mark = {"recordings": len(table), "errors": len(errors)}
        _write(self._file("done", part), orjson.dumps(mark))

    def done(self) -> dict[int, int]:
        """Number of failed recordings by part, of the whole parts: marked, and both tables with their rows."""
        failed = {}
        for mark in (self.folder / "done").glob("part-*"):
            part = self._part(mark)
            if part is None:
                continue
            with suppress(ValueError, TypeError, KeyError, OSError, pa.ArrowException):  # what is damaged is not done
                rows = orjson.loads(mark.read_bytes())
                if all(rows[t] == _rows(self._file(t, part)) for t in ("recordings", "errors")):
                    failed[part] = int(rows["errors"])
        return failed

    def _part(self, file: Path) -> int | None:
        """The part that a file in one of the folders here is of; None when no job gives it such a name."""
        name = _PART.fullmatch(file.stem)
        part = int(name[1]) if name and file.is_file() else None
        return part if part is not None and file == self._file(file.parent.name, part) else None

    def _damaged(self, name: str) -> InconsistentInput:
        message = f"{self.folder / name} is damaged; give another folder or --no-resume."
        return InconsistentInput(message, "out", f"a whole {name}")

    def _file(self, table: str, part: int) -> Path:
        return self.folder / table / f"part-{part:05d}.{_FOLDERS[table]}"


def _read_listing(path: Path) -> pa.Table | None:
    """The listing in a file; None when there is none."""
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError):
        return None
    return table if table.schema.equals(LISTING) else None


def _rows(path: Path) -> int:
    with path.open("rb") as file:  # Arrow leaves a damaged file open that it opened itself
        return int(pq.read_metadata(file).num_rows)


def _write_table(path: Path, table: pa.Table) -> None:
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    _write(path, buffer.getvalue())


def _write(path: Path, content: bytes | pa.Buffer) -> None:
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as draft, draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
