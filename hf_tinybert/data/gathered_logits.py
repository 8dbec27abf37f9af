"""Logits as the Trainer gathers them: one array for all rows, padded at the end with -100."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_finite", "logits_of_rows", "probabilities", "rounded"]

_PADDING = -100
_DIGITS = 6


def check_finite(logits: NDArray[Any]) -> None:
    """Refuses logits that are no numbers.

    Args:
        logits: Any shape with rows first.

    Raises:
        ValueError: If one of them is NaN or infinite.
    """
    bad_rows = int((~np.isfinite(logits)).reshape(len(logits), -1).any(axis=1).sum())
    if bad_rows:
        raise ValueError(
            f"expected finite logits, got NaN or infinity in {bad_rows} of {len(logits)} rows; because the highest of "
            "them is no prediction; lower the learning rate or train in float32."
        )


def logits_of_rows(
    logits: NDArray[Any] | tuple[NDArray[Any], ...], rows: int, width: int | None
) -> NDArray[np.float64]:
    """Gives the model's predictions for the rows without what gathering added.

    Args:
        logits: (rows, width or more), padded at the end of the second axis; the first of several outputs, such as
            hidden states that a model returns beside its logits.
        rows: Encoded rows that the model has read.
        width: Predictions per row, such as the number of classes; None takes all of them.

    Returns:
        (rows, width), float64.

    Raises:
        ValueError: If the shape is another one, or a number is not finite.
    """
    first = logits[0] if isinstance(logits, tuple) else logits
    found = np.asarray(first, dtype=np.float64)
    if found.ndim == 1:
        found = found[:, None]
    wanted = found.shape[-1] if width is None else width
    padding = found[:, wanted:] if found.ndim == 2 else np.empty(0)
    if found.ndim != 2 or len(found) != rows or found.shape[1] < wanted or (padding != _PADDING).any():
        raise ValueError(
            f"expected logits of shape ({rows}, {wanted}), got {np.shape(first)}; because every row has {wanted} "
            "predictions; let the model that was made for this task predict exactly the encoded rows."
        )
    found = found[:, :wanted]
    check_finite(found)
    return found


def probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gives the softmax over the last axis, (rows, classes)."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: NDArray[np.float64] = shifted / shifted.sum(axis=-1, keepdims=True)
    return shares


def rounded(value: float) -> float:
    """Gives a plain float of six digits, as predictions carry it."""
    return round(float(value), _DIGITS)
