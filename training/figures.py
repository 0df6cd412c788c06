"""Evidence of a model: AUROC with an interval that holds for few positives, Brier score, calibration."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats
from scipy.special import expit

Floats = NDArray[np.floating[Any]]
#: The gate: a label speaks when its AUROC's lower 95 % bound is at least this, with at least so many positives.
LEAST_BOUND = 0.90
LEAST_POSITIVES = 15


@dataclass(frozen=True)
class Discrimination:
    """How well scores tell positives from negatives; `auroc` and bounds are None without both kinds."""

    positives: int
    negatives: int
    auroc: float | None
    lower: float | None
    upper: float | None

    @property
    def passes(self) -> bool:
        """Whether a label with this evidence may speak."""
        return self.lower is not None and self.lower >= LEAST_BOUND and self.positives >= LEAST_POSITIVES

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, rounded to four digits."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


def discrimination(groups: Sequence[tuple[Floats, Floats]]) -> Discrimination:
    """AUROC over (scores, truth) of one or more groups of recordings; a NaN truth is left out.

    A positive is compared with the negatives of its own group only, so that scores which tell one database or one
    network from another gain nothing. The interval is Newcombe's method 5 (Stat Med 2006;25:559), which stays honest
    for an AUROC of 1 and for few positives.
    """
    won = pairs = 0.0
    positives = negatives = 0
    for scores, truth in groups:
        known = ~np.isnan(truth)
        yes, no = scores[known & (truth == 1)], scores[known & (truth == 0)]
        negatives += len(no)
        if len(no) == 0:
            continue  # positives without anything to compare them with are no evidence
        positives += len(yes)
        ranks = stats.rankdata(np.concatenate([yes, no]))
        won += float(ranks[: len(yes)].sum()) - len(yes) * (len(yes) + 1) / 2
        pairs += len(yes) * len(no)
    if not pairs:
        return Discrimination(positives, negatives, None, None, None)
    area = won / pairs
    return Discrimination(positives, negatives, area, *auroc_interval(area, positives, negatives))


def auroc_interval(area: float, positives: int, negatives: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % interval of an AUROC by Newcombe's method 5."""
    half = (positives + negatives) / 2 - 1

    def off(theta: float) -> float:
        spread = (1 + half * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (positives * negatives)
        return abs(theta - area) - z * float(np.sqrt(theta * (1 - theta) * spread))

    low = 0.0 if area <= 0 or off(1e-9) < 0 else float(optimize.brentq(off, 1e-9, min(area, 1 - 1e-12)))
    high = 1.0 if area >= 1 or off(1 - 1e-9) < 0 else float(optimize.brentq(off, max(area, 1e-12), 1 - 1e-9))
    return low, high


def platt(odds: Floats, truth: Floats) -> tuple[float, float]:
    """(slope, intercept) that make probabilities of log odds: the likeliest under a prior that trusts the network.

    The prior (slope 1 ± 0.5, intercept 0 ± 2) decides where a label has a handful of positives.
    """
    known = ~np.isnan(truth)
    x, y = odds[known].astype(np.float64), truth[known]

    def cost(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = values[0] * x + values[1]
        prior = 0.5 * ((values[0] - 1) / 0.5) ** 2 + 0.5 * (values[1] / 2) ** 2
        off = expit(z) - y
        slopes = np.array([off @ x + (values[0] - 1) / 0.25, off.sum() + values[1] / 4])
        return float((np.logaddexp(0, z) - y * z).sum() + prior), slopes

    # The cost is convex, so that following its slope ends where it is lowest.
    slope, intercept = optimize.minimize(cost, np.array([1.0, 0.0]), jac=True, method="BFGS").x
    return float(slope), float(intercept)


def probabilities(odds: Floats, slope: float, intercept: float) -> NDArray[np.float64]:
    """Calibrated probabilities of log odds."""
    calibrated: NDArray[np.float64] = 0.5 * (1 + np.tanh(0.5 * (slope * odds.astype(np.float64) + intercept)))
    return calibrated


def brier(odds: Floats, truth: Floats, part: NDArray[Any]) -> tuple[float, float] | None:
    """Brier score of cross-validated calibration, and that of always saying the prevalence; None without positives.

    Each `part` (a value for each recording, such as its fold) is calibrated on the others, and has their prevalence
    said, so that both scores are of recordings the calibration has not seen.
    """
    known = ~np.isnan(truth)
    x, y, of = odds[known], truth[known], part[known]
    if not 2 <= y.sum() <= len(y) - 2:
        return None
    said, usual = np.empty(len(y)), np.empty(len(y))
    for value in np.unique(of):
        own = of == value
        said[own] = probabilities(x[own], *platt(x[~own], y[~own]))
        usual[own] = y[~own].mean()
    return float(np.square(said - y).mean()), float(np.square(usual - y).mean())


def brier_of(said: Floats, truth: Floats) -> tuple[float, float] | None:
    """Brier score of probabilities, and that of always saying the prevalence of these recordings themselves.

    None without positives.
    """
    known = ~np.isnan(truth)
    y = truth[known]
    if not 0 < y.sum() < len(y):
        return None
    return float(np.square(said[known] - y).mean()), float(np.square(y.mean() - y).mean())
