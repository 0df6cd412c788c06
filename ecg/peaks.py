"""Local maxima of a signal: the highest within a distance, or those that stand out from what is around them."""

import numpy as np
from numpy.typing import NDArray

from ecg.filters import Floating

Index = NDArray[np.int64]


def local_maxima(values: NDArray[Floating]) -> Index:
    """The places higher than their neighbours, int64 [peak] rising; the middle of a plateau, and neither end."""
    changes = np.flatnonzero(values[1:] != values[:-1])
    first = np.concatenate([[0], changes + 1])
    last = np.concatenate([changes, [len(values) - 1]])
    level = values[first] if len(values) else values
    higher = np.flatnonzero((level[1:-1] > level[:-2]) & (level[1:-1] > level[2:])) + 1
    middles: Index = (first[higher] + last[higher]) // 2
    return middles


def peaks_apart(values: NDArray[Floating], distance: int, height: float = -np.inf) -> Index:
    """Local maxima of at least `height`, the highest within every `distance` samples, int64 [peak] rising.

    Of two equally high ones the later.
    """
    found = local_maxima(values)
    found = found[values[found] >= height]
    kept = np.ones(len(found), dtype=bool)
    places = found.tolist()
    for at in np.argsort(values[found], kind="stable")[::-1].tolist():
        if not kept[at]:
            continue
        before = at - 1
        while before >= 0 and places[at] - places[before] < distance:
            kept[before] = False
            before -= 1
        after = at + 1
        while after < len(places) and places[after] - places[at] < distance:
            kept[after] = False
            after += 1
    return found[kept]


def peaks_that_stand_out(values: NDArray[Floating], by: float) -> Index:
    """Local maxima that stand out by at least `by` from the higher of the two valleys beside them, int64 [peak].

    A valley reaches from the peak to the next higher sample, or to the end.
    """
    found = local_maxima(values)
    kept = []
    for at in found.tolist():
        higher = np.flatnonzero(values > values[at])
        after = int(np.searchsorted(higher, at))
        begin = int(higher[after - 1]) + 1 if after else 0
        end = int(higher[after]) if after < len(higher) else len(values)
        valley = max(values[begin : at + 1].min(), values[at:end].min())
        kept.append(values[at] - valley >= by)
    standing: Index = found[np.array(kept, dtype=bool)]
    return standing
