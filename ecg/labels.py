"""The 17 labels of the ECG-FM clinical model, in logit order, and how segments add up to a recording.

Order, aggregation and class weights: MIMIC-IV-ECG ``label_def.csv``, the quickstart notebook's ``AGG_METHODS`` and the
README's ``pos_weight`` of ECG-FM (commit 9cc0d3f).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ModelLabel:
    """One output of a model with a classifier.

    `aggregation` is over the segments of a recording, on probabilities. `snomed_ct` is a SNOMED CT concept of the same
    meaning, None where there is none: with a wider one, a label that is absent would deny all of it. `pos_weight` is
    the class weight of the training loss, 1 where it had none: any other makes the outputs uncalibrated.
    """

    name: str
    aggregation: Literal["mean", "max"]
    pos_weight: float = 1.0
    snomed_ct: str | None = None


LABELS = (
    ModelLabel("Poor data quality", "max", 36.796317399388236, None),
    ModelLabel("Sinus rhythm", "mean", 0.23144896694982, "426783006"),
    ModelLabel("Premature ventricular contraction", "max", 14.490339707978958, "427172004"),
    ModelLabel("Tachycardia", "mean", 3.780268377974497, "3424008"),
    ModelLabel("Ventricular tachycardia", "max", 1104.5754385964913, "164895002"),
    ModelLabel("Supraventricular tachycardia with aberrancy", "max", 23.0104396860474, None),
    ModelLabel("Atrial fibrillation", "mean", 8.89725468023621, "164889003"),
    ModelLabel("Atrial flutter", "mean", 54.976017054539, "164890007"),
    ModelLabel("Bradycardia", "mean", 6.665559731902833, "426627000"),
    ModelLabel("Accessory pathway conduction", "mean", 7.404950851594489, "74390002"),
    ModelLabel("Atrioventricular block", "mean", 11.790817569213282, "233917008"),
    ModelLabel("1st degree atrioventricular block", "mean", 12.727872780742837, "270492004"),
    ModelLabel("Bifascicular block", "mean", 32.17599368254804, None),
    ModelLabel("Right bundle branch block", "mean", 11.188186600649853, "59118001"),
    ModelLabel("Left bundle branch block", "mean", 26.172214556743707, "164909002"),
    ModelLabel("Infarction", "mean", 3.4644081725183486, "164865005"),
    ModelLabel("Electronic pacemaker", "max", 24.640965129999596, "10370003"),
)
LABEL_NAMES = tuple(label.name for label in LABELS)


def label_column(name: str, model: str = "", kind: str = "label") -> str:
    """Name of a label's column in tables: ``label_atrial_fibrillation``; that of another model begins with its name."""
    return "_".join(filter(None, [model, kind, name.lower().replace(" ", "_")]))


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Element-wise logistic function, float32, without overflow at either end."""
    probabilities: NDArray[np.float32] = (0.5 * (1.0 + np.tanh(0.5 * logits.astype(np.float64)))).astype(np.float32)
    return probabilities


def aggregate(logits: NDArray[np.float32], labels: Sequence[ModelLabel] = LABELS) -> NDArray[np.float32]:
    """Scores of a recording, float32 [label] in 0..1, from the logits of its segments [segment, label].

    Per label the maximum or the mean of the segments' sigmoid outputs.
    """
    probabilities = sigmoid(logits)
    takes_max = np.array([label.aggregation == "max" for label in labels])
    scores: NDArray[np.float32] = np.where(takes_max, probabilities.max(axis=0), probabilities.mean(axis=0))
    return scores
