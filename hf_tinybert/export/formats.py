"""The forms in which a model can leave this package."""

import importlib.util
from collections.abc import Mapping
from enum import StrEnum


class ExportFormat(StrEnum):
    """What an exported folder is for.

    Attributes:
        ONNX: ONNX Runtime and all that reads ONNX; float32, any batch and length.
        ONNX_INT8: the same with weights and products in int8; the ranges of activations are found batch by batch.
        OPENVINO: OpenVINO's intermediate representation; float32, any batch and length.
        BERT: plain BERT of transformers, which loads without this package.
        SENTENCE_TRANSFORMERS: of an embedding model, what that library loads.
    """

    ONNX = "onnx"
    ONNX_INT8 = "onnx-int8"
    OPENVINO = "openvino"
    BERT = "bert"
    SENTENCE_TRANSFORMERS = "sentence-transformers"

    @property
    def is_graph(self) -> bool:
        """Whether it is a graph for a runtime of its own, and not weights for transformers."""
        return self in _PACKAGES


WEIGHT_ENDINGS = (".onnx", ".data", ".safetensors", ".xml", ".bin")
"""Of the files that hold weights and graphs, not the tokenizer."""

_ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_PACKAGES: Mapping[ExportFormat, tuple[str, ...]] = {
    ExportFormat.ONNX: _ONNX_PACKAGES,
    ExportFormat.ONNX_INT8: _ONNX_PACKAGES,
    ExportFormat.OPENVINO: ("openvino",),
}
_EXTRAS = {"openvino": "openvino"}


def check_packages(form: ExportFormat) -> None:
    """Refuse a form whose packages are not installed.

    Raises:
        ModuleNotFoundError: the first package that is missing.
    """
    for package in _PACKAGES.get(form, ()):
        if importlib.util.find_spec(package) is None:
            raise ModuleNotFoundError(
                f"expected the package `{package}` for `--to {form}`, got none; because it writes or runs the graph; "
                f'`pip install "hf-tinybert[{_EXTRAS.get(package, "onnx")}]"`',
                name=package,
            )


__all__ = ["WEIGHT_ENDINGS", "ExportFormat", "check_packages"]
