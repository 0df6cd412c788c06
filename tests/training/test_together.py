"""Rules and model held against each other."""

import numpy as np
import pytest

from training.together import at_specificity, compared


def test_sensitivity_is_taken_where_so_many_negatives_score_higher() -> None:
    scores = np.array([0.9, 0.4, 0.2, 0.8, 0.3, 0.1, 0.05])
    truth = np.array([1, 1, 1, 0, 0, 0, 0], dtype=np.float32)
    assert at_specificity(scores, truth, 1.0) == pytest.approx(1 / 3)
    assert at_specificity(scores, truth, 0.75) == pytest.approx(2 / 3)
    assert at_specificity(scores, truth, 0.5) == 1.0


def test_a_good_rule_and_a_good_model_together_are_better_than_either() -> None:
    """The rule misses one positive that the model is sure of; the model misses one that the rule finds."""
    said = np.array([0.95, 0.3, 0.6, 0.4, 0.2, 0.1])
    rules = np.array([np.nan, 1.0, 1.0, 0.0, 0.0, np.nan])
    truth = np.array([1, 1, 1, 0, 0, 0], dtype=np.float32)
    found = compared(said, rules, truth)
    assert found is not None
    assert (found["specificity"], found["rules"], found["model"], found["both"]) == (1.0, 0.6667, 0.6667, 1.0)
    assert (found["specificity_of_model"], found["model_alone"], found["both_there"]) == (1.0, 0.6667, 1.0)
    assert (found["answered_specificity"], found["answered"]) == (1.0, 1.0)


def test_nothing_is_said_without_positives() -> None:
    assert compared(np.array([0.5]), np.array([1.0]), np.array([0.0], dtype=np.float32)) is None
