"""Tests of the model of a general distillation's cost."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertModel

from hf_tinybert.models.modeling_tinybert import TinyBertModel
from hf_tinybert.workflow.training_cost import forward_operations, training_operations

ROWS, LENGTH = 2, 24


def counted(run):
    """What torch counts while it runs; attention by products of matrices, which are counted on every processor."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def test_the_forward_of_an_encoder_costs_what_torch_counts(tiny_teacher_config):
    """Prevents a forecast that is off by a factor, such as two of a multiplication with its addition."""
    teacher = BertModel._from_config(tiny_teacher_config, attn_implementation="eager", add_pooling_layer=False)
    ids = torch.zeros(ROWS, LENGTH, dtype=torch.long)
    with torch.no_grad():
        count = counted(lambda: teacher(ids))
    assert count == ROWS * LENGTH * forward_operations(tiny_teacher_config, LENGTH)


def test_a_step_costs_what_torch_counts(tiny_student_config, tiny_teacher_config):
    """Prevents a backward pass, or the projections, from being left out of the forecast."""
    build = {"attn_implementation": "eager", "add_pooling_layer": False}
    teacher = BertModel._from_config(tiny_teacher_config, **build)
    student = TinyBertModel._from_config(tiny_student_config, **build)
    widths = tiny_student_config.hidden_size, tiny_teacher_config.hidden_size
    projections = nn.ModuleList(nn.Linear(*widths) for _ in range(tiny_student_config.num_hidden_layers + 1))
    ids = torch.zeros(ROWS, LENGTH, dtype=torch.long)

    def step():
        with torch.no_grad():
            teacher(ids)
        states = student(ids, output_hidden_states=True).hidden_states
        sum(layer(state).sum() for layer, state in zip(projections, states, strict=True)).backward()

    modelled = ROWS * LENGTH * training_operations(tiny_student_config, tiny_teacher_config, LENGTH)
    assert counted(step) == pytest.approx(modelled, rel=1e-6)
