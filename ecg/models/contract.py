"""What a model, its engine and its card are. This module imports nothing of `ecg.models`.

A `ModelCard` is all that the service, the command line and the cohort job know of a model. `ecg.models.cards` lists the
cards that are here; another package adds a model by one card of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ecg.labels import ModelLabel
from ecg.record import EcgRecord

Array = NDArray[np.float32]
Backend = Literal["torch", "openvino"]
Precision = Literal["float32", "bfloat16", "int8"]
#: What is being done, bytes done, bytes in all (None when not known).
Progress = Callable[[str, int, int | None], None]
#: How the answer shows a model. "clinical": its labels decide rhythm and abnormalities. "features": its embedding is
#: the beginning of the feature vector. "additional": its labels, or its embedding, stand under `models`.
Role = Literal["clinical", "features", "additional"]


@dataclass(frozen=True)
class EngineOptions:
    """How a model is run: its engine, the number format of its matrix products, and its processor threads.

    "auto" and None leave the choice to the engine and the machine.
    """

    backend: Literal["auto", "torch", "openvino"] = "auto"
    precision: Literal["auto", "float32", "bfloat16", "int8"] = "auto"
    threads: int | None = None


@dataclass(frozen=True, eq=False)
class ModelOutput:
    """What a model says of n segments; float32 arrays.

    Attributes
    ----------
    logits
        [n, label] in the order of the card's labels, before the sigmoid; None without a classifier.
    embedding
        [n, channel]: one vector a segment.
    tokens
        [n, t, channel]: the vectors that the embedding is the mean of; for ECG-FM one for every 32 ms.
    """

    logits: Array | None
    embedding: Array
    tokens: Array


class Engine(Protocol):
    """Runs one network. Called from one thread at a time; which thread may change between calls.

    `backend` and `precision` say what was chosen, `note` why it is not what was asked for. `run` gets a float32 array
    [n, lead, sample] that may be read-only and that it must not keep, and returns arrays that are the caller's own.
    """

    backend: Backend
    precision: Precision
    note: str | None

    def run(self, segments: Array) -> ModelOutput:
        """Outputs for `segments`."""
        ...


@dataclass(frozen=True)
class ModelIdentity:
    """Which weights answered, and how they were run: for the provenance of every number."""

    weights: str
    trained: bool
    backend: str
    precision: str


@dataclass(frozen=True, eq=False)
class ModelResult:
    """A model's view of one recording.

    Attributes
    ----------
    identity
        The model.
    scores
        float32 [label], scores of the recording in the order of the card's labels; None from a model without a
        classifier. NaN for a label that was not validated, of a model whose labels were.
    embedding
        float32 [channel], mean of the embeddings of the segments.
    spread
        float32 [channel], standard deviation over all tokens of the recording.
    calibrated
        Whether `scores` are probabilities of validated labels; otherwise they are outputs of a class-weighted loss.
    """

    identity: ModelIdentity
    scores: Array | None
    embedding: Array
    spread: Array
    calibrated: bool = False


class ResolvedWeights(Protocol):
    """Weights that are on this machine. `identifier` names them in provenance and is never a path.

    `trained` is False when the outputs mean nothing.
    """

    @property
    def identifier(self) -> str:
        """Such as ``wanglab/ecg-fm/mimic_iv_ecg_finetuned.pt@sha256:…``."""
        ...

    @property
    def trained(self) -> bool:
        """Whether a result may be spoken of."""
        ...


class LoadedModel(Protocol):
    """A model ready to run. Not to be called from two threads at once."""

    @property
    def identity(self) -> ModelIdentity:
        """What provenance says of it."""
        ...

    @property
    def note(self) -> str | None:
        """Why these weights or this precision and not others, where there was a choice; None otherwise."""
        ...

    def __call__(self, segments: Array) -> ModelOutput:
        """Outputs for float32 `segments` [n, lead, sample]."""
        ...


@dataclass(frozen=True)
class Preparation:
    """How a recording becomes the input of a model. Models with the same `name` share what it makes.

    Attributes
    ----------
    name
        What provenance says; it changes with any change that can move a prepared sample.
    sample_shape
        (leads, samples) of one segment.
    prepare
        Segments float32 [segment, lead, sample] of a recording.
    check
        Raises the `UnusableRecording` that `prepare` would raise, without preparing anything.
    """

    name: str
    sample_shape: tuple[int, int]
    prepare: Callable[[EcgRecord], Array]
    check: Callable[[EcgRecord], None]


def never_downloads(source: str) -> bool:
    """The `needs_download` of a model whose weights are always on the machine."""
    return False


@dataclass(frozen=True)
class ModelCard:
    """One model, as everything outside `ecg.models` knows it.

    Attributes
    ----------
    name
        In settings, `/health`, `include`, metrics, provenance and tables.
    deployment
        Name of its Serve deployment.
    title
        How sentences call it.
    role
        How the answer shows it (`Role`). An answer with a clinical part is given without the other models when they
        cannot answer.
    preparation
        How a recording becomes its input.
    labels
        Of its logits, in their order, with how each adds up over segments; None for a model without a classifier.
    resolve
        Weights of a source such as ``"auto"``, ``"hub"``, ``"stand-in"`` or a path, brought to this machine. Raises
        `ModelError`.
    load
        The model, from what `resolve` returned. Raises `ModelError`.
    needs_download
        Whether `resolve` would have to ask a network for this source.
    """

    name: str
    deployment: str
    title: str
    role: Role
    preparation: Preparation
    labels: tuple[ModelLabel, ...] | None
    resolve: Callable[[str, Progress | None], Any]
    load: Callable[[Any, EngineOptions], LoadedModel]
    needs_download: Callable[[str], bool] = never_downloads

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or self.name in ("measurements", "quality"):
            raise ValueError(f"{self.name!r} cannot name a model: an identifier is needed that names no other part")
        if not self.deployment.isidentifier():
            raise ValueError(f"{self.deployment!r} cannot name a deployment")
