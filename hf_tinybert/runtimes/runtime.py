"""The runtimes that are compared, and which of them this machine has."""

import os
import shutil
import sys
from collections.abc import Mapping
from enum import StrEnum

from hf_tinybert.export.formats import ExportFormat, check_packages
from hf_tinybert.machine import has_fast_bf16

# Where CXX names no other.
_COMPILERS: Mapping[str, str] = {"darwin": "clang++", "win32": "cl"}


class Runtime(StrEnum):
    """What answers, always on the processor.

    Attributes:
        FP32: PyTorch as it comes (eager, SDPA attention), float32.
        BF16: the same, weights and products in bfloat16.
        COMPILED: the same in float32 by `torch.compile(dynamic=True)`, one graph for all lengths.
        ONNX: ONNX Runtime, float32.
        ONNX_INT8: ONNX Runtime, int8 as `hf-tinybert export --to onnx-int8` writes it.
        OPENVINO: OpenVINO, float32.
    """

    FP32 = "fp32"
    BF16 = "bf16"
    COMPILED = "compiled"
    ONNX = "onnx"
    ONNX_INT8 = "onnx-int8"
    OPENVINO = "openvino"

    @property
    def form(self) -> ExportFormat | None:
        """What is exported for it; None where PyTorch answers."""
        return ExportFormat(str(self)) if str(self) in list(ExportFormat) else None


def cxx_compiler() -> str:
    """What torch.compile calls."""
    return os.environ.get("CXX") or _COMPILERS.get(sys.platform, "g++")


def why_missing(runtime: Runtime) -> str | None:
    """Why this machine cannot run it; None where it can."""
    if runtime is Runtime.BF16 and not has_fast_bf16("cpu"):
        return "this processor does not compute in bfloat16"
    if runtime is Runtime.COMPILED:
        compiler = cxx_compiler()
        if shutil.which(compiler) is None:
            return f"no C++ compiler `{compiler}`; install it, or name another by CXX"
    if runtime.form is not None:
        try:
            check_packages(runtime.form)
        except ModuleNotFoundError as error:
            return f"the package `{error.name}` is not installed"
    return None


__all__ = ["Runtime", "cxx_compiler", "why_missing"]
