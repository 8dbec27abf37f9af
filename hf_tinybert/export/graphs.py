"""A model as the graph of another runtime, for any batch and any length; by the exporters of transformers."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import PreTrainedModel

from hf_tinybert.export.formats import ExportFormat

_NOISY = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", "root")


def write_graph(
    model: PreTrainedModel, inputs: dict[str, Tensor], form: ExportFormat, folder: Path, *, longest: int
) -> None:
    """Write the graph of a model, its configuration, and what its runtime has to know.

    Args:
        model: in evaluation mode, float32, on the CPU.
        inputs: int64, `(batch, seq_len)` or `(batch, choices, seq_len)`, each axis at least 2 long; the graph takes
            any other batch, number of choices, and length up to `longest`.
        form: ONNX, ONNX with int8, or OpenVINO.
        folder: to write into.
        longest: tokens that the model reads at once.
    """
    from transformers.exporters.configs import OnnxConfig, OpenVINOConfig

    shapes = _dynamic_shapes(inputs, longest)
    sample: dict[str, Any] = dict(inputs)
    with _quiet():
        if form is ExportFormat.OPENVINO:
            from transformers.exporters.exporter_openvino import OpenVINOExporter

            exported = OpenVINOExporter().export(model, sample, OpenVINOConfig(dynamic_shapes=shapes))
        else:
            from transformers.exporters.exporter_onnx import OnnxExporter

            quantizer = _int8_quantizer() if form is ExportFormat.ONNX_INT8 else None
            exported = OnnxExporter().export(model, sample, OnnxConfig(dynamic_shapes=shapes, quantizer=quantizer))
        exported.save_pretrained(folder)


def _int8_quantizer() -> Any:  # noqa: ANN401 (of an optional part of transformers)
    """One scale for each output channel, and weights of 7 bits.

    On processors without VNNI the sums of two products of 8 bits each do not fit their 16 bits.
    """
    from transformers.exporters.quantizers.quantizer_onnxruntime import OnnxRuntimeDynamicConfig, OnnxRuntimeQuantizer

    return OnnxRuntimeQuantizer(OnnxRuntimeDynamicConfig(per_channel=True, reduce_range=True))


def _dynamic_shapes(inputs: dict[str, Tensor], longest: int) -> dict[str, dict[int, torch.export.Dim]]:
    axes = [torch.export.Dim("batch", min=1)]
    if next(iter(inputs.values())).ndim == 3:
        axes.append(torch.export.Dim("choices", min=1))
    axes.append(torch.export.Dim("sequence", min=1, max=longest))
    return {name: dict(enumerate(axes)) for name in inputs}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Exporters print their stages and warn of operators that no encoder has."""
    loggers = [logging.getLogger(name) for name in _NOISY]
    levels = [one.level for one in loggers]
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of torch, about how it is called by its own exporter
            yield
    finally:
        transformers.logging.set_verbosity(verbosity)
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


__all__ = ["write_graph"]
