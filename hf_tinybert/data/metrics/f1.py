"""Harmonic mean of precision and recall."""

from collections.abc import Sequence
from typing import Any

import evaluate
import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import f1_score

from hf_tinybert.data.metrics.class_ids import class_id_features

__all__ = ["F1"]


class F1(evaluate.Metric):
    """F1 of classes, in [0, 1]; the named average of them, or with `average=None` one for each class.

    Called as `evaluate.load("f1")` would be: `F1().compute(predictions=[0, 1], references=[0, 0], average="macro")`;
    `F1("multilabel")` takes a list of zeros and ones per row. A class that is neither predicted nor right anywhere
    counts 0, without a warning.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="2 * precision * recall / (precision + recall).",
            citation="",
            inputs_description="predictions, references: one class id (int) per row; `multilabel`: 0 or 1 per label.",
            features=class_id_features(self.config_name),
        )

    def _compute(
        self,
        predictions: ArrayLike,
        references: ArrayLike,
        labels: Sequence[int] | None = None,
        pos_label: int = 1,
        average: str | None = "binary",
        sample_weight: ArrayLike | None = None,
    ) -> dict[str, Any]:
        score = f1_score(
            np.asarray(references),
            np.asarray(predictions),
            labels=labels,
            pos_label=pos_label,
            average=average,
            sample_weight=sample_weight,
            zero_division=0.0,
        )
        return {"f1": float(score) if np.ndim(score) == 0 else score}
