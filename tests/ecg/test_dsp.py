"""The quick statistics give what the libraries' slow ones give."""

import numpy as np
import pytest

from ecg.dsp import block_means, median

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("shape", [(1, 4, 7), (10, 4, 7), (11, 2, 1)])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_median_is_numpys(shape: tuple[int, ...], axis: int) -> None:
    values = RANDOM.normal(size=shape)
    np.testing.assert_array_equal(median(values, axis), np.median(values, axis=axis))


def test_block_means_drop_the_remainder() -> None:
    means = block_means(np.arange(11, dtype=np.float32)[None], 3)
    assert means.dtype == np.float32
    assert means.tolist() == [[1.0, 4.0, 7.0]]
