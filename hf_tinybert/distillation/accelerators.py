"""Whether there is anything but processors to train on, and how batches come there."""

from typing import Any

import torch
from transformers.utils.import_utils import is_torch_xla_available


def has_accelerator() -> bool:
    """Whether there is a GPU, a TPU or another accelerator.

    Where there is none, training arguments need `use_cpu=True`: without it each of several processes on processors
    would train by itself, into one folder. torch counts a TPU, which another package drives, as none.
    """
    return torch.accelerator.is_available() or is_torch_xla_available()


def has_cuda() -> bool:
    """Whether there is a GPU that torch drives by CUDA or ROCm."""
    return torch.cuda.is_available()


def copied_in_background(given: Any) -> Any:  # noqa: ANN401 (what `accelerator_config` takes)
    """Settings of accelerate under which a batch is copied to a GPU while it works on the last.

    By default the host waits at every tensor of a batch until the GPU has done all it was asked.

    Args:
        given: `accelerator_config`.

    Returns:
        It with `non_blocking`, unless it says otherwise itself; a file or an object as it is.
    """
    return {"non_blocking": True, **(given or {})} if given is None or isinstance(given, dict) else given


__all__ = ["copied_in_background", "has_accelerator", "has_cuda"]
