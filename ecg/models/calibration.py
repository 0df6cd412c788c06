"""What a model may say: probabilities for the labels it was shown to be right about, nothing for the others."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ecg.errors import CheckpointRejected
from ecg.labels import LABEL_NAMES

NOT_VALIDATED = "not validated"


@dataclass(frozen=True)
class Calibration:
    """How label scores of a recording become probabilities.

    Attributes
    ----------
    lines
        By label that passed validation: (slope, intercept) of the log odds (Platt 1999). A label that is not named
        has not been validated and is never given out.
    """

    lines: Mapping[str, tuple[float, float]]

    def __post_init__(self) -> None:
        unknown = sorted(self.lines.keys() - set(LABEL_NAMES))
        numbers = [number for line in self.lines.values() for number in line]
        if unknown or not np.isfinite(numbers).all() or any(slope <= 0 for slope, _ in self.lines.values()):
            raise CheckpointRejected(
                "The calibration is not one of the 17 labels with rising lines.",
                "metadata.calibration",
                "label: (slope above 0, intercept)",
                unknown or str(dict(self.lines))[:200],
            )

    def __call__(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities float32 [17] of label scores [17] in 0..1; NaN for labels that were not validated."""
        said = np.full(len(LABEL_NAMES), np.nan, dtype=np.float32)
        for index, name in enumerate(LABEL_NAMES):
            if name in self.lines:
                slope, intercept = self.lines[name]
                score = np.clip(np.float64(scores[index]), 1e-7, 1 - 1e-7)
                said[index] = 0.5 * (1 + np.tanh(0.5 * (slope * np.log(score / (1 - score)) + intercept)))
        return said

    def to_json(self) -> str:
        """One line of JSON, for the metadata of a weights file."""
        return json.dumps({name: list(line) for name, line in sorted(self.lines.items())})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`; `CheckpointRejected` for anything else."""
        try:
            return cls(
                {name: (float(slope), float(intercept)) for name, (slope, intercept) in json.loads(text).items()}
            )
        except (ValueError, TypeError, AttributeError) as error:
            raise CheckpointRejected(
                "The calibration written in the file cannot be read.", "metadata.calibration", None, str(error)
            ) from error
