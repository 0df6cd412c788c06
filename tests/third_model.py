"""A model that no package here knows: another sample length, other labels, a network of its own, added by one card."""

from dataclasses import dataclass

import numpy as np

from ecg.errors import RecordingTooShort, WeightsUnavailable
from ecg.labels import ModelLabel
from ecg.models.contract import Array, EngineOptions, ModelCard, ModelIdentity, ModelOutput, Preparation, Progress
from ecg.record import EcgRecord

SAMPLES = 800  # eight seconds at 100 Hz


def check(record: EcgRecord) -> None:
    if record.duration_s < 8:
        raise RecordingTooShort("Eight seconds are needed.", "signal", ">= 8 s", record.duration_s)


def prepare(record: EcgRecord) -> Array:
    """Lead II at 100 Hz, float32 [1, 1, 800], in mV."""
    check(record)
    at = np.arange(SAMPLES) * record.fs_hz / 100
    lead = record.signal[record.leads.index("II")]
    return np.interp(at, np.arange(len(lead)), lead).astype(np.float32)[None, None]


@dataclass(frozen=True)
class Weights:
    identifier: str
    trained: bool
    matrix: Array


class Network:
    """One layer over the spread of the lead and its mean."""

    note = None

    def __init__(self, weights: Weights) -> None:
        self._matrix = weights.matrix
        self.identity = ModelIdentity(weights.identifier, weights.trained, "numpy", "float32")

    def __call__(self, segments: Array) -> ModelOutput:
        tokens = np.stack([segments.std(axis=2), segments.mean(axis=2)], axis=2)  # [n, 1, 2]
        embedding = tokens[:, 0]
        return ModelOutput(embedding @ self._matrix, embedding, tokens)


def resolve(source: str, progress: Progress | None) -> Weights:
    if source not in ("auto", "stand-in", "small"):
        raise WeightsUnavailable("There are no such weights.", "weights", "small", source)
    return Weights(f"third/{source}", source != "stand-in", np.array([[4.0, -4.0], [0.0, 1.0]], np.float32))


def load(weights: Weights, options: EngineOptions) -> Network:
    return Network(weights)


CARD = ModelCard(
    name="voltage",
    deployment="VoltageModel",
    title="voltage",
    role="additional",
    preparation=Preparation("third/1: lead II, 100 Hz, 8 s", (1, SAMPLES), prepare, check),
    labels=(ModelLabel("High voltage", "max"), ModelLabel("Low voltage", "mean")),
    resolve=resolve,
    load=load,
)
REFERENCE = "tests.third_model:CARD"
