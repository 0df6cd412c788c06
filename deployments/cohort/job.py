"""The cohort job behind `ecg batch`: recordings in, Parquet out, on Ray Data.

    listing ─> chunks ─> read_chunk ──> ModelStage ───> ModelStage ───> compose_chunk ─> this process ─> one file a part
               (rows)    tasks          clinical actors  feature actors  tasks            (gathers)

The driver alone writes, so a part is written once and the folder needs no other coordination.
"""

import logging
import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import ray
import ray.data
from ray.exceptions import RayError
from rich.console import Console

from deployments import allocator
from deployments.cohort import metadata
from deployments.cohort.inputs import list_recordings, part_of, settle
from deployments.cohort.stages import Analysed, Listed, ModelStage, compose_chunk, pack, read_chunk, unpack
from deployments.cohort.tables import JobDescription, Output
from deployments.ray_ports import choose_ports_first
from deployments.ray_processes import API_SERVER, MONITOR, leave_out, say_there_is_no_dashboard
from ecg._version import __version__
from ecg.errors import BackendUnavailable, InconsistentInput, MalformedInput, ModelError
from ecg.formats.stated import Stated
from ecg.models.cards import CARDS, card_at, cards_at
from ecg.models.contract import ResolvedWeights
from ecg.models.weights import SMALL_NAME

RECORDINGS_PER_PART = 256
_MOST_PARTS = 1_000_000  # a file system's folder of so many files is slow already
#: Recordings that go through the stages together: 64 segments of ten-second ECGs, a full batch for a GPU.
RECORDINGS_PER_CHUNK = 32
_CPU_BATCH, _GPU_BATCH = 16, 64
#: Share of a node's processors that the models take of Ray's count; reading and composing have the rest.
_MODEL_SHARE = 0.75
#: Ray keeps as many idle workers as processors are free, rounded down: on a small machine, where the models take nearly
#: all, none. Each chunk would then pay some three seconds of processor time for the imports of a new worker.
#: Statistics of its event loops, for its own logs, take a fifth of what its idle processes take. The models alone
#: give way (`deployments.serve.priority`), not every worker.
_OWN_RAY = {"idle_worker_killing_time_threshold_ms": 3_600_000, "event_stats": False, "worker_niceness": 0}
_MAX_THREADS = 8  # beyond it one forward pass gains less than a second actor does

console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class BatchJob:
    """What `ecg batch` was asked for; `models` are references of cards (`ecg.models.cards.card_at`).

    `untrained` says that models without training are wanted; `metadata` is a table whose column `key` names recordings.
    """

    inputs: tuple[str, ...]
    out: Path
    include: frozenset[str]
    weights: str = "auto"
    stated: Stated = field(default_factory=Stated)
    address: str | None = None
    parts: int | None = None
    resume: bool = True
    models: tuple[str, ...] = tuple(CARDS)
    untrained: bool = False
    metadata: Path | None = None
    key: str | None = None


def run(job: BatchJob, model_stage: type = ModelStage) -> int:
    """Run the job to its end and print a summary as JSON; 0, or 1 when some recordings could not be analysed.

    `model_stage` stands in for `ModelStage` in measurements of the job itself. Raises `EcgError` for a job that cannot
    be done at all: no such input, weights that are not to be had, another job in the output folder.
    """
    output = Output(job.out)
    start = time.monotonic()
    with output.held():
        weights = _resolve(job)
        description = _begin(job, output, weights)
        listing = output.listing()
        done = {part: failed for part, failed in output.done().items() if part in listing}
        missing = {part: paths for part, paths in listing.items() if part not in done}
        failed = sum(done.values())
        if done:
            console.print(f"{len(done)} of {len(listing)} parts are there already")
        if missing:
            _connect(job.address)
            try:
                failed += _compute(job, weights, missing, output, model_stage)
            except RayError as error:  # of a node or a model: it would come again with every recording
                reason = str(error).strip().splitlines()[-1]
                raise ModelError(f"The job ended before its time: {reason}", "job") from error
            finally:
                ray.shutdown()
    summary = {"out": str(job.out), "recordings": description.recordings, "failed": failed, "parts": len(listing)}
    console.print(f"{description.recordings} recordings, {failed} failed, {time.monotonic() - start:.0f} s")
    print(orjson.dumps(summary).decode())
    return 1 if failed else 0


