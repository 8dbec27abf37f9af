"""Tests of the forms of an export."""

import importlib.util

import pytest

from hf_tinybert.export.formats import ExportFormat, check_packages


def test_a_missing_package_is_named_with_the_extra_that_brings_it(monkeypatch):
    """Prevents an ImportError of a package that people do not know they need, minutes into an export."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"`openvino` for `--to openvino`.*hf-tinybert\[openvino\]"):
        check_packages(ExportFormat.OPENVINO)
    with pytest.raises(ModuleNotFoundError, match=r"hf-tinybert\[onnx\]"):
        check_packages(ExportFormat.ONNX_INT8)


def test_forms_of_transformers_need_no_package(monkeypatch):
    """Prevents that plain BERT is refused where no runtime is installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    check_packages(ExportFormat.BERT)
    check_packages(ExportFormat.SENTENCE_TRANSFORMERS)
    assert [form for form in ExportFormat if form.is_graph] == ["onnx", "onnx-int8", "openvino"]
