"""Tests of exported graphs behind the call of a model; that they answer is tested where they are written."""

import json

import pytest
from transformers.exporters.base import ExportedModel

from hf_tinybert.models.exported_runtime import MANIFEST_FILE, ExportedRuntime, is_exported


def _manifest(folder, form="onnx", files=("model.onnx",)):
    components = {str(index): {"file": file, "metadata": {"kwargs": {}}} for index, file in enumerate(files)}
    content = json.dumps({"export_format": form, "components": components})
    (folder / MANIFEST_FILE).write_text(content, encoding="utf-8")


@pytest.mark.parametrize("file", ["../model.onnx", "/etc/passwd", "a/b.onnx", ""])
def test_a_graph_outside_the_folder_is_refused(tmp_path, file):
    """Prevents a downloaded folder from having other files of the machine read."""
    _manifest(tmp_path, files=(file,))
    with pytest.raises(ValueError, match="nothing outside its folder"):
        ExportedRuntime(tmp_path)


@pytest.mark.parametrize(("form", "files"), [("dynamo", ("model.pt2",)), ("onnx", ()), ("onnx", ("a.onnx", "b.onnx"))])
def test_exports_of_other_runtimes_are_refused(tmp_path, form, files):
    """Prevents that a format which loads Python objects is opened."""
    _manifest(tmp_path, form, files)
    with pytest.raises(ValueError, match="expected one graph"):
        ExportedRuntime(tmp_path)


def test_both_runtimes_get_the_number_of_threads_and_the_processor(tmp_path, monkeypatch, tiny_student_config):
    """Prevents a runtime that takes every core, or a GPU where there is one, from passing for one thread."""
    given = []
    monkeypatch.setattr(ExportedModel, "from_pretrained", lambda folder, **options: given.append(options))
    tiny_student_config.save_pretrained(tmp_path)
    for form in ("onnx", "openvino"):
        _manifest(tmp_path, form)
        ExportedRuntime(tmp_path, threads=3)
        ExportedRuntime(tmp_path)
    onnx, plain_onnx, openvino, plain_openvino = given
    assert {options["device"] for options in given} == {"cpu"}
    assert onnx["session_options"].intra_op_num_threads == 3 and "session_options" not in plain_onnx
    assert openvino["config"] == {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 3}
    assert plain_openvino["config"] == {"INFERENCE_PRECISION_HINT": "f32"}


def test_a_folder_of_weights_is_not_exported(tmp_path):
    """Prevents that a model folder is looked at as a graph."""
    assert not is_exported(tmp_path)
    _manifest(tmp_path)
    assert is_exported(tmp_path)