def _resolve(job: BatchJob) -> dict[str, ResolvedWeights]:
    """The weights of the models that are wanted, by reference of their card."""
    found = {
        reference: card.resolve(job.weights, None)
        for reference, card in zip(job.models, cards_at(job.models).values(), strict=True)
        if card.name in job.include
    }
    untrained = [reference for reference, weights in found.items() if not weights.trained]
    if untrained and not job.untrained:
        raise ModelError(
            f"The weights of {', '.join(untrained)} are not trained, and what they say means nothing; give --weights, "
            "--include measurements,quality, or --untrained if this is wanted.",
            "weights",
        )
    return found


def _begin(job: BatchJob, output: Output, weights: dict[str, ResolvedWeights]) -> JobDescription:
    """The description of the job in the folder, which is this one: begun now, or found and compared."""
    found = output.description() if job.resume else None
    # From where the job is started must not decide what it is about.
    inputs = tuple(map(settle, job.inputs))
    wanted = JobDescription(
        inputs,
        tuple(sorted(job.include)),
        {card_at(reference).name: w.identifier for reference, w in weights.items()},
        asdict(job.stated),
        __version__,
        found.recordings if found else 0,
        job.parts or (found.parts if found else 0),
    )
    if found:
        before, now = (orjson.loads(orjson.dumps(asdict(description))) for description in (found, wanted))
        for name, value in now.items():
            if value != before[name]:
                raise InconsistentInput(
                    f"{job.out} holds a job with other {name}; give another folder or --no-resume.",
                    name,
                    before[name],
                    value,
                )
        rows = _metadata_rows(job, [path for paths in output.listing().values() for path in paths])
        if rows is not None:
            output.write_metadata(rows)
        return found
    console.print("looking for recordings")
    own = {settle(str(file)) for file in output.files()}
    passed_over: Counter[str] = Counter()
    paths = [path for path in list_recordings(inputs, passed_over) if path not in own]
    for kind, count in passed_over.most_common():
        console.print(f"passed over: {count} {kind}")
    if not paths:
        raise MalformedInput("No recording was found.", "input", "recordings", list(inputs))
    parts = job.parts or math.ceil(len(paths) / RECORDINGS_PER_PART)
    if parts > _MOST_PARTS:
        raise MalformedInput("So many output files are of no use.", "parts", f"<= {_MOST_PARTS}", parts)
    rows = _metadata_rows(job, paths)  # before anything of an earlier job goes
    description = replace(wanted, recordings=len(paths), parts=parts)
    output.clear()  # only now that there is something to put in its place
    output.start(description, paths, [part_of(path, parts) for path in paths])
    if rows is not None:
        output.write_metadata(rows)
    console.print(f"{len(paths)} recordings in {parts} parts")
    return description


def _metadata_rows(job: BatchJob, paths: Sequence[str]) -> pa.Table | None:
    """The rows of the archive's own table about these recordings, or None without one; says how many there are."""
    if job.metadata is None or job.key is None:
        return None
    rows, joined = metadata.join(paths, job.metadata, job.key)
    console.print(f"{joined.recordings} of {len(paths)} recordings have a row of {job.metadata.name}")
    if joined.of_several_rows:
        console.print(f"{joined.of_several_rows} of them have several rows, of which the first counts")
    if joined.without_own_row:
        console.print(
            f"{joined.without_own_row} more were given none: a row names recordings of several folders, "
            "and the key needs the folder, too"
        )
    return rows


def _connect(address: str | None) -> None:
    """A Ray of this job's own, or the cluster at `address`."""
    console.print("starting Ray" if address is None else f"connecting to Ray at {address}")
    if address is None:
        choose_ports_first()
        leave_out(MONITOR, API_SERVER)
        for name, value in allocator.ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        ray.init(address="local", include_dashboard=False, logging_level="ERROR", _system_config=_OWN_RAY)
        say_there_is_no_dashboard()
    else:
        ray.init(address=address, logging_level="ERROR")
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # its warnings are about the progress bars that are off
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False


