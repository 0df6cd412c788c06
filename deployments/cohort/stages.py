"""The stages of a cohort job, as Ray Data calls them: read and prepare, one model, compose.

The rows between them are whole chunks of recordings. What a chunk holds never changes, so the batches that a model sees
do not either, and with them the last bit of every number: a job that was cut short ends as an undisturbed one.
"""

import logging
import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from deployments.cohort.inputs import read_recording
from deployments.cohort.tables import Failure, recordings_table
from deployments.serve.priority import forward_thread
from ecg.errors import EcgError, InconsistentInput
from ecg.formats.stated import Stated
from ecg.models.cards import CARDS, card_at, cards_at
from ecg.models.contract import Array, EngineOptions, ModelResult
from ecg.models.result import infer
from ecg.pipeline import examine
from ecg.record import EcgRecord
from ecg.report import Report
from ecg.report.analysis import Outcome, assemble, check_takable, wanted

Row = dict[str, bytes]
S = TypeVar("S")
T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listed:
    """Paths of recordings of one part that go through the stages together."""

    part: int
    paths: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Item:
    """A recording that could be read.

    `segments` are by name of their preparation, as far as a model takes them; `outcomes` by name of the model.
    """

    path: str
    record: EcgRecord
    segments: Mapping[str, Array]
    outcomes: Mapping[str, Outcome]


@dataclass(frozen=True, eq=False)
class Chunk:
    """What has become of the recordings of a `Listed`."""

    part: int
    items: tuple[Item, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, eq=False)
class Analysed:
    """What is written of a chunk."""

    part: int
    recordings: pa.Table
    failures: tuple[Failure, ...]


def pack(value: Listed | Chunk | Analysed) -> Row:
    """A row for Ray Data, which would try, and fail, to make Arrow columns of the objects in it."""
    return {"pickle": pickle.dumps(value, protocol=5)}


def unpack(row: Row) -> Any:
    """What `pack` packed, in another process of the same job."""
    return pickle.loads(row["pickle"])  # noqa: S301  never leaves the job


def read_chunk(row: Row, stated: Stated, include: frozenset[str], models: Sequence[str] = tuple(CARDS)) -> Row:
    """From `Listed` to `Chunk`: the recordings, and their segments for the models that `include` names.

    `models` are references of cards (`ecg.models.cards.card_at`).
    """
    listed: Listed = unpack(row)
    cards = cards_at(models)

    def read(path: str) -> Item:
        record = read_recording(path, stated)
        refused = check_takable(record, include, cards)
        taking = (cards[name].preparation for name in wanted(include, cards) if name not in refused)
        segments = {name: prepare(record) for name, prepare in {p.name: p.prepare for p in taking}.items()}
        return Item(path, record, segments, refused)

    items, failures = _each(listed.paths, listed.paths, read)
    return pack(Chunk(listed.part, items, failures))


class ModelStage:
    """From `Chunk` to `Chunk`: one model, loaded once an actor, over all segments of a chunk."""

    def __init__(self, card: str, source: str, identifier: str, threads: int | None, max_segments: int) -> None:
        self._card = card_at(card)
        weights = self._card.resolve(source, None)
        if weights.identifier != identifier:
            raise InconsistentInput("This node has other weights.", "weights", identifier, weights.identifier)
        self._max_segments = max_segments
        self._thread = forward_thread()
        self._model = self._thread.submit(self._card.load, weights, EngineOptions(threads=threads)).result()
        warm_up = np.random.default_rng(0).standard_normal((1, *self._card.preparation.sample_shape), np.float32)
        self._thread.submit(self._model, warm_up).result()  # the first pass allocates and compiles

    def __call__(self, row: Row) -> Row:
        """The chunk with this model's results."""
        chunk: Chunk = unpack(row)
        name, preparation = self._card.name, self._card.preparation.name
        taking = [item for item in chunk.items if preparation in item.segments and name not in item.outcomes]
        results: list[ModelResult] = []
        if taking:
            segments = [item.segments[preparation] for item in taking]
            results = self._thread.submit(infer, self._model, segments, self._max_segments, self._card.labels).result()
        found = {item.path: result for item, result in zip(taking, results, strict=True)}
        items = (
            replace(item, outcomes={**item.outcomes, name: found[item.path]}) if item.path in found else item
            for item in chunk.items
        )
        return pack(replace(chunk, items=tuple(items)))


def compose_chunk(row: Row, include: frozenset[str], models: Sequence[str] = tuple(CARDS)) -> Row:
    """From `Chunk` to `Analysed`: the examination, and the report with the models' results that are there."""
    chunk: Chunk = unpack(row)
    cards = cards_at(models)

    def compose(item: Item) -> tuple[str, Report]:
        start = time.perf_counter()
        examination = examine(item.record, "clinical" in include, "features" in include)
        seconds = time.perf_counter() - start
        return item.path, Report(assemble(item.record, include, examination, item.outcomes, seconds, cards))

    reports, failures = _each([item.path for item in chunk.items], chunk.items, compose)
    return pack(Analysed(chunk.part, recordings_table(reports, cards), chunk.failures + failures))


def _each(
    paths: Sequence[str], inputs: Sequence[S], work: Callable[[S], T]
) -> tuple[tuple[T, ...], tuple[Failure, ...]]:
    """`work` on every input; what it raises is that recording's failure and nobody else's."""
    done: list[T] = []
    failures: list[Failure] = []
    for path, given in zip(paths, inputs, strict=True):
        try:
            done.append(work(given))
        except EcgError as error:
            failures.append(Failure(path, error.code, error.field, error.message))
        except OSError as error:
            failures.append(Failure(path, "unreadable", "file", error.strerror or type(error).__name__))
        except Exception as error:
            # A fault of ours on one file in a million must not cost the others; the log has what the table cannot tell.
            logger.exception("%s could not be analysed", path)
            failures.append(Failure(path, "internal_error", None, type(error).__name__))
    return tuple(done), tuple(failures)
