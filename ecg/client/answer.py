"""What the service says to a recording: a typed answer, or a refusal."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ecg.values import Value


class ServiceRefusal(Exception):
    """The service refused: `problem` is its problem document (RFC 9457), `status` the HTTP status.

    `code`, `field`, `expected` and `got` are those of the document, None where it has none.
    """

    def __init__(self, problem: object, status: int) -> None:
        problem = problem if isinstance(problem, dict) else {}
        super().__init__(problem, status)
        self.message: str = problem.get("detail") or problem.get("title") or f"The answer was HTTP {status}."
        self.code, self.field = problem.get("code"), problem.get("field")
        self.expected, self.got = problem.get("expected"), problem.get("got")
        self.problem: dict[str, Any] = problem
        self.status = status

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class LabelFinding:
    """What the rules say of one label or statement: present, absent, or open (None)."""

    name: str
    present: bool | None
    evidence: str
    not_excluded: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Answer:
    """One answer of ``POST /analyze``.

    Attributes
    ----------
    rhythm
        None when it is not decided.
    abnormalities
        Labels that count as found.
    measurements
        `Value` by name, with unit and spread, or the reason for its absence.
    findings, statements
        What the rules say, with evidence.
    probabilities
        By label; None where no trained model answered.
    features
        float64 [feature], NaN where a value is missing; None when there are none.
    grade
        Signal quality.
    warnings
        What to know before using the rest.
    """

    rhythm: str | None
    abnormalities: tuple[str, ...]
    measurements: dict[str, Value]
    findings: tuple[LabelFinding, ...]
    statements: tuple[LabelFinding, ...]
    probabilities: dict[str, float | None]
    features: NDArray[np.float64] | None
    grade: str | None
    warnings: tuple[str, ...]
    body: dict[str, Any]

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """The typed form of a JSON answer."""
        clinical = body.get("clinical_analysis") or {}
        measured = {k: Value(**_value_fields(v)) for k, v in (body.get("measurements") or {}).items() if "value" in v}
        features = body.get("features")
        return cls(
            rhythm=clinical.get("rhythm"),
            abnormalities=tuple(clinical.get("abnormalities") or ()),
            measurements=measured,
            findings=tuple(map(_finding, body.get("findings") or ())),
            statements=tuple(map(_finding, body.get("statements") or ())),
            probabilities={label["name"]: label["probability"] for label in body.get("labels") or ()},
            features=None if features is None else np.array(features, dtype=np.float64),  # None becomes NaN
            grade=body.get("signal_quality"),
            warnings=tuple(body.get("warnings") or ()),
            body=body,
        )

    def to_dict(self) -> dict[str, Any]:
        """The answer as it came."""
        return self.body


def _value_fields(wire: dict[str, Any]) -> dict[str, Any]:
    return {name: wire[name] for name in ("value", "unit", "spread", "reason")}


def _finding(wire: dict[str, Any]) -> LabelFinding:
    name = wire.get("label") or wire["name"]
    return LabelFinding(name, wire["present"], wire["evidence"], tuple(wire.get("not_excluded") or ()))
