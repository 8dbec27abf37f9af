"""Correlations of predicted and true numbers."""

import logging
from collections.abc import Callable
from typing import Any

import datasets
import evaluate
import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

__all__ = ["Pearsonr", "Spearmanr"]

logger = logging.getLogger(__name__)


class Pearsonr(evaluate.Metric):
    """Pearson's correlation coefficient, in [-1, 1]: how well a straight line fits.

    Called as `evaluate.load("pearsonr")` would be; with `return_pvalue` the answer also holds `p-value`. Where it is
    undefined (one of both columns is constant, or there are fewer than two rows) it is 0, with a warning.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _number_info("Pearson's correlation of predictions and references.")

    def _compute(self, predictions: ArrayLike, references: ArrayLike, return_pvalue: bool = False) -> dict[str, float]:
        value, probability = _correlation(stats.pearsonr, predictions, references)
        return {"pearsonr": value, "p-value": probability} if return_pvalue else {"pearsonr": value}


class Spearmanr(evaluate.Metric):
    """Spearman's rank correlation, in [-1, 1]: how alike the order is; equal numbers share their mean rank.

    Called as `evaluate.load("spearmanr")` would be; with `return_pvalue` the answer also holds `spearmanr_pvalue`.
    Where it is undefined (one of both columns is constant, or there are fewer than two rows) it is 0, with a warning.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _number_info("Spearman's rank correlation of predictions and references.")

    def _compute(self, predictions: ArrayLike, references: ArrayLike, return_pvalue: bool = False) -> dict[str, float]:
        value, probability = _correlation(stats.spearmanr, predictions, references)
        return {"spearmanr": value, "spearmanr_pvalue": probability} if return_pvalue else {"spearmanr": value}


def _number_info(description: str) -> evaluate.MetricInfo:
    number = datasets.Value("float64")
    return evaluate.MetricInfo(
        description=description,
        citation="",
        inputs_description="predictions, references: one number (float) per row.",
        features=datasets.Features({"predictions": number, "references": number}),
    )


def _correlation(test: Callable[..., Any], predictions: ArrayLike, references: ArrayLike) -> tuple[float, float]:
    """Gives the correlation and its p-value; 0 and 1 where it is undefined."""
    predicted, true = np.asarray(predictions, dtype=np.float64), np.asarray(references, dtype=np.float64)
    for name, values in (("predictions", predicted), ("references", true)):
        if not np.isfinite(values).all():
            raise ValueError(
                f"expected finite {name}, got NaN or infinity in {int((~np.isfinite(values)).sum())} of {len(values)} "
                "rows; because they have no rank and no distance; correct the rows, or train with a lower learning "
                "rate."
            )
        if len(values) < 2 or np.ptp(values) == 0:
            found = f"only {len(values)} of them" if len(values) < 2 else "all of them equal"
            logger.warning("The %s have no correlation with anything (%s); 0.0 is given.", name, found)
            return 0.0, 1.0
    result = test(predicted, true)
    return float(result.statistic), float(result.pvalue)
