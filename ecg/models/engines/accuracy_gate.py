"""Whether a quantised network is close enough to the float32 one to be used, decided each time it is loaded."""

from pathlib import Path

import numpy as np

from ecg.labels import sigmoid
from ecg.models.contract import Engine

FILE = "gate.npz"
#: Twice what bfloat16 is held to (docs/models.md).
MAX_PROBABILITY_DIFFERENCE = 0.02
MIN_EMBEDDING_COSINE = 0.998


def refusal(engine: Engine, folder: Path) -> str | None:
    """Why `engine` must not be used, with its figures; None when it may.

    It runs the segments stored in `folder` and its answers are held against those stored beside them, which the float32
    network gave when the engine's graph was made.
    """
    with np.load(folder / FILE) as stored:
        expected = dict(stored)
    outputs = [engine.run(segment[None]) for segment in expected["segments"]]
    embedding = np.concatenate([output.embedding for output in outputs])
    norms = np.linalg.norm(embedding, axis=1) * np.linalg.norm(expected["embedding"], axis=1)
    cosine = float(((embedding * expected["embedding"]).sum(axis=1) / norms).min())
    found = [f"embedding cosine {cosine:.4f} (at least {MIN_EMBEDDING_COSINE})"]
    passed = cosine >= MIN_EMBEDDING_COSINE  # also False for NaN
    if "logits" in expected:
        logits = np.concatenate([output.logits for output in outputs if output.logits is not None])
        difference = float(np.abs(sigmoid(logits) - sigmoid(expected["logits"])).max())
        found.append(f"probabilities within {difference:.4f} (at most {MAX_PROBABILITY_DIFFERENCE})")
        passed = passed and difference <= MAX_PROBABILITY_DIFFERENCE
    return None if passed else f"int8 was refused, against float32: {', '.join(found)}"
