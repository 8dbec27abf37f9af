"""The weights of a model in another type, as `from_pretrained(dtype=...)` would have loaded them."""

import torch
from torch import nn


def cast_weights(model: nn.Module, dtype: torch.dtype) -> None:
    """Cast what a file holds of a model, in place; what no file holds keeps its type.

    That is computed from the configuration: the frequencies of rotary positions, of which bfloat16 keeps so few digits
    that distant tokens are turned by other angles.

    Args:
        model: any; its parameters stay the same objects.
        dtype: of the weights.
    """
    computed = [
        (module, name, buffer)
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if name in module._non_persistent_buffers_set
    ]
    nn.Module.to(model, dtype=dtype)
    for module, name, buffer in computed:
        module._buffers[name] = buffer


__all__ = ["cast_weights"]
