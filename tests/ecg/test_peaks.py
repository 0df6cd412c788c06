"""Peaks are those that SciPy finds; of equal ones, the later."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import find_peaks

from ecg.peaks import local_maxima, peaks_apart, peaks_that_stand_out

STEPS = st.lists(st.integers(0, 6), min_size=1, max_size=60).map(lambda values: np.array(values, dtype=np.float64))
DIFFERENT = st.lists(st.integers(0, 1000), min_size=1, max_size=60, unique=True).map(
    lambda values: np.array(values, dtype=np.float64)
)


@given(STEPS)
def test_maxima_are_scipys_with_the_middle_of_a_plateau(values: np.ndarray) -> None:
    assert local_maxima(values).tolist() == find_peaks(values)[0].tolist()


@given(DIFFERENT, st.integers(1, 9), st.integers(0, 500))
def test_the_highest_within_a_distance_are_scipys(values: np.ndarray, distance: int, height: int) -> None:
    expected = find_peaks(values, height=height, distance=distance)[0].tolist()
    assert peaks_apart(values, distance, height).tolist() == expected


def test_of_two_equal_peaks_the_later_stays() -> None:
    assert peaks_apart(np.array([0.0, 5.0, 0.0, 5.0, 0.0]), 3).tolist() == [3]


@given(STEPS, st.integers(0, 6))
def test_those_that_stand_out_are_scipys(values: np.ndarray, by: int) -> None:
    assert peaks_that_stand_out(values, by).tolist() == find_peaks(values, prominence=by)[0].tolist()


def test_nothing_has_no_peaks() -> None:
    for values in (np.zeros(0), np.zeros(1), np.full(5, np.nan)):
        assert local_maxima(values).tolist() == []
