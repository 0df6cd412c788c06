"""The figures that decide which labels speak."""

import numpy as np
import pytest

from training.figures import Discrimination, auroc_interval, brier, brier_of, discrimination, platt, probabilities


def test_auroc_counts_pairs_won_and_half_of_the_ties() -> None:
    found = discrimination([(np.array([0.1, 0.5, 0.5, 0.9]), np.array([0.0, 0.0, 1.0, 1.0]))])
    assert found.auroc == pytest.approx(3.5 / 4)
    assert (found.positives, found.negatives) == (2, 2)


def test_a_group_that_scores_higher_gains_nothing() -> None:
    """Two databases, scores that tell only which database: all positives in one, compared within it."""
    high, low = np.array([5.0, 5.0, 5.0, 5.0]), np.array([0.0, 0.0])
    found = discrimination([(high, np.array([1.0, 1.0, 0.0, 0.0])), (low, np.array([0.0, 0.0]))])
    assert found.auroc == 0.5


def test_unknown_truth_is_left_out_and_lone_positives_are_no_evidence() -> None:
    found = discrimination([(np.array([1.0, 2.0]), np.array([np.nan, 1.0]))])
    assert found.auroc is None
    assert found.positives == 0
    assert not found.passes


def test_the_interval_holds_where_the_auroc_is_perfect() -> None:
    low, high = auroc_interval(1.0, 15, 1000)
    assert high == 1.0
    assert 0.9 < low < 0.99


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Normal scores with a true area of 0.921 (two deviations apart), 20 positives."""
    rng, inside = np.random.default_rng(1), 0
    for _ in range(400):
        scores = np.concatenate([rng.normal(2, 1, 20), rng.normal(0, 1, 200)])
        found = discrimination([(scores, np.repeat([1.0, 0.0], [20, 200]))])
        assert found.lower is not None
        assert found.upper is not None
        inside += found.lower <= 0.9214 <= found.upper
    assert inside >= 0.92 * 400  # 95 % less three standard errors of 400 trials


@pytest.mark.parametrize(("positives", "lower", "passes"), [(15, 0.90, True), (14, 0.99, False), (40, 0.899, False)])
def test_the_gate_asks_for_positives_and_a_bound(positives: int, lower: float, passes: bool) -> None:
    assert Discrimination(positives, 100, 0.99, lower, 1.0).passes is passes


def test_calibration_finds_the_line_that_made_the_outcomes() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 3, 20000)
    truth = (rng.random(20000) < probabilities(odds, 0.6, -1.0)).astype(float)
    assert platt(odds, truth) == pytest.approx((0.6, -1.0), abs=0.06)


def test_with_few_positives_calibration_stays_near_the_network() -> None:
    """Separable outcomes of three positives would ask for an endless slope."""
    slope, intercept = platt(np.array([3.0, 4.0, 5.0, -4.0, -5.0, -3.0]), np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]))
    assert 0.5 < slope < 2
    assert abs(intercept) < 1


def test_brier_is_better_than_prevalence_for_scores_that_tell_and_not_for_noise() -> None:
    rng = np.random.default_rng(2)
    truth = (rng.random(500) < 0.2).astype(float)
    fold = np.arange(500) % 5
    telling, usual = brier(4 * truth - 2 + rng.normal(0, 1, 500), truth, fold) or (1, 0)
    noise, _ = brier(rng.normal(0, 1, 500), truth, fold) or (0, 0)
    assert telling < 0.6 * usual
    assert noise > 0.97 * usual


def test_a_fold_is_judged_by_a_line_that_has_not_seen_it() -> None:
    """A fold of positives among folds of negatives: the others say that there are none."""
    truth, fold = np.repeat([1.0, 0.0], [10, 90]), np.repeat([1, 2, 3], [10, 45, 45])
    _, usual = brier(np.zeros(100), truth, fold) or (0, 0)
    # The ten are said to be impossible; the others have a prevalence of 10 in 55 said.
    assert usual == pytest.approx((10 * 1 + 90 * (10 / 55) ** 2) / 100)


def test_the_brier_score_of_given_probabilities() -> None:
    score = brier_of(np.array([0.9, 0.2, 0.5]), np.array([1.0, 0.0, np.nan]))
    assert score == pytest.approx(((0.01 + 0.04) / 2, 0.25))
    assert brier_of(np.array([0.9]), np.array([1.0])) is None


def test_calibration_is_not_left_where_its_search_began() -> None:
    """Twenty-six positives among 293: a search by simplex from (1, 0) once ended at (0.41, -0.02)."""
    rng = np.random.default_rng(0)
    truth = np.repeat([1.0, 0.0], [26, 267])
    odds = rng.normal(0, 1, 293) + 5 * truth
    slope, intercept = platt(odds, truth)
    assert slope > 1
    assert intercept < -3
