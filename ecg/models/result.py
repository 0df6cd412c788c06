"""What a model says about one recording, summed up over its segments."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg.labels import aggregate
from ecg.models.load import Model


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
        float32 [17], label scores of the recording in logit order (`ecg.labels.aggregate`); None from a model without
        a classifier. Not calibrated probabilities.
    embedding
        float32 [dim], mean over the segments of the pooled embedding. The authors define no aggregation over segments;
        the mean is ours.
    spread
        float32 [dim], standard deviation over all tokens of the recording.
    """

    identity: ModelIdentity
    scores: NDArray[np.float32] | None
    embedding: NDArray[np.float32]
    spread: NDArray[np.float32]


def infer(model: Model, recordings: Sequence[NDArray[np.float32]], max_segments: int = 16) -> list[ModelResult]:
    """One result a recording from its segments float32 [segment, 12, 2500], several recordings to a forward pass.

    `max_segments` bounds one pass, however long a recording is.
    """
    segments = np.concatenate(recordings) if len(recordings) > 1 else recordings[0]
    outputs = [model(segments[start : start + max_segments]) for start in range(0, len(segments), max_segments)]
    logits = [output.logits for output in outputs if output.logits is not None]
    scored = np.concatenate(logits) if logits else None
    embedding = np.concatenate([output.embedding for output in outputs])
    tokens = np.concatenate([output.tokens for output in outputs])
    identity = identity_of(model)
    results = []
    start = 0
    for recording in recordings:
        rows = slice(start, start + len(recording))
        scores = None if scored is None else aggregate(scored[rows])
        flat = tokens[rows].reshape(-1, tokens.shape[-1])
        results.append(ModelResult(identity, scores, embedding[rows].mean(axis=0), flat.std(axis=0)))
        start = rows.stop
    return results


def identity_of(model: Model) -> ModelIdentity:
    """What provenance says of a loaded model."""
    return ModelIdentity(model.weights.identifier, model.trained, model.backend, model.precision)
