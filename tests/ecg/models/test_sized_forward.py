"""Fixed batch sizes: every size of batch gets the answers of a batch of its own, whatever was run before."""

import numpy as np
import torch

from ecg.models import load_model
from ecg.models.engines.fixed_batches import SIZES, Outputs, Sized, SizedForward
from tests.ecg.models.test_engines import CHECKPOINT

SHAPE = (12, 320)


def test_padding_and_cutting_change_nothing() -> None:
    model = load_model(CHECKPOINT, "torch", "float32")
    captured = []

    def capture(shape: tuple[int, ...]) -> Sized:
        """An eager pass over a fixed array, as a CUDA graph is one."""
        captured.append(shape[0])
        staged = np.full(shape, np.float32(7.0))

        def run() -> Outputs:
            output = model(staged)
            assert output.logits is not None
            return (
                torch.from_numpy(output.logits),
                torch.from_numpy(output.embedding),
                torch.from_numpy(output.tokens),
            )

        return staged, run

    sized = SizedForward(SHAPE, capture)
    assert captured == sorted(SIZES, reverse=True)
    rng = np.random.default_rng(0)
    for n in (5, 1, 2, 3, 67):
        segments = rng.standard_normal((n, *SHAPE), dtype=np.float32)
        assert sized.takes(segments)
        found, expected = sized(segments), model(segments)
        assert found.logits is not None
        assert expected.logits is not None
        # Another batch size sums in another order: 4.5e-6 on the full-size reference.
        np.testing.assert_allclose(found.logits, expected.logits, atol=2e-5)
        np.testing.assert_allclose(found.embedding, expected.embedding, atol=2e-5)
        np.testing.assert_allclose(found.tokens, expected.tokens, atol=2e-5)


def test_segments_of_another_length_are_not_taken() -> None:
    sized = SizedForward(
        SHAPE, lambda shape: (np.zeros(shape, np.float32), lambda: (None, torch.zeros(1), torch.zeros(1)))
    )
    assert not sized.takes(np.zeros((1, 12, 336), np.float32))
