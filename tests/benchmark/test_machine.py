"""Tests of the facts about the machine."""

import importlib

import torch

from hf_tinybert.benchmark import machine


def test_the_machine_is_named():
    """Prevents a figure that nobody can place."""
    facts = machine()
    assert facts["torch"] == torch.__version__
    assert facts["processor"] and facts["cores"] >= 1


def test_processors_of_one_name_with_and_without_bfloat16_are_told_apart(monkeypatch):
    """Prevents figures of one machine that are taken for those of another, several times faster."""
    module = importlib.import_module("hf_tinybert.benchmark.machine")  # its function has its name in the package
    monkeypatch.setattr(module, "has_fast_bf16", lambda: False)
    slow = machine()
    monkeypatch.setattr(module, "has_fast_bf16", lambda: True)
    assert machine() != slow
    assert slow["instructions"] == torch.backends.cpu.get_cpu_capability()
