"""The machine a measurement was made on."""

import os
import platform
from pathlib import Path

import torch
import transformers

from hf_tinybert.distillation.precision import has_fast_bf16


def machine() -> dict[str, str | int | bool]:
    """What a measurement was made on: processor, threads, accelerator, versions.

    `instructions` is the widest set that torch's own kernels use, `bf16` whether products in bfloat16 are fast: cloud
    processors of one name differ in both.
    """
    return {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bf16": has_fast_bf16(),
        "cores": os.cpu_count() or 1,
        "torch_threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


__all__ = ["machine"]
