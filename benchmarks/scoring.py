"""What a table row says: errors of one parameter, findings of one label, matched beats."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Errors:
    """Errors of one parameter over a set of recordings, each one counted.

    `missed` has a reference but no measurement, `invented` a measurement but no reference; `limit` is the allowed
    absolute bias and SD, None when there is none. `pairs` are (reference, error).
    """

    parameter: str
    unit: str
    missed: int
    invented: int
    limit: tuple[float, float] | None
    pairs: tuple[tuple[float, float], ...]

    @property
    def n(self) -> int:
        return len(self.pairs)

    @property
    def bias(self) -> float:
        return float(np.mean([error for _, error in self.pairs])) if self.pairs else math.nan

    @property
    def sd(self) -> float:
        return float(np.std([error for _, error in self.pairs], ddof=1)) if self.n > 1 else math.nan

    def percentile(self, q: float) -> float:
        return float(np.percentile([abs(error) for _, error in self.pairs], q)) if self.pairs else math.nan

    def about_median(self, q: float) -> float:
        """Percentile of the distances of the errors from their median: the spread, whatever the level."""
        values = np.array([error for _, error in self.pairs])
        return float(np.percentile(np.abs(values - np.median(values)), q)) if self.pairs else math.nan

    @property
    def within(self) -> bool | None:
        return None if self.limit is None else abs(self.bias) <= self.limit[0] and self.sd <= self.limit[1]

    def to_dict(self) -> dict[str, object]:
        numbers = {"bias": self.bias, "sd": self.sd, "p75": self.percentile(75), "p95": self.percentile(95)}
        return {
            "parameter": self.parameter,
            "unit": self.unit,
            "n": self.n,
            "missed": self.missed,
            "invented": self.invented,
            "limit": self.limit,
            "within": self.within,
        } | {name: None if math.isnan(value) else round(value, 2) for name, value in numbers.items()}


def errors(
    parameter: str, unit: str, pairs: Iterable[tuple[float | None, float | None]], limit: tuple[float, float] | None
) -> Errors:
    """`Errors` from (reference, measured) pairs; axes are compared on the circle."""
    found, missed, invented = [], 0, 0
    for reference, measured in pairs:
        if reference is None:
            invented += measured is not None
        elif measured is None:
            missed += 1
        else:
            error = measured - reference
            found.append((reference, (error + 180.0) % 360.0 - 180.0 if unit == "°" else error))
    return Errors(parameter, unit, missed, invented, limit, tuple(found))


@dataclass(frozen=True)
class Detection:
    """How one label was answered where the reference says yes or no; `open` answers decide nothing."""

    label: str
    found: int
    missed: int
    open_positive: int
    false: int
    right: int
    open_negative: int

    @property
    def positives(self) -> int:
        return self.found + self.missed + self.open_positive

    @property
    def negatives(self) -> int:
        return self.false + self.right + self.open_negative

    @property
    def sensitivity(self) -> float | None:
        """Found over all positives: an open answer has not found it."""
        return self.found / self.positives if self.positives else None

    @property
    def specificity(self) -> float | None:
        """Not called present over all negatives: an open answer is no false alarm."""
        return 1 - self.false / self.negatives if self.negatives else None

    def to_dict(self) -> dict[str, object]:
        shares = {"sensitivity": self.sensitivity, "specificity": self.specificity}
        return {
            "label": self.label,
            "positives": self.positives,
            "found": self.found,
            "missed": self.missed,
            "open_positive": self.open_positive,
            "negatives": self.negatives,
            "false": self.false,
            "open_negative": self.open_negative,
        } | {name: None if value is None else round(value, 3) for name, value in shares.items()}


def detection(label: str, pairs: Iterable[tuple[bool | None, bool | None]]) -> Detection:
    """`Detection` from (reference, answer) pairs; a reference of None does not count."""
    counts = {(truth, answer): 0 for truth in (True, False) for answer in (True, False, None)}
    for truth, answer in pairs:
        if truth is not None:
            counts[truth, answer] += 1
    return Detection(
        label,
        counts[True, True],
        counts[True, False],
        counts[True, None],
        counts[False, True],
        counts[False, False],
        counts[False, None],
    )


@dataclass(frozen=True)
class BeatMatch:
    """Reference beats found, beats missed and beats invented."""

    records: int
    matched: int
    missed: int
    invented: int

    @property
    def sensitivity(self) -> float:
        return self.matched / max(1, self.matched + self.missed)

    @property
    def ppv(self) -> float:
        return self.matched / max(1, self.matched + self.invented)

    @property
    def f1(self) -> float:
        return 2 * self.sensitivity * self.ppv / max(1e-9, self.sensitivity + self.ppv)

    def __add__(self, other: "BeatMatch") -> "BeatMatch":
        return BeatMatch(
            self.records + other.records,
            self.matched + other.matched,
            self.missed + other.missed,
            self.invented + other.invented,
        )

    def to_dict(self) -> dict[str, float]:
        shares = {"sensitivity": self.sensitivity, "ppv": self.ppv, "f1": self.f1}
        counts = {"records": self.records, "beats": self.matched + self.missed, "missed": self.missed}
        return counts | {"invented": self.invented} | {name: round(value, 5) for name, value in shares.items()}


def match_beats(reference: NDArray[np.int64], found: NDArray[np.int64], reach: float) -> BeatMatch:
    """Each reference beat with the nearest free found one within `reach` samples."""
    free = np.ones(len(found), dtype=bool)
    matched = 0
    for beat in reference:
        near = np.flatnonzero(free & (np.abs(found - beat) <= reach))
        if len(near):
            free[near[np.abs(found[near] - beat).argmin()]] = False
            matched += 1
    return BeatMatch(1, matched, len(reference) - matched, int(free.sum()))