@dataclass(frozen=True)
class _Workers:
    """How many actors a model gets, what Ray counts for each, and what each may use."""

    actors: int
    options: dict[str, float]
    threads: int | None
    max_segments: int
    task_cpus: float


def _plan_workers(nodes: Sequence[dict[str, float]], n_models: int) -> _Workers:
    """Workers for nodes with these resources: every node alike, every model alike.

    With GPUs, each holds one actor of each model. Without, a node's processors are shared out in actors of at most
    `_MAX_THREADS` threads.
    """
    cpus = [node["CPU"] for node in nodes if node.get("CPU")]
    if not cpus:
        raise BackendUnavailable("No node of the cluster has processors to read with.", "address", "CPU > 0", 0)
    smallest = min(cpus)
    task_cpus = min(1.0, smallest / 8)
    n_models = max(n_models, 1)
    gpus = int(sum(node.get("GPU", 0) for node in nodes))
    if gpus:
        return _Workers(gpus, {"num_cpus": 0, "num_gpus": 1 / n_models}, None, _GPU_BATCH, task_cpus)
    per_node = math.ceil(smallest / n_models / _MAX_THREADS)
    share = _MODEL_SHARE * smallest / n_models / per_node
    # Reading waits for disks and models for chunks: the threads together fill the node, not the share alone.
    threads = max(1, round(smallest / n_models / per_node))
    actors = sum(int(_MODEL_SHARE * n / n_models / share + 1e-6) for n in cpus)
    return _Workers(actors, {"num_cpus": share}, threads, _CPU_BATCH, task_cpus)


def _chunks(listing: dict[int, list[str]]) -> list[Listed]:
    return [
        Listed(part, tuple(paths[start : start + RECORDINGS_PER_CHUNK]))
        for part, paths in listing.items()
        for start in range(0, len(paths), RECORDINGS_PER_CHUNK)
    ]


def _settled(source: str, found: ResolvedWeights) -> str:
    """The source of what was found: `auto` was settled here, and must not settle anew on a worker."""
    if not found.trained:
        return "stand-in"
    return "small" if found.identifier.startswith(SMALL_NAME) else source


def _compute(
    job: BatchJob, weights: dict[str, ResolvedWeights], missing: dict[int, list[str]], output: Output, model_stage: type
) -> int:
    """Analyse the missing parts and write each as soon as its last chunk is there; how many recordings failed."""
    workers = _plan_workers([node["Resources"] for node in ray.nodes() if node["Alive"]], len(weights))
    chunks = _chunks(missing)
    rows = ray.data.from_items([pack(chunk) for chunk in chunks], override_num_blocks=len(chunks))
    rows = rows.map(
        partial(read_chunk, stated=job.stated, include=job.include, models=job.models), num_cpus=workers.task_cpus
    )
    for reference, found in weights.items():
        source = _settled(job.weights, found)
        rows = rows.map(
            model_stage,
            fn_constructor_args=(reference, source, found.identifier, workers.threads, workers.max_segments),
            compute=ray.data.ActorPoolStrategy(size=workers.actors),
            **workers.options,
        )
    rows = rows.map(partial(compose_chunk, include=job.include, models=job.models), num_cpus=workers.task_cpus)
    return _gather(rows.iter_rows(), missing, output)


def _gather(rows: Iterator[Any], missing: dict[int, list[str]], output: Output) -> int:
    waiting: dict[int, list[Analysed]] = {}
    total = sum(map(len, missing.values()))
    finished = failed = 0
    start = time.monotonic()
    for row in rows:
        analysed: Analysed = unpack(row)
        chunks = waiting.setdefault(analysed.part, [])
        chunks.append(analysed)
        if sum(len(c.recordings) + len(c.failures) for c in chunks) < len(missing[analysed.part]):
            continue
        failures = [failure for chunk in waiting.pop(analysed.part) for failure in chunk.failures]
        output.write_part(analysed.part, [chunk.recordings for chunk in chunks], failures)
        finished += len(missing[analysed.part])
        failed += len(failures)
        rate = finished / (time.monotonic() - start)
        left = (total - finished) / rate
        console.print(f"{finished}/{total} recordings, {failed} failed, {rate:.1f}/s, {left:.0f} s left")
    return failed
