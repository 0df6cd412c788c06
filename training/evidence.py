"""Judging a learnt network on recordings that it has not seen, and deciding which labels may speak."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg.labels import LABEL_NAMES
from ecg.models.calibration import Calibration
from training.figures import Discrimination, brier, brier_of, discrimination, platt, probabilities

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


def gate(judged: Sequence[Judged]) -> list[str]:
    """The labels that may speak: those whose evidence passes."""
    return [name for name, found in by_label(judged).items() if found.passes]


def calibrated(archive: Judged, labels: Sequence[str]) -> Calibration:
    """The calibration of `labels`, from recordings of the archive that were not learnt from."""
    lines = {}
    for name in labels:
        index = LABEL_NAMES.index(name)
        lines[name] = platt(archive.odds[:, index], archive.labels[:, index])
    return Calibration(lines)


def table(judged: Sequence[Judged], calibration: Calibration) -> dict[str, Any]:
    """Everything the model card says about each label, JSON-ready.

    The first of `judged` is the archive, whose groups have the key ``fold``: its Brier scores are of each fold,
    calibrated on the others. Those of the other origins are of `calibration`, which none of them had a part in.
    """
    found = by_label(judged)
    archive, others = judged[0], judged[1:]
    rows = {}
    for index, name in enumerate(LABEL_NAMES):
        scores = {archive.origin: brier(archive.odds[:, index], archive.labels[:, index], archive.groups["fold"])}
        if name in calibration.lines:
            line = calibration.lines[name]
            scores |= {o.origin: brier_of(probabilities(o.odds[:, index], *line), o.labels[:, index]) for o in others}
        rows[name] = {
            "speaks": found[name].passes,
            "all": found[name].to_dict(),
            "by_origin": {
                each.origin: discrimination([(each.odds[:, index], each.labels[:, index])]).to_dict() for each in judged
            },
            "by_group": _groups(judged, index),
            "brier": {origin: [round(v, 4) for v in score] for origin, score in scores.items() if score is not None},
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
