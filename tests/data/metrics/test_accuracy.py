"""Metrics that need no network."""

import evaluate
import numpy as np
import pytest
from transformers import EvalPrediction

from hf_tinybert.data.metrics.accuracy import Accuracy, accuracy_from_logits

LOGITS = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 0.5], [0.0, 0.1, 0.2]])
LABELS = np.array([0, 1, 2, 2])


def test_accuracy_is_the_share_of_equal_ids():
    """Prevents swapped or shifted columns: a hand count, three of four."""
    assert Accuracy().compute(predictions=[0, 1, 0, 2], references=[0, 1, 2, 2]) == {"accuracy": 0.75}


def test_accuracy_is_an_evaluate_metric_that_takes_batches_and_combines():
    """Prevents a metric that only looks like one: users add batches to it and combine it."""
    metric = Accuracy()
    metric.add_batch(predictions=[0, 1], references=[0, 0])
    metric.add(prediction=1, reference=1)
    assert metric.compute() == {"accuracy": pytest.approx(2 / 3)}
    assert evaluate.combine([Accuracy()]).compute(predictions=[1], references=[1]) == {"accuracy": 1.0}


def test_the_highest_logit_is_the_prediction():
    """Prevents an accuracy over the wrong axis."""
    assert accuracy_from_logits(EvalPrediction(LOGITS, LABELS)) == {"accuracy": 0.75}


def test_a_result_is_a_plain_float():
    """Prevents NumPy scalars in trainer_state.json and summary.json, which cannot be written."""
    assert type(accuracy_from_logits(EvalPrediction(LOGITS, LABELS))["accuracy"]) is float


@pytest.mark.parametrize(
    ("logits", "labels"),
    [((LOGITS, LOGITS), LABELS), (LOGITS[:, 0], LABELS), (LOGITS, LABELS[:2]), (LOGITS, np.eye(4, 3))],
    ids=["hidden states beside the logits", "one column", "fewer labels", "several labels a row"],
)
def test_other_shapes_are_refused(logits, labels):
    """Prevents an accuracy broadcast from arrays that do not belong together."""
    with pytest.raises(ValueError, match=r"expected logits \(rows, classes\) and labels \(rows,\), got"):
        accuracy_from_logits(EvalPrediction(logits, labels))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_refused(bad):
    """Prevents a diverged model from scoring like the first class's share, since argmax of NaN is 0."""
    logits = LOGITS.copy()
    logits[1] = bad
    with pytest.raises(ValueError, match=r"NaN or infinity in 1 of 4 rows"):
        accuracy_from_logits(EvalPrediction(logits, LABELS))
