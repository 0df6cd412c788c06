"""Running a model on recordings, and summing its outputs up over the segments of each."""

from collections.abc import Sequence

import numpy as np

from ecg.labels import LABELS, ModelLabel, aggregate
from ecg.models.contract import Array, LoadedModel, ModelResult


def infer(
    model: LoadedModel,
    recordings: Sequence[Array],
    max_segments: int = 16,
    labels: tuple[ModelLabel, ...] | None = LABELS,
) -> list[ModelResult]:
    """One result a recording from its segments float32 [segment, lead, sample], several recordings to a forward pass.

    `labels` are the card's; they say how scores add up over segments. The embedding of a recording is the mean of its
    segments': ECG-FM's authors define no other. `max_segments` bounds one pass, however long a recording is.
    """
    segments = np.concatenate(recordings) if len(recordings) > 1 else recordings[0]
    outputs = [model(segments[start : start + max_segments]) for start in range(0, len(segments), max_segments)]
    logits = [output.logits for output in outputs if output.logits is not None]
    scored = np.concatenate(logits) if logits and labels is not None else None
    embedding = np.concatenate([output.embedding for output in outputs])
    tokens = np.concatenate([output.tokens for output in outputs])
    # A model of another package need not know of calibration.
    calibration = getattr(model, "calibration", None)
    results = []
    start = 0
    for recording in recordings:
        rows = slice(start, start + len(recording))
        scores = None if scored is None or labels is None else aggregate(scored[rows], labels)
        if scores is not None and calibration is not None:
            scores = calibration(scores)
        flat = tokens[rows].reshape(-1, tokens.shape[-1])
        results.append(
            ModelResult(model.identity, scores, embedding[rows].mean(axis=0), flat.std(axis=0), calibration is not None)
        )
        start = rows.stop
    return results
