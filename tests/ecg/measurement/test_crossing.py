"""The quick filters and statistics give what the libraries' slow ones give."""

import numpy as np
import pytest
from scipy import signal as dsp

from ecg.dsp import band_passed, block_means, filtered, low_pass_filter, median

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("pad", [0, 9, 40])
@pytest.mark.parametrize("cutoff_hz", [10.0, 40.0])
def test_a_filter_is_scipys_without_its_phase_shift(cutoff_hz: float, pad: int) -> None:
    samples = RANDOM.normal(size=(3, 575))
    expected = dsp.sosfiltfilt(dsp.butter(2, cutoff_hz, fs=500.0, output="sos"), samples, axis=1, padlen=pad)
    # rounding: the two ways of computing differ in the last digits
    np.testing.assert_allclose(filtered(low_pass_filter(cutoff_hz), samples, pad), expected, rtol=0, atol=1e-11)


def test_a_band_by_its_spectrum_is_that_of_the_filter_away_from_the_ends() -> None:
    samples = np.cumsum(RANDOM.normal(size=(2, 2500)), axis=1)
    sections = dsp.butter(2, (8.0, 30.0), "bandpass", fs=250.0, output="sos")
    expected = dsp.sosfiltfilt(sections, samples, axis=1)
    # the filter has forgotten its ends after a second: 8 Hz rings for a tenth of that
    np.testing.assert_allclose(
        band_passed(samples, 8.0, 30.0, 250.0)[:, 250:-250], expected[:, 250:-250], rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("shape", [(1, 4, 7), (10, 4, 7), (11, 2, 1)])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_median_is_numpys(shape: tuple[int, ...], axis: int) -> None:
    values = RANDOM.normal(size=shape)
    np.testing.assert_array_equal(median(values, axis), np.median(values, axis=axis))


def test_block_means_drop_the_remainder() -> None:
    means = block_means(np.arange(11, dtype=np.float32)[None], 3)
    assert means.dtype == np.float32
    assert means.tolist() == [[1.0, 4.0, 7.0]]
