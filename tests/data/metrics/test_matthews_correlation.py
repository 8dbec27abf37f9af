"""Correlation of classes."""

import logging

import pytest
from sklearn.metrics import matthews_corrcoef

from hf_tinybert.data.metrics.matthews_correlation import MatthewsCorrelation


def test_a_hand_number():
    """Prevents accuracy in its place: 2 true positives, 1 true negative, 1 false positive, 1 false negative."""
    given = MatthewsCorrelation().compute(predictions=[1, 1, 0, 1, 0], references=[1, 1, 0, 0, 1])
    # (2*1 - 1*1) / sqrt(3 * 3 * 2 * 2)
    assert given == {"matthews_correlation": pytest.approx(1 / 6)}
    assert type(given["matthews_correlation"]) is float


def test_numbers_of_more_classes_are_those_of_scikit_learn():
    """Prevents a formula for two classes that is used for three."""
    predicted, true = [0, 1, 2, 2, 1, 0], [0, 2, 2, 1, 1, 0]
    given = MatthewsCorrelation().compute(predictions=predicted, references=true)["matthews_correlation"]
    assert given == pytest.approx(matthews_corrcoef(true, predicted))


@pytest.mark.parametrize(("predicted", "true"), [([1, 1], [0, 1]), ([0, 1], [2, 2])])
def test_a_single_class_is_0_with_a_warning(predicted, true, caplog):
    """Prevents a division by zero, and a silent 0 of a model that has learnt nothing."""
    with caplog.at_level(logging.WARNING):
        scores = MatthewsCorrelation().compute(predictions=predicted, references=true)
    assert scores == {"matthews_correlation": 0.0}
    assert "are of one class" in caplog.text
