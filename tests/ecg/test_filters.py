"""The filters give what SciPy's give, whose import a process of the service need not pay for."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from scipy import signal as dsp

from ecg.filters import Ends, LowPass, band_passed, fast_length, filtered, resampled, running_mean

RANDOM = np.random.default_rng(3)
SCIPYS_NAME: dict[Ends, str] = {"symmetric": "reflect", "edge": "nearest", "constant": "constant"}


@pytest.mark.parametrize("pad", [0, 9, 40])
@pytest.mark.parametrize("cutoff_hz", [10.0, 40.0])
def test_a_filter_is_scipys_without_its_phase_shift(cutoff_hz: float, pad: int) -> None:
    samples = RANDOM.normal(size=(3, 575))
    expected = dsp.sosfiltfilt(dsp.butter(2, cutoff_hz, fs=500.0, output="sos"), samples, axis=1, padlen=pad)
    # rounding: the two ways of computing differ in the last digits
    np.testing.assert_allclose(filtered(LowPass(cutoff_hz, 500.0), samples, pad), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("cutoff_hz", [0.0, 250.0, 300.0, float("nan")])
def test_a_corner_beyond_half_of_the_rate_is_refused(cutoff_hz: float) -> None:
    with pytest.raises(ValueError, match="half of 500 Hz"):
        LowPass(cutoff_hz, 500.0)


def test_a_band_by_its_spectrum_is_that_of_the_filter_away_from_the_ends() -> None:
    samples = np.cumsum(RANDOM.normal(size=(2, 2500)), axis=1)
    sections = dsp.butter(2, (8.0, 30.0), "bandpass", fs=250.0, output="sos")
    expected = dsp.sosfiltfilt(sections, samples, axis=1)
    # the filter has forgotten its ends after a second: 8 Hz rings for a tenth of that
    np.testing.assert_allclose(
        band_passed(samples, 8.0, 30.0, 250.0)[:, 250:-250], expected[:, 250:-250], rtol=0, atol=1e-6
    )


def test_a_band_in_float32_is_that_in_float64() -> None:
    samples = np.cumsum(RANDOM.normal(size=(2, 2500)), axis=1)
    single = band_passed(samples.astype(np.float32), 8.0, 30.0, 250.0)
    assert single.dtype == np.float32
    # float32 holds seven digits of the random walk, which goes some tens away from zero
    np.testing.assert_allclose(single, band_passed(samples, 8.0, 30.0, 250.0), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("cutoff_hz", "fs_hz", "n"), [(0.5, 20.0, 12), (0.5, 20.0, 200), (200.0, 500.0, 31)])
def test_a_filter_starts_at_rest_on_the_first_sample(cutoff_hz: float, fs_hz: float, n: int) -> None:
    level = np.full((2, n), 7.0)
    np.testing.assert_allclose(filtered(LowPass(cutoff_hz, fs_hz), level, 0), level, rtol=0, atol=1e-12)
    b, a = dsp.butter(2, cutoff_hz, fs=fs_hz)
    samples = RANDOM.normal(size=(2, n)) + 7.0
    forth = dsp.lfilter(b, a, samples, axis=1, zi=dsp.lfilter_zi(b, a) * samples[:, :1])[0][:, ::-1]
    back = dsp.lfilter(b, a, forth, axis=1, zi=dsp.lfilter_zi(b, a) * forth[:, :1])[0][:, ::-1]
    np.testing.assert_allclose(filtered(LowPass(cutoff_hz, fs_hz), samples, 0), back, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("up", "down"), [(5, 1), (2, 1), (1, 2), (25, 18), (125, 64), (500, 257), (1, 8)])
@pytest.mark.parametrize("n", [2, 77, 2000])
def test_a_changed_rate_is_scipys(up: int, down: int, n: int) -> None:
    # Both ends at zero: SciPy gives a level a ripple of half a thousandth, and takes out no line.
    samples = np.cumsum(RANDOM.normal(size=(3, n)), axis=1)
    samples -= np.linspace(samples[:, 0], samples[:, -1], n, axis=1)
    expected = dsp.resample_poly(samples, up, down, axis=1)
    new = resampled(samples, up, down)
    assert new.shape == expected.shape
    np.testing.assert_allclose(new, expected, rtol=0, atol=1e-3 * max(1.0, np.abs(samples).max()))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 300))
def test_a_line_stays_a_line_at_any_rate(up: int, down: int, n: int) -> None:
    line = np.array([[3.0], [-1.0]]) + np.array([[0.5], [0.0]]) * np.arange(n)
    new = resampled(line, up, down)
    expected = np.array([[3.0], [-1.0]]) + np.array([[0.5], [0.0]]) * np.arange(new.shape[1]) * down / up * (n > 1)
    np.testing.assert_allclose(new, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("size", [1, 2, 15, 25, 40])
@pytest.mark.parametrize("ends", list(SCIPYS_NAME))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_running_mean_is_scipys(size: int, ends: Ends, dtype: type) -> None:
    samples = RANDOM.normal(size=(3, 4, 77)).astype(dtype)
    mean = running_mean(samples, size, ends)
    assert mean.dtype == dtype
    expected = ndimage.uniform_filter1d(samples, size, axis=2, mode=SCIPYS_NAME[ends])
    np.testing.assert_allclose(mean, expected, rtol=0, atol=1e-6 if dtype is np.float32 else 1e-12)


@given(st.integers(1, 10**6))
def test_a_fast_length_is_no_shorter_and_has_small_factors(n: int) -> None:
    length = fast_length(n)
    assert n <= length <= 2 * n
    for factor in (2, 3, 5):
        while length % factor == 0:
            length //= factor
    assert length == 1


def test_an_examination_imports_no_scipy() -> None:
    code = (
        "import sys, ecg\n"
        "from ecg.pipeline import examine\n"
        "examine(ecg.simulate(ecg.Scenario(fs_hz=360)).record)\n"
        "assert not [name for name in sys.modules if name.startswith('scipy')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
