"""How far apart are two engines on one checkpoint, and is that far enough to matter?

    python -m benchmarks.engine_difference CHECKPOINT [--backend fairseq|openvino|torch] [--precision float32|bfloat16]

The reference is this project's torch network in float32. The engine `fairseq` is the authors' own code, where
fairseq-signals is installed. Prints JSON; exit status 1 when a difference is outside its tolerance.
"""

import argparse
import json
import sys
from dataclasses import dataclass

import numpy as np

from benchmarks.fairseq_reference import FairseqEngine
from ecg.cli import describe
from ecg.cli.progress import terminal_progress
from ecg.errors import EcgError
from ecg.labels import sigmoid
from ecg.models import Model, load_model, resolve_weights
from ecg.models.contract import Array, ModelOutput
from ecg.models.weights import Weights

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


def load(weights: Weights, backend: str, precision: str) -> Model:
    """A model on one of this project's engines, or on fairseq-signals in float32."""
    if backend == "fairseq":
        return Model(weights, FairseqEngine(weights))  # type: ignore[arg-type]  # an engine of no service
    return load_model(weights, backend, precision)  # type: ignore[arg-type]


def main(argv: list[str] | None = None) -> int:
    """Compare; 0 when every difference is within its tolerance, 1 when not, 2 for what cannot be compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help='checkpoint, converted file, "hub" or "stand-in"')
    parser.add_argument("--backend", choices=("fairseq", "openvino", "torch"), default="fairseq")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--kind", choices=("finetuned", "pretrained"), help="which model, for hub and stand-in")
    args = parser.parse_args(argv)
    try:
        with terminal_progress() as progress:
            weights = resolve_weights(args.checkpoint, args.kind, progress)
        other = load(weights, args.backend, args.precision)
        differences = compare(load(weights, "torch", "float32"), other)
    except EcgError as error:
        print(f"engine_difference: {describe(error)}", file=sys.stderr)
        return 2
    report = {
        "weights": weights.identifier,
        "reference": "torch float32",
        "other": f"{other.backend} {other.precision}",
        "within": all(difference.within for difference in differences),
        "differences": {d.quantity: {"largest": d.largest, "limit": d.limit, "within": d.within} for d in differences},
    }
    print(json.dumps(report))
    return 0 if report["within"] else 1


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


if __name__ == "__main__":
    raise SystemExit(main())
