"""Tests of models that answer in processes of their own."""

import os
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hf_tinybert import TinyBertConfig, TinyBertForSequenceClassification
from hf_tinybert.models.exported_runtime import ExportedRuntime
from hf_tinybert.runtimes import Runtime, answering_process
from hf_tinybert.runtimes.answering_models import make_models, random_inputs, write_folder
from hf_tinybert.runtimes.answering_process import AnsweringProcess, _open, _take_turn, _warm_up


@pytest.fixture(autouse=True)
def nothing_open(monkeypatch):
    """What a test opens in this process is closed after it."""
    monkeypatch.setattr(answering_process, "_model", None)


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """A student of 2 layers x 16, and its graph with what answers in it."""
    sizes = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 40}
    model = TinyBertForSequenceClassification(TinyBertConfig(**sizes, vocab_size=40)).eval()
    return model, write_folder(model, Runtime.ONNX, tmp_path_factory.mktemp("graph") / "onnx", longest=9)


def test_a_process_of_its_own_opens_and_answers(build_settings, tmp_path, graph, monkeypatch):
    """Prevents time and memory of this process in the figures, or a batch that is timed once and called an average.

    It is started by the command, whose processes import less: a graph of a TinyBERT is to be known there too.
    """
    monkeypatch.setattr(sys, "argv", ["hf-tinybert"])
    model = make_models(build_settings())["student"]
    answering, inputs = write_folder(model, Runtime.FP32, tmp_path / "fp32", longest=9), random_inputs(model, 3, 9, 0)
    start = time.process_time()
    with AnsweringProcess(1) as process:
        assert process.open(graph[1]).seconds > 0
        opened = process.open(answering)
        process.warm_up(inputs)
        turn = process.take_turn(inputs, 0.3)
    assert time.process_time() - start < 1  # of this process
    assert opened.peak_bytes >= opened.baseline_bytes > 50 * 2**20
    assert len(turn.seconds) == len(turn.processor_seconds) > 3
    assert min(turn.seconds) > 0 and sum(turn.seconds) < 1
    assert turn.peak_bytes > opened.baseline_bytes


def test_graphs_answer_in_as_many_threads_as_asked_for(graph):
    """Prevents ONNX Runtime, which takes every core by itself, from being compared with one thread of PyTorch."""
    (model, answering), inputs = graph, random_inputs(graph[0], 3, 9, 0)
    answers = ExportedRuntime(answering.folder, threads=1)
    session = answers._exported.runners["model"].session
    assert session.get_session_options().intra_op_num_threads == 1
    with torch.inference_mode():
        assert torch.allclose(answers(**inputs)["logits"], model(**inputs).logits, atol=1e-5)
    _open(answering, threads=1)
    assert isinstance(answering_process._model, ExportedRuntime)
    assert answering.file_bytes > 4 * sum(one.numel() for one in model.parameters())


def test_the_first_forward_of_a_turn_counts_only_where_it_is_the_only_one(monkeypatch):
    """Prevents the caches that another runtime left behind from being timed, and a turn without a figure."""
    clock, waits = [0.0], iter([5.0, 2.0, 4.0, 30.0])

    def answer(**inputs):
        clock[0] += next(waits)

    monkeypatch.setattr(
        answering_process,
        "time",
        SimpleNamespace(perf_counter=lambda: clock[0], process_time=lambda: clock[0] / 2),
    )
    monkeypatch.setattr(answering_process, "_model", answer)
    turn = _take_turn({}, 10.0)
    assert (turn.seconds, turn.processor_seconds) == ([2.0, 4.0], [1.0, 2.0])
    assert turn.means() == {"seconds": 3.0, "processor_seconds": 1.5}
    assert _take_turn({}, 10.0).seconds == [30.0]


def test_a_turn_without_a_model_is_refused():
    """Prevents seconds of nothing."""
    with pytest.raises(RuntimeError, match="expected an open model"):
        _take_turn({}, 0.1)


def test_a_model_that_cannot_be_compiled_says_why(monkeypatch):
    """Prevents a measurement that ends in a traceback because a compiler lacks its headers."""

    def broken(graph, inputs):
        raise OSError("no headers")

    monkeypatch.setattr(answering_process, "_model", torch.compile(nn.Linear(2, 2), backend=broken))
    reason = _warm_up({"input": torch.ones(2)})
    assert reason is not None and "no headers" in reason and os.linesep not in reason
