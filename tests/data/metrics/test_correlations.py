"""Correlations of numbers."""

import logging

import numpy as np
import pytest
from scipy import stats

from hf_tinybert.data.metrics.correlations import Pearsonr, Spearmanr

PREDICTED, TRUE = [1.0, 2.0, 2.0, 4.0], [0.0, 5.0, 3.0, 9.0]


def test_hand_numbers():
    """Prevents a rank correlation that is none: squares have the same order, but lie on no line."""
    numbers, squares = [1.0, 2.0, 3.0], [1.0, 4.0, 9.0]
    assert Spearmanr().compute(predictions=numbers, references=squares) == {"spearmanr": pytest.approx(1.0)}
    # covariance 8, sums of squared distances 2 and 98/3
    expected = 8 / np.sqrt(2 * 98 / 3)
    assert Pearsonr().compute(predictions=numbers, references=squares) == {"pearsonr": pytest.approx(expected)}


def test_ties_and_probabilities_are_as_scipy_gives_them():
    """Prevents equal numbers that are ranked by their position, and names that the Hub's metrics do not have."""
    pearson, spearman = stats.pearsonr(PREDICTED, TRUE), stats.spearmanr(PREDICTED, TRUE)
    given = Pearsonr().compute(predictions=PREDICTED, references=TRUE, return_pvalue=True)
    assert given == pytest.approx({"pearsonr": pearson.statistic, "p-value": pearson.pvalue})
    given = Spearmanr().compute(predictions=PREDICTED, references=TRUE, return_pvalue=True)
    assert given == pytest.approx({"spearmanr": spearman.statistic, "spearmanr_pvalue": spearman.pvalue})
    assert {type(value) for value in given.values()} == {float}


@pytest.mark.parametrize("metric", [Pearsonr, Spearmanr])
@pytest.mark.parametrize(("predicted", "true"), [([1.0, 1.0], [0.0, 2.0]), ([0.0, 2.0], [3.0, 3.0]), ([1.0], [2.0])])
def test_an_undefined_correlation_is_0_with_a_warning(metric, predicted, true, caplog):
    """Prevents NaN as the metric of the best model: nothing is greater than it, so the first model would stay."""
    with caplog.at_level(logging.WARNING):
        scores = metric().compute(predictions=predicted, references=true)
    assert list(scores.values()) == [0.0]
    assert "have no correlation" in caplog.text


@pytest.mark.parametrize("metric", [Pearsonr, Spearmanr])
def test_predictions_that_are_no_numbers_are_refused(metric):
    """Prevents a diverged model whose NaN are ranked."""
    with pytest.raises(ValueError, match="expected finite predictions, got NaN or infinity in 1 of 2 rows"):
        metric().compute(predictions=[float("nan"), 1.0], references=[0.0, 1.0])
