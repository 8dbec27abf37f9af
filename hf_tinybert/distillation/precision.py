"""Which hardware computes in bfloat16, and which only pretends to."""

import torch


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


__all__ = ["has_fast_bf16"]
