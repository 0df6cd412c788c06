"""What is done with a recording without any model, and which parts of an answer there are."""

from dataclasses import dataclass

from ecg.errors import MalformedInput
from ecg.features import named_features
from ecg.findings import Finding, answer
from ecg.measurement.intervals import Measurements, measure
from ecg.quality import Quality, assess_quality
from ecg.record import EcgRecord
from ecg.threads import one_thread

#: Parts of an answer that need no model. The others are named as the models are (`ecg.models.cards`).
WITHOUT_MODELS = frozenset({"measurements", "quality"})
ALL = frozenset({"clinical", "features"}) | WITHOUT_MODELS


@dataclass(frozen=True, eq=False)
class Examination:
    """Model-free analysis of a recording.

    `findings` and `statements` are empty and `named_features` None when they were not asked for; `named_features` are
    the values of the feature vector behind the embedding.
    """

    measurements: Measurements
    quality: Quality
    findings: tuple[Finding, ...]
    named_features: tuple[float | None, ...] | None = None
    statements: tuple[Finding, ...] = ()


def examine(record: EcgRecord, findings: bool = True, features: bool = False) -> Examination:
    """Measurements and signal quality of a recording, its rule findings, and the model-free part of its features.

    The limb leads that follow from I and II are worked out where they are not recorded.
    """
    with one_thread():
        completed = record.completed()
        measurements = measure(completed)
        quality = assess_quality(completed, measurements)
        labels, statements = answer(completed, measurements, quality) if findings else ((), ())
        named = tuple(named_features(record, measurements)) if features else None
    return Examination(measurements, quality, labels, named, statements)


def parse_include(text: str | None, known: frozenset[str] = ALL) -> frozenset[str]:
    """The parts named in a comma-separated list; all that are `known` for None.

    Raises `MalformedInput` for an unknown part.
    """
    if text is None:
        return known
    parts = frozenset(part.strip() for part in text.split(",") if part.strip())
    if not parts or parts - known:
        raise MalformedInput("include names an unknown part.", "include", sorted(known), text[:100])
    return parts
