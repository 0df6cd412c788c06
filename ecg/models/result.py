"""What a model says about one recording, summed up over its segments; numpy only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg.labels import aggregate


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


def summarise(
    identity: ModelIdentity,
    segments_of: Sequence[int],
    logits: NDArray[np.float32] | None,
    embedding: NDArray[np.float32],
    tokens: NDArray[np.float32],
) -> list[ModelResult]:
    """One `ModelResult` per recording from the output of one batch.

    `segments_of` says how many consecutive rows each recording has in `logits` [n, 17], `embedding` [n, dim] and
    `tokens` [n, t, dim].
    """
    results = []
    start = 0
    for count in segments_of:
        rows = slice(start, start + count)
        scores = None if logits is None else aggregate(logits[rows])
        flat = tokens[rows].reshape(-1, tokens.shape[-1])
        results.append(ModelResult(identity, scores, embedding[rows].mean(axis=0), flat.std(axis=0)))
        start += count
    return results
