"""`Analysis`: everything that was worked out about one recording, before anything is concluded from it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ecg.errors import EcgError, MalformedInput, ModelNotReady, UnusableRecording
from ecg.features import named_features, with_embedding
from ecg.models.cards import CARDS
from ecg.models.contract import ModelCard, ModelResult, Role
from ecg.pipeline import Examination
from ecg.record import EcgRecord

_MOST_SUBJECT = 256
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ID = r"[A-Za-z0-9.-]{1,64}"
_SUBJECT = re.compile(
    rf"(?:https?://[A-Za-z0-9.:\[\]_-]+/(?:[A-Za-z0-9._~%-]+/)*)?(?:Patient|Group|Device|Location)/{_ID}(?:/_history/{_ID})?"
    rf"|urn:uuid:{_UUID}"
)

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
        The parts that were asked for: "measurements", "quality", and models by name.
    examination
        Measurements, quality and findings; always there, because every other part depends on them.
    results
        What each model said, by the name of the model; a model that was not asked, or that could not answer, is absent.
    notes
        Sentences about how the recording was read, and about models that could not answer.
    seconds
        How long the analysis took.
    cards
        The models there are, by name.
    subject
        FHIR reference to the patient, such as ``"Patient/17"``, where the caller gave one (`checked_subject`).
    """

    record: EcgRecord
    include: frozenset[str]
    examination: Examination
    results: Mapping[str, ModelResult]
    notes: tuple[str, ...]
    seconds: float
    cards: Mapping[str, ModelCard] = field(default_factory=lambda: CARDS)
    subject: str | None = None

    def result_as(self, role: Role) -> ModelResult | None:
        """What the model in the role of "clinical" or "features" said; None when it said nothing."""
        return next((result for name, result in self.results.items() if self.cards[name].role == role), None)

    def feature_vector(self) -> list[float | None] | None:
        """Values in the order of `ecg.features.SCHEMA`; None when they were not asked for or the model is absent."""
        model = self.result_as("features")
        if model is None:
            return None
        named = self.examination.named_features
        if named is None:
            named = tuple(named_features(self.record, self.examination.measurements))
        return with_embedding(named, model)


def checked_subject(reference: str | None) -> str | None:
    """A reference to a patient that is written as FHIR writes one; None for None.

    ``Patient/17`` (also Group, Device, Location), with ``/_history/1``, a URL that ends so, or ``urn:uuid:…``. Raises
    `MalformedInput` for anything else, without the text: it may identify a person.
    """
    if reference is not None and (len(reference) > _MOST_SUBJECT or not _SUBJECT.fullmatch(reference)):
        expected = f"a FHIR reference such as Patient/123, at most {_MOST_SUBJECT} characters"
        raise MalformedInput("The subject is no FHIR reference.", "subject", expected, f"{len(reference)} characters")
    return reference


def assemble(  # noqa: PLR0913, PLR0917  # everything that an analysis is made of
    record: EcgRecord,
    include: frozenset[str],
    examination: Examination,
    outcomes: Mapping[str, Outcome],
    seconds: float,
    cards: Mapping[str, ModelCard] = CARDS,
) -> Analysis:
    """The analysis of a recording from its parts; `outcomes` and `cards` are by model name.

    A model that could not answer is a note when the clinical part was asked for and is there. Otherwise its error is
    raised: `ModelNotReady` for a model without any outcome.
    """
    results: dict[str, ModelResult] = {}
    notes = list(record.notes)
    for name in wanted(include, cards):
        outcome = outcomes.get(name) or ModelNotReady(f"the {name} model is not loaded.", name)
        if isinstance(outcome, ModelResult):
            results[name] = outcome
        elif may_be_absent(name, include, cards):
            notes.append(f"No {name}: {outcome.message}")
        else:
            raise outcome
    return Analysis(record, include, examination, results, tuple(notes), seconds, cards)


def wanted(include: frozenset[str], cards: Mapping[str, ModelCard] = CARDS) -> list[str]:
    """Names of the models that were asked for, in the order of `cards`."""
    return [name for name in cards if name in include]


def may_be_absent(name: str, include: frozenset[str], cards: Mapping[str, ModelCard] = CARDS) -> bool:
    """Whether the answer is given without this model when it cannot answer, because the clinical one did."""
    return cards[name].role != "clinical" and any(cards[other].role == "clinical" for other in wanted(include, cards))


def check_takable(
    record: EcgRecord, include: frozenset[str], cards: Mapping[str, ModelCard] = CARDS
) -> dict[str, Outcome]:
    """The models that cannot take this recording, each with its refusal.

    Raises the `UnusableRecording` of a model without which there is no answer.
    """
    refused: dict[str, Outcome] = {}
    for name in wanted(include, cards):
        try:
            cards[name].preparation.check(record)
        except UnusableRecording as error:
            if not may_be_absent(name, include, cards):
                raise
            refused[name] = error
    return refused
