"""`Analysis`: everything that was worked out about one recording, before anything is concluded from it."""

from collections.abc import Mapping
from dataclasses import dataclass

from ecg.errors import EcgError, ModelNotReady
from ecg.features import named_features, with_embedding
from ecg.models.result import ModelResult
from ecg.pipeline import MODEL_PARTS, Examination
from ecg.record import EcgRecord

#: What came of asking a model: its result, or why there is none.
Outcome = ModelResult | EcgError


@dataclass(frozen=True, eq=False)
class Analysis:
    """One analysed recording.

    Attributes
    ----------
    record
        The recording as it was given.
    include
        The parts that were asked for (`ecg.pipeline.PARTS`).
    examination
        Measurements, quality and findings; always there, because every other part depends on them.
    results
        What each model said, by the name of the model; a model that was not asked, or that could not answer, is absent.
    notes
        Sentences about how the recording was read, and about models that could not answer.
    seconds
        How long the analysis took.
    """

    record: EcgRecord
    include: frozenset[str]
    examination: Examination
    results: Mapping[str, ModelResult]
    notes: tuple[str, ...]
    seconds: float

    def feature_vector(self) -> list[float | None] | None:
        """Values in the order of `ecg.features.SCHEMA`; None when they were not asked for or the model is absent."""
        model = self.results.get("features")
        if "features" not in self.include or model is None:
            return None
        named = self.examination.named_features
        if named is None:
            named = tuple(named_features(self.record, self.examination.measurements))
        return with_embedding(named, model)


def assemble(
    record: EcgRecord,
    include: frozenset[str],
    examination: Examination,
    outcomes: Mapping[str, Outcome],
    seconds: float,
) -> Analysis:
    """The analysis of a recording from its parts; `outcomes` are by model name.

    A model that could not answer is a note when the clinical part was asked for and is there. Otherwise its error is
    raised: `ModelNotReady` for a model without any outcome.
    """
    results: dict[str, ModelResult] = {}
    notes = list(record.notes)
    for name in (part for part in MODEL_PARTS if part in include):
        outcome = outcomes.get(name) or ModelNotReady(f"the {name} model is not loaded.", name)
        if isinstance(outcome, ModelResult):
            results[name] = outcome
        elif name != "clinical" and "clinical" in include:
            notes.append(f"No {name}: {outcome.message}")
        else:
            raise outcome
    return Analysis(record, include, examination, results, tuple(notes), seconds)
