"""Scores as `evaluate` metrics whose code is in this package, so that they work without the network."""

import datasets
import evaluate
import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import accuracy_score
from transformers import EvalPrediction

__all__ = ["Accuracy", "accuracy_from_logits"]


class Accuracy(evaluate.Metric):
    """Share of the predicted class ids that equal the true ones, in [0, 1].

    Named and called as `evaluate.load("accuracy")` would be, which downloads its code from the hub:
    `Accuracy().compute(predictions=[0, 1], references=[0, 0])` gives `{"accuracy": 0.5}`.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Share of the predictions that equal their references.",
            citation="",
            inputs_description="predictions, references: one class id (int) per row.",
            features=datasets.Features(
                {"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions: ArrayLike, references: ArrayLike) -> dict[str, float]:
        return {"accuracy": float(accuracy_score(references, predictions))}


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
    if not np.isfinite(logits).all():
        bad_rows = int((~np.isfinite(logits)).any(axis=1).sum())
        raise ValueError(
            f"expected finite logits, got NaN or infinity in {bad_rows} of {len(logits)} rows; because the highest of "
            "them is no prediction; lower the learning rate or train in float32."
        )
    # In memory: Trainer scores often, and the files evaluate would write are read by nobody.
    metric = Accuracy(keep_in_memory=True)
    return {"accuracy": float(metric.compute(predictions=np.argmax(logits, axis=1), references=labels)["accuracy"])}


def _shapes(logits: np.ndarray | tuple[np.ndarray, ...]) -> str:
    return str([np.shape(part) for part in logits]) if isinstance(logits, tuple) else str(np.shape(logits))
