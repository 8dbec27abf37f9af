"""Tests of the check of a teacher before it is fine-tuned."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from transformers import FNetConfig, FNetModel

from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.quickstart import Quickstart
from hf_tinybert.quickstart.teacher_layout import check_layout


def test_a_teacher_that_no_student_can_start_with_is_refused_before_it_is_fine_tuned(settings, tmp_path):
    """Prevents a minute of training on an FNet, which mixes tokens without attention, before its start is refused."""
    config = FNetConfig(vocab_size=40, hidden_size=32, intermediate_size=64, num_hidden_layers=2)
    FNetModel(config).save_pretrained(tmp_path / "fnet")
    with pytest.raises(ValueError, match="family `fnet`.*`hf-tinybert distill --start random`"):
        Quickstart(
            replace(settings, teacher=str(tmp_path / "fnet")),
            tmp_path / "out",
            ProgressDisplay(Console(file=io.StringIO())),
        )
    assert not (tmp_path / "out").exists()


def test_a_bert_is_taken(settings):
    """Prevents the check from refusing whatever it is asked of."""
    check_layout(settings.teacher)
