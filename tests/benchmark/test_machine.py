"""Tests of the facts about the machine."""

import torch

from hf_tinybert.benchmark import machine


def test_the_machine_is_named():
    """Prevents a figure that nobody can place."""
    facts = machine()
    assert facts["torch"] == torch.__version__
    assert facts["processor"] and facts["cores"] >= 1
