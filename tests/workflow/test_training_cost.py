"""Tests of the model of a general distillation's cost."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertForMaskedLM, BertModel, DistilBertConfig

from hf_tinybert.data.block_masking import BlockMaskingCollator
from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.pairing import pair_models
from hf_tinybert.distillation.task_distillation import TaskDistillation
from hf_tinybert.models.modeling_tinybert import TinyBertForMaskedLM, TinyBertModel
from hf_tinybert.workflow.training_cost import forward_operations, training_operations

ROWS, LENGTH = 2, 24
MASKED_LM_ALONE = {"masked_lm_loss": 1.0, "prediction_loss": 1.0}
MASKED_LM_ALONE |= {"embedding_loss": 0.0, "hidden_states_loss": 0.0, "attention_scores_loss": 0.0}


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


def test_the_sizes_of_a_model_are_found_whatever_its_family_calls_them(tiny_teacher_config):
    """Prevents a forecast that ends in an AttributeError for a DistilBERT."""
    sizes = {"dim": 32, "n_layers": 4, "n_heads": 4, "hidden_dim": 64}
    same = forward_operations(DistilBertConfig(**sizes), LENGTH)
    assert same == forward_operations(tiny_teacher_config, LENGTH)


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


def test_masked_lm_costs_what_torch_counts(tiny_student_config, tiny_teacher_config, tokenizer):
    """Prevents a forecast for the vocabulary at every token, or for none, where hidden tokens alone are predicted."""
    teacher = BertForMaskedLM._from_config(tiny_teacher_config, attn_implementation="eager").eval()
    student = TinyBertForMaskedLM._from_config(tiny_student_config, attn_implementation="eager")
    arguments = DistillationArguments(
        "unused", phases=["joint"], use_cpu=True, bf16_where_fast=False, report_to="none", loss_weights=MASKED_LM_ALONE
    )
    pair = pair_models(student, teacher, arguments)
    outputs = pair.teacher_outputs(pair.teacher)
    task = TaskDistillation(pair.student, pair.objectives, outputs, predicts_vocabulary=True)
    words = torch.randint(5, len(tokenizer), (ROWS, LENGTH)).numpy()
    batch = BlockMaskingCollator(tokenizer, 0)([{"input_ids": row} for row in words])
    # by products of matrices, which are counted on every processor
    student.set_attn_implementation("eager")
    teacher.set_attn_implementation("eager")
    student.train()

    def step():
        losses, _ = task.losses(student, batch)
        task.objective.total(losses).backward()

    sizes = tiny_student_config, tiny_teacher_config, LENGTH
    modelled = training_operations(*sizes, masked_lm=True, teacher_predicts=True)
    # without a term of states nothing is projected
    widths = tiny_student_config.hidden_size * tiny_teacher_config.hidden_size
    modelled -= 3 * (tiny_student_config.num_hidden_layers + 1) * 2 * widths
    assert counted(step) == pytest.approx(ROWS * LENGTH * modelled, rel=1e-6)
