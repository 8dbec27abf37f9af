"""Tests of which runtimes a machine has."""

import importlib.util

from hf_tinybert.export import ExportFormat
from hf_tinybert.runtimes import runtime as module
from hf_tinybert.runtimes.runtime import Runtime, why_missing


def test_runtimes_of_graphs_are_those_that_export_writes():
    """Prevents a runtime that is measured on something other than what users export."""
    forms = {runtime: runtime.form for runtime in Runtime if runtime.form is not None}
    assert forms == {
        Runtime.ONNX: ExportFormat.ONNX,
        Runtime.ONNX_INT8: ExportFormat.ONNX_INT8,
        Runtime.OPENVINO: ExportFormat.OPENVINO,
    }


def test_what_a_machine_lacks_is_told_by_name(monkeypatch):
    """Prevents an arm that is silently absent, or one that emulates bfloat16 and looks slow."""
    monkeypatch.setattr(module, "has_fast_bf16", lambda device: False)
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("onnx", "openvino") else name)
    reasons = {runtime: why_missing(runtime) for runtime in Runtime}
    assert reasons.pop(Runtime.FP32) is None
    named = {"bf16": "bfloat16", "compiled": "no-such-compiler", "onnx": "`onnx`", "onnx-int8": "`onnx`"}
    assert all(word in reasons[runtime] for runtime, word in {**named, "openvino": "`openvino`"}.items())


def test_a_machine_with_everything_runs_everything(monkeypatch):
    """Prevents a runtime that is never measured."""
    monkeypatch.setattr(module, "has_fast_bf16", lambda device: True)
    monkeypatch.setenv("CXX", "sh")  # on every machine
    assert [runtime for runtime in Runtime if why_missing(runtime)] == []
