"""How the limb leads agree with the laws of Einthoven and Goldberger, and which leads are copies of another."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ecg.dsp import median, rank
from ecg.leads import FROM_I_II, INDEPENDENT_LEADS, LIMB_LEADS
from ecg.quality.beat_check import BeatView
from ecg.quality.limits import BEAT_CHECK, FIGURES

Floats = NDArray[np.float32]


def readable_by_law(
    leads: tuple[str, ...], readable: NDArray[np.float64], dead: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Leads III, aVR, aVL and aVF are at least as readable as both I and II, which they are made of.

    A small QRS there, unlike from beat to beat, is what two readable leads leave of each other.
    """
    both = min(readable[leads.index("I")], readable[leads.index("II")])
    made = [row for row, lead in enumerate(leads) if lead in FROM_I_II and row not in dead]
    raised = readable.copy()
    raised[made] = np.maximum(raised[made], both)
    return raised


def swapped_leads(leads: tuple[str, ...], work: Floats, height: float) -> str | None:
    """Two limb leads whose names are exchanged, as ``"aVL/aVF"``: with them in order the leads obey the laws, else not.

    None where the laws hold, where no exchange mends them, and without all six leads.
    """
    if not set(LIMB_LEADS) <= set(leads):
        return None
    limbs = work[[leads.index(lead) for lead in LIMB_LEADS]].astype(np.float64)
    limbs -= limbs.mean(axis=1, keepdims=True)
    products = limbs @ limbs.T / limbs.shape[1]
    as_named = _law_error(products) / height
    if as_named < FIGURES.swap_least:
        return None
    errors = {}
    for pair in combinations(range(len(LIMB_LEADS)), 2):
        order = np.arange(len(LIMB_LEADS))
        order[list(pair)] = pair[::-1]
        errors[pair] = _law_error(products[np.ix_(order, order)]) / height
    best = min(errors, key=errors.__getitem__)
    return "/".join(LIMB_LEADS[row] for row in best) if errors[best] <= FIGURES.swap_share * as_named else None


def _law_error(products: NDArray[np.float64]) -> float:
    """The root mean square departure of III, aVR, aVL and aVF from what I and II make of them.

    From the mean products of the six leads with each other, their own means apart, [lead, lead] as in `LIMB_LEADS`.
    """
    return float(np.sqrt(max(0.0, np.einsum("rl,lm,rm->r", _LAWS, products, _LAWS).max())))


def _laws() -> NDArray[np.float64]:
    """What the laws leave of the six limb leads, which is nothing, float64 [law, lead]."""
    laws = np.zeros((len(FROM_I_II), len(LIMB_LEADS)))
    for law, (lead, (on_i, on_ii)) in zip(laws, FROM_I_II.items(), strict=True):
        law[[LIMB_LEADS.index(name) for name in (lead, "I", "II")]] = 1.0, -on_i, -on_ii
    return laws


_LAWS = _laws()


def copies_share(leads: tuple[str, ...], work: Floats, dead: NDArray[np.intp]) -> float:
    """The share of I, II and V1 to V6 that are a copy of another of them, scaled or not; 0 to 1."""
    rows = [row for row, lead in enumerate(leads) if lead in INDEPENDENT_LEADS and row not in dead]
    if len(rows) < FIGURES.fewest_to_compare:
        return 0.0
    level = work[rows] - work[rows].mean(axis=1, keepdims=True)
    norm = np.sqrt((level.astype(np.float64) ** 2).sum(axis=1))
    unit = level / np.where(norm > 0, norm, np.inf)[:, None]
    alike = np.abs(unit @ unit.T) > FIGURES.copy
    np.fill_diagonal(alike, False)
    return float(alike.any(axis=1).mean())


def law_residual_at_r(leads: tuple[str, ...], beats: BeatView, dead: NDArray[np.intp]) -> float | None:
    """The largest `law_residual` within the QRS complex of the median beat, over its height in the median lead."""
    if beats.median_beats is None:
        return None
    r, before, after = (round(s * beats.fs_hz) for s in (BEAT_CHECK.before_s, *BEAT_CHECK.qrs_s))
    level = median(beats.median_beats)[:, None]
    qrs = (beats.median_beats - level)[:, r - before : r + after]
    height = float(np.median(np.ptp(np.delete(qrs, dead, axis=0), axis=1)))
    return law_residual(leads, qrs, height, dead, 1.0) if height > 0 else None


def law_residual(
    leads: tuple[str, ...], work: Floats, height: float, dead: NDArray[np.intp], quantile: float
) -> float | None:
    """A quantile of the sizes of I + III - II and of the augmented leads' residuals; the largest of the laws.

    Flat leads are left out; None without I, II and one of the others.
    """
    row = {lead: work[i] for i, lead in enumerate(leads) if i not in dead}
    lawful = [lead for lead in FROM_I_II if lead in row]
    if "I" not in row or "II" not in row or not lawful:
        return None
    made = np.array([FROM_I_II[lead] for lead in lawful], dtype=np.float32) @ np.stack([row["I"], row["II"]])
    left = np.stack([row[lead] for lead in lawful]) - made
    return float(rank(np.abs(left - median(left)[:, None]), quantile).max()) / height
