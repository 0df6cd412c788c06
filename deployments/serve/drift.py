"""How far the embeddings of late are from those of a baseline: `python -m deployments.serve.drift RECORDING… -o FILE`.

A model says nothing of recordings unlike those it was made for. The mean of its embeddings over many recordings moves
when the population does, or a device's filter, or a unit: before any label looks wrong.
"""

import argparse
import json
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ecg.errors import EcgError, MalformedInput
from ecg.models.contract import Array

#: A recording counts for the running mean with this weight, so that some hundred of them make it up.
_WEIGHT = 0.01
#: Before so many recordings the mean is of too few to be said.
_LEAST = 50


@dataclass(frozen=True)
class Baseline:
    """Mean and standard deviation of each channel of the embedding, over `recordings` of them, with these weights."""

    weights: str
    recordings: int
    mean: list[float]
    spread: list[float]

    @classmethod
    def of(cls, weights: str, embeddings: Array) -> "Baseline":
        """That of embeddings [recording, channel]."""
        mean, spread = embeddings.mean(axis=0), embeddings.std(axis=0)
        return cls(weights, len(embeddings), [float(x) for x in mean], [float(x) for x in spread])

    @classmethod
    def read(cls, path: Path) -> "Baseline":
        """From a file; `MalformedInput` when it is none."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise MalformedInput("This is no baseline of embeddings.", "baseline", "a file of this command") from error


class Drift:
    """The distance of the recordings of late from a baseline."""

    def __init__(self, baseline: Baseline) -> None:
        self.weights = baseline.weights
        self._mean = np.asarray(baseline.mean)
        spread = np.asarray(baseline.spread)
        self._varies = spread > 0
        self._spread = np.where(self._varies, spread, 1.0)
        self._late = self._mean.copy()
        self._seen = 0

    def add(self, embedding: Array) -> None:
        """Count a recording; one whose embedding has another length belongs to other weights and counts nothing."""
        if embedding.shape == self._mean.shape:
            self._seen += 1
            self._late += max(_WEIGHT, 1 / self._seen) * (embedding - self._late)

    def distance(self) -> float | None:
        """Root mean square over the channels, in standard deviations of the baseline; None after too few recordings.

        The same population gives some 0.1: the mean of a hundred differs by so much.
        """
        if self._seen < _LEAST or not self._varies.any():
            return None
        moved = ((self._late - self._mean) / self._spread)[self._varies]
        return math.sqrt(float(np.mean(moved**2)))


def main() -> int:
    """Exit status 2 when no recording could be read."""
    # Here, because every replica of a model imports this module, and needs neither scipy nor the formats.
    from ecg import formats, local

    parser = argparse.ArgumentParser(prog="python -m deployments.serve.drift", description=__doc__)
    parser.add_argument("recordings", nargs="+", type=Path, help="files of any format that is read")
    parser.add_argument("--model", default="clinical", help="name of the model")
    parser.add_argument("--weights", default="auto", help="those that the service has")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    model = local.load_models(options.weights, frozenset({options.model}))[options.model]
    embeddings = []
    for path in options.recordings:
        try:
            report = local.run(formats.read(path), {options.model: model}, frozenset({options.model}))
            embeddings.append(report.analysis.results[options.model].embedding)
        except (EcgError, KeyError) as error:
            print(f"{path}: left out: {error}", file=sys.stderr)
    if not embeddings:
        return 2
    baseline = Baseline.of(model.identity.weights, np.stack(embeddings))
    options.output.write_text(json.dumps(asdict(baseline)))
    print(f"{len(embeddings)} recordings", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
