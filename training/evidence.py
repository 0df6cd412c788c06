"""Judging a learnt network on recordings that it has not seen, and deciding which labels may speak."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ecg.labels import LABEL_NAMES
from ecg.models.calibration import Calibration
from training.figures import LEAST_POSITIVES, Discrimination, brier, brier_of, discrimination, platt, probabilities

Line = tuple[float, float]
#: Copies of a recording are alike when a probability differs by no more than this.
ALIKE = 0.1


@dataclass(frozen=True)
class Judged:
    """Log odds [n, 17] of recordings that the network has not learnt from, with their labels [n, 17], by origin.

    `groups` names a group for each recording, such as its sex or its fold.
    """

    origin: str
    odds: NDArray[np.float32]
    labels: NDArray[np.float32]
    groups: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)


def by_label(judged: Sequence[Judged]) -> dict[str, Discrimination]:
    """How well each label is told over all of `judged`."""
    return {
        name: discrimination([(each.odds[:, index], each.labels[:, index]) for each in judged])
        for index, name in enumerate(LABEL_NAMES)
    }


def gate(judged: Sequence[Judged]) -> Calibration:
    """The labels that may speak, and how their scores become probabilities.

    Their evidence passes, and their probabilities are better than saying the prevalence: on the archive, the first of
    `judged`, on which the lines are fitted, and in each other set with enough positives.
    """
    archive, lines = judged[0], {}
    for name, found in by_label(judged).items():
        index = LABEL_NAMES.index(name)
        if found.passes:
            line = platt(archive.odds[:, index], archive.labels[:, index])
            if all(score < usual for score, usual in _brier_scores(judged, index, line, LEAST_POSITIVES).values()):
                lines[name] = line
    return Calibration(lines)


def _brier_scores(
    judged: Sequence[Judged], index: int, line: Line | None, least: int = 1
) -> dict[str, tuple[float, float]]:
    """By origin, Brier score and that of the prevalence.

    Each fold of the archive is calibrated on the others; other origins need a `line`, which they had no part in, and
    at least so many positives.
    """
    scores = {}
    for each in judged:
        odds, truth = each.odds[:, index], each.labels[:, index]
        if each is judged[0]:
            score = brier(odds, truth, each.groups["fold"])
        else:
            told = line is not None and np.nansum(truth) >= least
            score = brier_of(probabilities(odds, *cast(Line, line)), truth) if told else None
        if score is not None:
            scores[each.origin] = score
    return scores


def table(judged: Sequence[Judged], calibration: Calibration) -> dict[str, Any]:
    """Everything the model card says about each label, JSON-ready.

    `calibration` is that of the labels that speak.
    """
    found = by_label(judged)
    rows = {}
    for index, name in enumerate(LABEL_NAMES):
        scores = _brier_scores(judged, index, calibration.lines.get(name))
        rows[name] = {
            "speaks": name in calibration.lines,
            "all": found[name].to_dict(),
            "by_origin": {
                each.origin: discrimination([(each.odds[:, index], each.labels[:, index])]).to_dict() for each in judged
            },
            "by_group": _groups(judged, index),
            "brier": {origin: [round(v, 4) for v in score] for origin, score in scores.items()},
        }
    return rows


def by_copy(
    others: Sequence[Judged], copies: Mapping[str, NDArray[np.float32]], labels: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """How well `labels` are told in each copy (log odds [n, 17], the recordings of `others` in their order)."""
    ends = np.cumsum([len(each.odds) for each in others])[:-1]
    told: dict[str, dict[str, Any]] = {}
    for name in labels:
        index = LABEL_NAMES.index(name)
        told[name] = {
            copy: discrimination(
                [
                    (part[:, index], each.labels[:, index])
                    for part, each in zip(np.split(odds, ends), others, strict=True)
                ]
            ).to_dict()
            for copy, odds in copies.items()
        }
    return told


def _groups(judged: Sequence[Judged], index: int) -> dict[str, Any]:
    named: dict[str, list[tuple[Any, Any]]] = {}
    for each in judged:
        for kind, values in each.groups.items():
            for value in sorted(set(values.tolist()) - {""}):
                own = values == value
                named.setdefault(f"{kind} {value}", []).append((each.odds[own, index], each.labels[own, index]))
    return {name: discrimination(parts).to_dict() for name, parts in named.items()}


def alike(calibration: Calibration, copies: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
    """Share of recordings whose probabilities in all `copies` (log odds [n, 17] each) lie within `ALIKE`, by label.

    ``"every label"`` counts a recording only when all its validated labels do.
    """
    shares, every = {}, None
    for name, line in calibration.lines.items():
        said = np.stack([probabilities(odds[:, LABEL_NAMES.index(name)], *line) for odds in copies.values()])
        within = np.ptp(said, axis=0) <= ALIKE
        shares[name] = round(float(within.mean()), 4)
        every = within if every is None else every & within
    return shares | ({} if every is None else {"every label": round(float(every.mean()), 4)})
