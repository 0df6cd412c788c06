"""The stages of an analysis in their order: one orchestration for the library, the service and the cohort job.

The stages are passed in. A stage may return its value or an awaitable of it; the segments go from the preparation to
the models as they came, so that a Ray handle's response reaches the next deployment without passing through the caller.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ecg.errors import MalformedInput, ModelNotReady
from ecg.findings import Finding, find
from ecg.measurement.intervals import Measurements, measure
from ecg.models.ecgfm.preparation import check_preparable
from ecg.models.result import ModelResult
from ecg.quality import Quality, assess_quality
from ecg.record import EcgRecord
from ecg.report import Report

T = TypeVar("T")
PARTS = ("clinical", "features", "measurements", "quality")
ALL = frozenset(PARTS)


@dataclass(frozen=True, eq=False)
class Examination:
    """What can be said of a recording without a model; `findings` is empty when they were not asked for."""

    measurements: Measurements
    quality: Quality
    findings: tuple[Finding, ...]


def examine(record: EcgRecord, findings: bool = True) -> Examination:
    """Measurements, signal quality and, unless not wanted, rule findings of a recording.

    The limb leads that follow from I and II are worked out where they are not recorded.
    """
    record = record.completed()
    measurements = measure(record)
    quality = assess_quality(record, measurements)
    return Examination(measurements, quality, find(record, measurements, quality) if findings else ())


@dataclass(frozen=True)
class Stages:
    """How each stage is run: `examine` takes the recording and whether findings are wanted.

    `clinical` or `features` is None when no such model is there.
    """

    examine: Callable[[EcgRecord, bool], Examination | Awaitable[Examination]]
    prepare: Callable[[EcgRecord], Any]
    clinical: Callable[[Any], ModelResult | Awaitable[ModelResult]] | None
    features: Callable[[Any], ModelResult | Awaitable[ModelResult]] | None


def parse_include(text: str | None) -> frozenset[str]:
    """The parts named in a comma-separated list; all of them for None. Raises `MalformedInput` for an unknown part."""
    if text is None:
        return ALL
    parts = frozenset(part.strip() for part in text.split(",") if part.strip())
    if not parts or parts - ALL:
        raise MalformedInput("include names an unknown part.", "include", list(PARTS), text[:100])
    return parts


async def compose(record: EcgRecord, stages: Stages, include: frozenset[str] = ALL) -> Report:
    """The `Report` of a recording with the parts asked for; a model that is not asked for is not run.

    Every part needs the examination: the clinical part is not given for a recording of poor quality, and half of the
    features are measured. When the clinical part was asked for and the feature model is absent or still loading, the
    report says so in its warnings; any other missing model raises `ModelNotReady`.

    Raises `UnusableRecording` when a model was asked for and the recording cannot be prepared.
    """
    start = time.perf_counter()
    wanted = [part for part in ("clinical", "features") if part in include]
    if wanted:
        check_preparable(record)  # here, so that a refusal is this caller's own error and not one from another process
    segments = stages.prepare(record) if wanted else None
    running = {part: _run(getattr(stages, part), part, segments) for part in wanted}
    examination, *outputs = await asyncio.gather(
        _value(stages.examine(record, "clinical" in include)), *running.values(), return_exceptions=True
    )
    results: dict[str, ModelResult] = {}
    warnings = list(record.notes)
    for part, output in zip(running, outputs, strict=True):
        if isinstance(output, ModelNotReady) and part == "features" and "clinical" in include:
            warnings.append(f"No features: {output.message}")
        elif isinstance(output, BaseException):
            raise output
        else:
            results[part] = output
    if isinstance(examination, BaseException):
        raise examination
    return Report(
        record, include, examination.measurements, examination.quality, examination.findings,
        results.get("clinical"), results.get("features"), tuple(warnings), time.perf_counter() - start,
    )  # fmt: skip


async def _run(stage: Callable[[Any], Any] | None, part: str, segments: Any) -> ModelResult:
    if stage is None:
        raise ModelNotReady(f"the {part} model is not loaded.", part)
    result: ModelResult = await _value(stage(segments))
    return result


async def _value(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result
