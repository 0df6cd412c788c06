"""A forward pass for a few fixed batch sizes, where another size would mean another compilation."""

from bisect import bisect_left
from collections.abc import Callable

import numpy as np
from torch import Tensor

from ecg.models.contract import Array, ModelOutput

#: Logits, embedding, tokens.
Outputs = tuple[Tensor | None, Tensor, Tensor]
#: The array to put segments into, and what to call then; the outputs are overwritten by the next call.
Sized = tuple[Array, Callable[[], Outputs]]

SIZES = (1, 2, 4, 8, 16, 32, 64)


class SizedForward:
    """Fills a batch up to the next of `SIZES` with what is there already, and cuts a longer one into largest pieces.

    Parameters
    ----------
    shape
        Of one segment: (leads, samples). Other segments are for the caller to run otherwise.
    capture
        Makes the `Sized` of a batch shape; called here, once a size, the largest first, so that memory is asked for
        once.
    """

    def __init__(self, shape: tuple[int, int], capture: Callable[[tuple[int, ...]], Sized]) -> None:
        self._shape = shape
        self._sized = {size: capture((size, *shape)) for size in reversed(SIZES)}

    def takes(self, segments: Array) -> bool:
        """Whether the segments have the shape captured."""
        return segments.shape[1:] == self._shape

    def __call__(self, segments: Array) -> ModelOutput:
        """Outputs, the caller's own, for float32 `segments` [n, leads, samples]."""
        pieces = [self._piece(segments[start : start + SIZES[-1]]) for start in range(0, len(segments), SIZES[-1])]
        logits = [piece.logits for piece in pieces if piece.logits is not None]
        return ModelOutput(
            np.concatenate(logits) if logits else None,
            np.concatenate([piece.embedding for piece in pieces]),
            np.concatenate([piece.tokens for piece in pieces]),
        )

    def _piece(self, segments: Array) -> ModelOutput:
        n = len(segments)
        staged, run = self._sized[SIZES[bisect_left(SIZES, n)]]
        staged[:n] = segments
        logits, embedding, tokens = run()
        return ModelOutput(
            None if logits is None else logits[:n].numpy().copy(),
            embedding[:n].numpy().copy(),
            tokens[:n].numpy().copy(),
        )
