"""The machine a measurement was made on."""

import os
import platform
from pathlib import Path

import torch
import transformers


def machine() -> dict[str, str | int]:
    """What a measurement was made on: processor, threads, accelerator, versions."""
    return {
        "processor": _processor(),
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
