"""Correlation of predicted and true classes."""

import logging

import evaluate
import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import matthews_corrcoef

from hf_tinybert.data.metrics.class_ids import class_id_features

__all__ = ["MatthewsCorrelation"]

logger = logging.getLogger(__name__)


class MatthewsCorrelation(evaluate.Metric):
    """Matthews correlation coefficient, in [-1, 1]; 0 is chance, however unequal the classes.

    Called as `evaluate.load("matthews_correlation")` would be. Where all predictions or all references are one class
    it is undefined and given as 0, with a warning.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Correlation of predicted and true classes.",
            citation="",
            inputs_description="predictions, references: one class id (int) per row.",
            features=class_id_features(self.config_name),
        )

    def _compute(
        self, predictions: ArrayLike, references: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> dict[str, float]:
        for name, values in (("predictions", predictions), ("references", references)):
            if np.unique(np.asarray(values)).size < 2:
                logger.warning(
                    "All %s are of one class, so that the Matthews correlation is undefined; 0.0 is given.", name
                )
                return {"matthews_correlation": 0.0}
        score = matthews_corrcoef(np.asarray(references), np.asarray(predictions), sample_weight=sample_weight)
        return {"matthews_correlation": float(score)}
