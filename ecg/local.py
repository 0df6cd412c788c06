"""The analysis in one process: the stages of `ecg.pipeline` as plain calls."""

import asyncio
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecg.models import Model, load_model
from ecg.models.ecgfm.preparation import prepare
from ecg.models.result import ModelResult, infer
from ecg.pipeline import ALL, Stages, compose, examine
from ecg.record import EcgRecord
from ecg.report import Report


def run(record: EcgRecord, stages: Stages, include: frozenset[str] = ALL) -> Report:
    """The `Report` of a recording from stages of this process; see `ecg.pipeline.compose`."""
    # Not asyncio.run: it sets a signal handler, and on the way Python makes a text of the whole report (25 ms).
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(compose(record, stages, include))
    finally:
        loop.close()


def analyze(
    record: EcgRecord, clinical: Model | None = None, features: Model | None = None, include: frozenset[str] = ALL
) -> Report:
    """The `Report` of a recording, as the service makes it.

    `clinical` and `features` are models of `ecg.load_model`; a part of `include` whose model is None raises
    `ModelNotReady` (features only warn when the clinical part is there). Raises `UnusableRecording` when a model was
    asked for and the recording cannot be prepared.
    """
    return run(record, Stages(examine, prepare, _stage(clinical), _stage(features)), include)


def local_stages(
    weights: str,
    include: frozenset[str] = ALL,
    backend: Literal["auto", "torch", "openvino", "fairseq"] = "auto",
    precision: Literal["auto", "float32", "bfloat16", "int8"] = "auto",
) -> Stages:
    """Stages with the models that `include` needs, loaded from `weights` (see `ecg.models.resolve_weights`)."""
    clinical = load_model(weights, backend, precision, kind="finetuned") if "clinical" in include else None
    features = load_model(weights, backend, precision, kind="pretrained") if "features" in include else None
    return Stages(examine, prepare, _stage(clinical), _stage(features))


def _stage(model: Model | None) -> Callable[[NDArray[np.float32]], ModelResult] | None:
    return None if model is None else lambda segments: infer(model, [segments])[0]
