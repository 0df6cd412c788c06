"""The vocabulary names the model's labels as the model does."""

from ecg.findings.vocabulary import Label
from ecg.labels import LABEL_NAMES


def test_the_labels_are_those_of_the_model_in_its_order():
    assert tuple(Label) == LABEL_NAMES
