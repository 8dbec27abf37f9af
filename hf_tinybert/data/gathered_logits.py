"""Logits as the Trainer gathers them: one array for all encoded rows, padded at the end with -100."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_finite", "logits_of_rows", "rounded"]

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
    logits: NDArray[Any] | tuple[NDArray[Any], ...], row_numbers: Sequence[int], width: int | None
) -> NDArray[np.float64]:
    """Gives the model's predictions in the order of the raw rows, without what gathering added.

    Args:
        logits: (encoded_rows, width or more), padded at the end of the second axis; of several outputs, such as
            hidden states that a model returns beside its logits, the first.
        row_numbers: The raw row of each encoded row; encoded rows of one raw row stay in their order.
        width: Predictions per encoded row, such as the number of classes; None takes all of them.

    Returns:
        (encoded_rows, width), float64.

    Raises:
        ValueError: If the shape is another one, or a number is not finite.
    """
    first = np.asarray(logits[0] if isinstance(logits, tuple) else logits, dtype=np.float64)
    found = first[:, None] if first.ndim == 1 else first
    wanted = found.shape[-1] if width is None else width
    shaped = found.ndim == 2 and len(found) == len(row_numbers) and found.shape[1] >= wanted
    if not shaped or (found[:, wanted:] != _PADDING).any():
        raise ValueError(
            f"expected logits of shape ({len(row_numbers)}, {wanted}), got {first.shape}; because every encoded row "
            f"has {wanted} predictions; let a model that was made for this task predict exactly the encoded rows."
        )
    ordered: NDArray[np.float64] = found[np.argsort(row_numbers, kind="stable"), :wanted]
    check_finite(ordered)
    return ordered


def rounded(value: float) -> float:
    """Gives a plain float of six digits, as predictions carry it."""
    return round(float(value), _DIGITS)
