"""The analysis in one process: what the service does with several deployments, as plain calls."""

import time
from collections.abc import Mapping
from typing import Literal

from ecg.models import Model, load_model
from ecg.models.ecgfm.preparation import check_preparable, prepare
from ecg.models.result import infer
from ecg.pipeline import ALL, MODEL_PARTS, examine
from ecg.record import EcgRecord
from ecg.report import Report
from ecg.report.analysis import Analysis, assemble


def load_models(
    weights: str,
    include: frozenset[str] = ALL,
    backend: Literal["auto", "torch", "openvino", "fairseq"] = "auto",
    precision: Literal["auto", "float32", "bfloat16", "int8"] = "auto",
) -> dict[str, Model]:
    """The models that `include` needs, by name, loaded from `weights` (see `ecg.models.resolve_weights`)."""
    kinds: dict[str, Literal["finetuned", "pretrained"]] = {"clinical": "finetuned", "features": "pretrained"}
    return {name: load_model(weights, backend, precision, kind=kinds[name]) for name in MODEL_PARTS if name in include}


def analyze(
    record: EcgRecord, clinical: Model | None = None, features: Model | None = None, include: frozenset[str] = ALL
) -> Report:
    """The `Report` of a recording, as the service makes it.

    `clinical` and `features` are models of `ecg.load_model`; a part of `include` whose model is None raises
    `ModelNotReady` (features only warn when the clinical part is there). Raises `UnusableRecording` when a model was
    asked for and the recording cannot be prepared.
    """
    given = {"clinical": clinical, "features": features}
    return run(record, {name: model for name, model in given.items() if model is not None}, include)


def run(record: EcgRecord, models: Mapping[str, Model], include: frozenset[str] = ALL) -> Report:
    """The `Report` of a recording with models by name; see `analyze`."""
    start = time.perf_counter()
    wanted = [name for name in MODEL_PARTS if name in include]
    if wanted:
        check_preparable(record)
    asked = [name for name in wanted if name in models]
    segments = prepare(record) if asked else None
    outcomes = {name: infer(models[name], [segments])[0] for name in asked if segments is not None}
    examination = examine(record, "clinical" in include, "features" in include)
    return Report(assemble(record, include, examination, outcomes, time.perf_counter() - start))


def measured(record: EcgRecord) -> Report:
    """The `Report` of a recording without any model: measurements, quality and what the rules say."""
    start = time.perf_counter()
    examination = examine(record)
    include = frozenset({"measurements", "quality"})
    return Report(Analysis(record, include, examination, {}, record.notes, time.perf_counter() - start))
