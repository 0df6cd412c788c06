"""Two engines on one checkpoint: how far apart their answers are, and whether that is far enough to matter."""

from dataclasses import dataclass

import numpy as np

from ecg.labels import sigmoid
from ecg.models.load import Array, Model, ModelOutput

#: Largest absolute differences allowed between two float32 engines; several times the reference's own noise between
#: threads and kernels, and far below what any fault in the network shows.
FLOAT32_LIMITS = {"tokens": 1e-4, "embedding": 1e-4, "logits": 1e-4, "probabilities": 1e-4}
#: The same against fairseq-signals itself, in torch on both sides.
REFERENCE_LIMITS = {"tokens": 5e-5, "embedding": 2e-5, "logits": 5e-5, "probabilities": 1e-5}
#: bfloat16 against float32: `embedding_angle` is 1 − cosine.
BFLOAT16_LIMITS = {"probabilities": 0.01, "embedding_angle": 1e-3}


@dataclass(frozen=True)
class Difference:
    """Largest difference found in one quantity, and the largest allowed (None: not judged)."""

    quantity: str
    largest: float
    limit: float | None

    @property
    def within(self) -> bool:
        """Whether the difference is allowed."""
        return self.limit is None or self.largest <= self.limit


def compare(reference: Model, other: Model) -> tuple[Difference, ...]:
    """Largest differences between two models of one checkpoint, over seeded segments of five and ten seconds."""
    if "bfloat16" in (reference.precision, other.precision):
        limits = BFLOAT16_LIMITS
    else:
        limits = REFERENCE_LIMITS if "fairseq" in (reference.backend, other.backend) else FLOAT32_LIMITS
    largest: dict[str, float] = {}
    for seed, n_segments, n_samples in ((1, 2, 2500), (2, 1, 5000)):
        segments = _segments(seed, n_segments, n_samples)
        for quantity, difference in _differences(reference(segments), other(segments)).items():
            largest[quantity] = max(difference, largest.get(quantity, 0.0))
    return tuple(Difference(quantity, value, limits.get(quantity)) for quantity, value in largest.items())


def _differences(a: ModelOutput, b: ModelOutput) -> dict[str, float]:
    cosine = (a.embedding * b.embedding).sum(1) / (
        np.linalg.norm(a.embedding, axis=1) * np.linalg.norm(b.embedding, axis=1)
    )
    found = {
        "tokens": _largest(a.tokens, b.tokens),
        "embedding": _largest(a.embedding, b.embedding),
        "embedding_angle": max(0.0, float(1.0 - cosine.min())),
    }
    if a.logits is not None and b.logits is not None:
        found["logits"] = _largest(a.logits, b.logits)
        found["probabilities"] = _largest(sigmoid(a.logits), sigmoid(b.logits))
    return found


def _largest(a: Array, b: Array) -> float:
    return float(np.abs(a - b).max())


def _segments(seed: int, n_segments: int, n_samples: int) -> Array:
    """Smoothed noise, standardised per lead as prepared recordings are: float32 [n_segments, 12, n_samples]."""
    noise = np.random.default_rng(seed).standard_normal((n_segments, 12, n_samples + 24))
    total = np.cumsum(noise, axis=2)
    smooth = total[..., 24:] - np.concatenate([np.zeros_like(total[..., :1]), total[..., :-25]], axis=2)
    scaled: Array = ((smooth - smooth.mean(2, keepdims=True)) / smooth.std(2, keepdims=True)).astype(np.float32)
    return scaled
