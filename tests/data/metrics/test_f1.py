"""F1 of classes."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import f1_score

from hf_tinybert.data.metrics.class_ids import MULTI_LABEL
from hf_tinybert.data.metrics.f1 import F1

PREDICTED, TRUE = [0, 0, 1, 1, 2, 0], [0, 1, 1, 1, 0, 2]


def test_a_hand_number_for_each_average():
    """Prevents precision in the place of F1, or a mean that is weighted where it should not be."""
    pairs = {"predictions": PREDICTED, "references": TRUE}
    # class 0: 1 of 3 predicted, 1 of 2 true; class 1: 2 of 2, 2 of 3; class 2: none
    each = [2 / 5, 4 / 5, 0.0]
    assert F1().compute(**pairs, average=None)["f1"] == pytest.approx(each)
    assert F1().compute(**pairs, average="macro") == {"f1": pytest.approx(np.mean(each))}
    assert F1().compute(**pairs, average="micro") == {"f1": pytest.approx(3 / 6)}
    assert F1().compute(predictions=[1, 1, 0], references=[1, 0, 0]) == {"f1": pytest.approx(2 / 3)}


@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
def test_numbers_are_those_of_scikit_learn(average):
    """Prevents predictions and references that are swapped on the way: weighted F1 tells them apart."""
    given = F1().compute(predictions=PREDICTED, references=TRUE, average=average)["f1"]
    assert given == pytest.approx(f1_score(TRUE, PREDICTED, average=average, zero_division=0.0))
    assert type(given) is float


def test_several_labels_a_row():
    """Prevents a score of whole rows: three of four marks are found, nothing wrong."""
    found, true = [[1, 0, 1], [0, 0, 1]], [[1, 0, 1], [0, 1, 1]]
    pairs = {"predictions": found, "references": true}
    assert F1(MULTI_LABEL).compute(**pairs, average="micro") == {"f1": pytest.approx(2 * 3 / (3 + 4))}
    assert F1(MULTI_LABEL).compute(**pairs, average="macro") == {"f1": pytest.approx(2 / 3)}


def test_nothing_predicted_is_0_without_a_warning():
    """Prevents thousands of warnings in the first epoch of a task with rare labels."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = F1(MULTI_LABEL).compute(predictions=[[0, 0]], references=[[0, 1]], average="macro")
    assert scores == {"f1": 0.0}
