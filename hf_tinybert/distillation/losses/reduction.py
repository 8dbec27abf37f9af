"""What all terms share: how they are averaged, in which form and in which precision they are computed."""

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import ParamSpec

import torch
from torch import Tensor


class Reduction(StrEnum):
    """How a term is averaged.

    `mean` averages over what is valid, so that padding can never change a loss; `reference` reproduces the published
    code's arithmetic (padding positions count in the denominators), for parity.
    """

    MEAN = "mean"
    REFERENCE = "reference"


class AttentionForm(StrEnum):
    """How the attention term is computed; the value is the same.

    `direct` builds the `(query_len, key_len)` difference of scores; `factored` only Gram matrices of head width;
    `auto` takes the one that multiplies less.
    """

    AUTO = "auto"
    DIRECT = "direct"
    FACTORED = "factored"


_Inputs = ParamSpec("_Inputs")


def in_float32(loss: Callable[_Inputs, Tensor]) -> Callable[_Inputs, Tensor]:
    """Run a loss outside autocast: bfloat16 keeps 8 bits, a squared difference needs more.

    Args:
        loss: function whose first parameter is `student`: a tensor, or a tuple that begins with one, as an
            `AttentionRecord` and `AttentionScores` do.

    Returns:
        The same function, which casts its inputs to float32 itself where they are narrower.
    """

    @wraps(loss)
    def outside_autocast(*args: _Inputs.args, **kwargs: _Inputs.kwargs) -> Tensor:
        first = args[0] if args else kwargs["student"]
        tensor = first[0] if isinstance(first, tuple) else first
        device = tensor.device.type if isinstance(tensor, Tensor) else "cpu"
        with torch.autocast(device, enabled=False):
            return loss(*args, **kwargs)

    return outside_autocast


def mean_over_valid(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask` is not zero, `()`; zero where nothing is valid.

    Args:
        values: `(...)`.
        mask: `(...)`, non-zero where a value counts.
    """
    valid = mask != 0
    return (values * valid).sum() / valid.sum().clamp(min=1)


__all__ = ["AttentionForm", "Reduction", "in_float32", "mean_over_valid"]
