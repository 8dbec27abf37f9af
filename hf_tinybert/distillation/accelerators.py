"""Whether there is anything but processors to train on."""

import torch
from transformers.utils.import_utils import is_torch_xla_available


def has_accelerator() -> bool:
    """Whether there is a GPU, a TPU or another accelerator.

    Where there is none, training arguments need `use_cpu=True`: without it each of several processes on processors
    would train by itself, into one folder. torch counts a TPU, which another package drives, as none.
    """
    return torch.accelerator.is_available() or is_torch_xla_available()


__all__ = ["has_accelerator"]
