"""Many answers as one table: a pandas `DataFrame` with a row for each."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ecg.errors import BackendUnavailable
from ecg.labels import label_column

if TYPE_CHECKING:
    from pandas import DataFrame


class HasDict(Protocol):
    """A `Report`, or an `Answer` of `ecg.Client`."""

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON values."""
        ...


def to_frame(answers: Iterable[HasDict | Exception]) -> "DataFrame":
    """A `pandas.DataFrame` with a row for each answer, in their order.

    Columns have the names of a cohort table (docs/cohorts.md): the recording, its quality, rhythm and abnormalities,
    each measurement and its ``…_spread``, each label's probability as ``label_…`` and the rules' finding as
    ``finding_…`` (True, False, or None where it is open). What an answer does not hold is missing. An error, as
    `Client.analyze_many` gives it for a recording that was refused, is a row with ``error`` alone.

    Needs pandas (``pip install 'ecg-serve[frame]'``); raises `BackendUnavailable` without it.
    """
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise BackendUnavailable(
            "Tables need pandas: pip install 'ecg-serve[frame]'.", "to_frame", "pandas", None
        ) from error
    return DataFrame([{"error": str(a)} if isinstance(a, Exception) else row(a.to_dict()) for a in answers])


def row(answer: Mapping[str, Any]) -> dict[str, Any]:
    """One answer (docs/api.md) as values by column."""
    source = answer["provenance"]["input"]
    clinical = answer["clinical_analysis"] or {}
    values: dict[str, Any] = {name: source[name] for name in ("name", "format", "fs", "duration")}
    values["input_sha256"] = answer["provenance"]["input_sha256"]
    values["signal_quality"] = answer["signal_quality"]
    values |= {name: clinical.get(name) for name in ("rhythm", "axis_deviation", "confidence", "source")}
    values["abnormalities"] = clinical.get("abnormalities")
    for name, value in (answer["measurements"] or {}).items():
        if "value" in value:  # amplitudes by lead are a tree
            values |= {name: value["value"], f"{name}_spread": value["spread"]}
    values |= {label_column(label["name"]): label["probability"] for label in answer["labels"] or ()}
    values |= {label_column(f["label"], kind="finding"): f["present"] for f in answer["findings"] or ()}
    return values | {"warnings": answer["warnings"]}
