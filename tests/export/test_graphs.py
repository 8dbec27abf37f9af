"""Tests of graphs for other runtimes."""

import logging

import pytest
import torch

from hf_tinybert.export.agreement import example_inputs, largest_difference
from hf_tinybert.export.formats import ExportFormat
from hf_tinybert.export.graphs import write_graph
from hf_tinybert.models.exported_runtime import ExportedRuntime
from hf_tinybert.workflow import load_model_folder

NAMES = frozenset({"input_ids", "attention_mask", "token_type_ids"})


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("multiple-choice", ExportFormat.ONNX),
        ("sentence-embedding", ExportFormat.ONNX),
        ("question-answering", ExportFormat.OPENVINO),
    ],
)
def test_a_graph_gives_the_models_numbers_for_any_batch_and_length(model_of, tmp_path, kind, form, capsys):
    """Prevents a graph that is right for the shape it was traced with only, and exporters that print over figures."""
    folder = load_model_folder(model_of(kind))
    inputs = example_inputs(folder.tokenizer, folder.task.kind, NAMES)
    level = logging.getLogger("torch.onnx").level
    write_graph(folder.model.eval(), inputs, form, tmp_path, longest=64)
    assert capsys.readouterr().out == ""
    assert logging.getLogger("torch.onnx").level == level
    exported = ExportedRuntime(tmp_path)
    found = largest_difference(folder.model, exported, folder.tokenizer, folder.task.kind, NAMES, longest=64)
    assert found < 1e-5
    one = {name: value[:1] for name, value in inputs.items()}
    assert torch.allclose(folder.model(**one)[0], exported(**one)[0], atol=1e-5)
