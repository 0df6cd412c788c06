"""The analysis in one process: what the service does with several deployments, as plain calls."""

import time
from collections.abc import Mapping

from ecg.models.cards import CARDS
from ecg.models.contract import Array, EngineOptions, LoadedModel, ModelCard
from ecg.models.result import infer
from ecg.pipeline import ALL, examine
from ecg.record import EcgRecord, check_record
from ecg.report import Report
from ecg.report.analysis import Analysis, Outcome, assemble, check_takable, wanted

#: What `analyze` says where no model was given.
WITHOUT_MODEL = (
    "No model was given: the rules decide from the measurements. A clinical model adds label probabilities, a features "
    "model the embedding."
)


def load_models(
    weights: str,
    include: frozenset[str] = ALL,
    options: EngineOptions = EngineOptions(),  # noqa: B008  # frozen
    cards: Mapping[str, ModelCard] = CARDS,
) -> dict[str, LoadedModel]:
    """The models that `include` needs, by name, loaded from `weights` (see `ecg.models.resolve_weights`)."""
    return {name: cards[name].load(cards[name].resolve(weights, None), options) for name in wanted(include, cards)}


def analyze(
    record: EcgRecord,
    clinical: LoadedModel | None = None,
    features: LoadedModel | None = None,
    include: frozenset[str] | None = None,
) -> Report:
    """The `Report` of a recording, as the service makes it.

    Without any setting the recording is measured and the rules decide; a warning says what a model would add.
    ``clinical=ecg.load_model("small")`` adds probabilities, ``features=ecg.load_model("small", kind="pretrained")`` the
    embedding.
    `clinical` and `features` are models of `ecg.load_model`. A part of `include` (all, where a model is given) whose
    model is None raises `ModelNotReady` (features only warn when the clinical part is there). Raises
    `UnusableRecording` when a model was asked for and the recording cannot be prepared.
    """
    check_record(record)
    if include is None:
        if clinical is None and features is None:
            return _without_models(record, frozenset({"clinical", "measurements", "quality"}), (WITHOUT_MODEL,))
        include = ALL
    given = {"clinical": clinical, "features": features}
    return run(record, {name: model for name, model in given.items() if model is not None}, include)


def run(
    record: EcgRecord,
    models: Mapping[str, LoadedModel],
    include: frozenset[str] = ALL,
    cards: Mapping[str, ModelCard] = CARDS,
) -> Report:
    """The `Report` of a recording with models by name, of which there are these `cards`; see `analyze`."""
    start = time.perf_counter()
    outcomes: dict[str, Outcome] = check_takable(record, include, cards)
    segments: dict[str, Array] = {}
    for name in wanted(include, cards):
        if name in models and name not in outcomes:
            card = cards[name]
            if card.preparation.name not in segments:
                segments[card.preparation.name] = card.preparation.prepare(record)
            (outcomes[name],) = infer(models[name], [segments[card.preparation.name]], labels=card.labels)
    examination = examine(record, "clinical" in include, "features" in include)
    return Report(assemble(record, include, examination, outcomes, time.perf_counter() - start, cards))


def measured(record: EcgRecord) -> Report:
    """The `Report` of a recording without any model: measurements, quality and what the rules say."""
    return _without_models(record, frozenset({"measurements", "quality"}), ())


def _without_models(record: EcgRecord, include: frozenset[str], notes: tuple[str, ...]) -> Report:
    start = time.perf_counter()
    examination = examine(record)
    return Report(Analysis(record, include, examination, {}, (*record.notes, *notes), time.perf_counter() - start))
