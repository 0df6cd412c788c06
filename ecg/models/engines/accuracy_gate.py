"""Whether a quantised network is close enough to the float32 one to be used, decided each time it is loaded."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ecg.atomic_write import replacing
from ecg.labels import sigmoid
from ecg.models.contract import Engine
from ecg.models.engines.processor import fingerprint

FILE = "gate.npz"
#: Twice what bfloat16 is held to (docs/models.md).
MAX_PROBABILITY_DIFFERENCE = 0.02
MIN_EMBEDDING_COSINE = 0.998


@dataclass(frozen=True)
class Closeness:
    """The least cosine of a segment's embeddings, and the largest difference of a probability; None without labels."""

    cosine: float
    difference: float | None

    def within(self, share: float = 1.0) -> bool:
        """Whether they depart from float32 by no more than a share of what is allowed; False for NaN."""
        alike = 1 - self.cosine <= share * (1 - MIN_EMBEDDING_COSINE)
        return alike and (self.difference is None or self.difference <= share * MAX_PROBABILITY_DIFFERENCE)

    def told(self, share: float = 1.0) -> str:
        """The figures with the share of the limits they are held to."""
        found = [f"embedding cosine {self.cosine:.4f} (at least {1 - share * (1 - MIN_EMBEDDING_COSINE):g})"]
        if self.difference is not None:
            found.append(f"probabilities within {self.difference:.4f} (at most {share * MAX_PROBABILITY_DIFFERENCE:g})")
        return ", ".join(found)


def closeness(engine: Engine, folder: Path) -> Closeness:
    """How close `engine` is to the float32 network; the figures are kept for `known_closeness`.

    It runs the segments stored in `folder` and its answers are held against those stored beside them, which the float32
    network gave when the engine's graph was made.
    """
    with np.load(folder / FILE) as stored:
        expected = dict(stored)
    outputs = [engine.run(segment[None]) for segment in expected["segments"]]
    embedding = np.concatenate([output.embedding for output in outputs])
    norms = np.linalg.norm(embedding, axis=1) * np.linalg.norm(expected["embedding"], axis=1)
    cosine = float(((embedding * expected["embedding"]).sum(axis=1) / norms).min())
    difference = None
    if "logits" in expected:
        logits = np.concatenate([output.logits for output in outputs if output.logits is not None])
        difference = float(np.abs(sigmoid(logits) - sigmoid(expected["logits"])).max())
    found = Closeness(cosine, difference)
    # A cache that cannot be written to is no reason not to run; only `auto` goes without.
    with suppress(OSError), replacing(_kept(folder)) as partial:
        partial.write_text(json.dumps(asdict(found)))
    return found


def known_closeness(folder: Path) -> Closeness | None:
    """What `closeness` last found for the graphs in `folder` on this kind of processor; None where it never ran."""
    try:
        kept = json.loads(_kept(folder).read_text())
        difference = kept["difference"]
        return Closeness(float(kept["cosine"]), None if difference is None else float(difference))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _kept(folder: Path) -> Path:
    # Beside the folder, whose own files are sealed: each kind of processor sums a quantised network in its own way.
    return folder.with_name(f"{folder.name}.closeness.{fingerprint()}.json")
