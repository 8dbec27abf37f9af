"""Share of right predictions."""

import evaluate
import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import accuracy_score
from transformers import EvalPrediction

from hf_tinybert.data.gathered_logits import check_finite
from hf_tinybert.data.metrics.class_ids import class_id_features

__all__ = ["Accuracy", "accuracy_from_logits"]


class Accuracy(evaluate.Metric):
    """Share of the rows whose prediction equals the reference, in [0, 1].

    Called as `evaluate.load("accuracy")` would be, which downloads its code from the hub:
    `Accuracy().compute(predictions=[0, 1], references=[0, 0])` gives `{"accuracy": 0.5}`. With
    `Accuracy("multilabel")` a row is a list of zeros and ones, one for each label, and all must be right.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Share of the predictions that equal their references.",
            citation="",
            inputs_description="predictions, references: one class id (int) per row; `multilabel`: 0 or 1 per label.",
            features=class_id_features(self.config_name),
        )

    def _compute(
        self,
        predictions: ArrayLike,
        references: ArrayLike,
        normalize: bool = True,
        sample_weight: ArrayLike | None = None,
    ) -> dict[str, float]:
        score = accuracy_score(
            np.asarray(references), np.asarray(predictions), normalize=normalize, sample_weight=sample_weight
        )
        return {"accuracy": float(score)}


def accuracy_from_logits(evaluation: EvalPrediction) -> dict[str, float]:
    """Gives the accuracy of the highest logit; fits `Trainer(compute_metrics=...)`.

    Args:
        evaluation: `predictions` are logits (rows, classes), `label_ids` are class ids (rows,).

    Returns:
        `{"accuracy": share}`, in [0, 1].

    Raises:
        ValueError: If the predictions are not one finite array of logits with a label for each row.
    """
    logits, labels = evaluation.predictions, np.asarray(evaluation.label_ids)
    if isinstance(logits, tuple) or np.ndim(logits) != 2 or labels.shape != np.shape(logits)[:1]:
        raise ValueError(
            f"expected logits (rows, classes) and labels (rows,), got {_shapes(logits)} and {labels.shape}; because "
            "accuracy compares one class per row; let the model return only its logits, and use it for a task with "
            "one class per text."
        )
    check_finite(logits)
    # In memory: Trainer scores often, and the files evaluate would write are read by nobody.
    metric = Accuracy(keep_in_memory=True)
    return {"accuracy": float(metric.compute(predictions=np.argmax(logits, axis=1), references=labels)["accuracy"])}


def _shapes(logits: np.ndarray | tuple[np.ndarray, ...]) -> str:
    return str([np.shape(part) for part in logits]) if isinstance(logits, tuple) else str(np.shape(logits))
