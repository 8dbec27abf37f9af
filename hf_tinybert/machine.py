"""The machine that this runs on: its name for a measurement, and what it computes fast."""

import os
import platform
from pathlib import Path

import torch
import transformers


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


def has_fast_bf16(device: str = "auto") -> bool:
    """Whether matrix products in bfloat16 are faster than in float32 on a device.

    A processor without bfloat16 instructions takes it too, but emulates it many times slower than float32. AMX and
    AVX512-BF16 are asked for by name; a GPU counts from compute capability 8.0 on.

    Args:
        device: `cpu`, `cuda`, or `auto` for the GPU where there is one.
    """
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else torch.device(device).type
    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)
    if kind == "cpu":
        return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return False


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


__all__ = ["has_fast_bf16", "machine"]
