from dataclasses import replace

import pytest
import torch
from transformers import FNetConfig, FNetModel

from hf_tinybert.distillation.preflight.models import (
    check_attention,
    check_frozen_teacher,
    check_heads,
    check_layer_mapping,
    check_weights,
)
from hf_tinybert.distillation.preflight.report import Status


@pytest.mark.parametrize("role", ["student", "teacher"])
def test_weights_that_are_not_finite_fail_by_name(setup, role):
    """Prevents a run of NaN."""
    assert check_weights(setup).status is Status.OK
    with torch.no_grad():
        getattr(setup, role).classifier.bias[0] = torch.inf
    row = check_weights(setup)
    assert row.status is Status.FAIL and f"finite {role} weights" in row.found and "classifier.bias" in row.found


def test_a_teacher_that_is_not_frozen_or_not_apart_fails(setup):
    """Prevents a teacher that learns."""
    assert check_frozen_teacher(setup).status is Status.OK
    setup.teacher.train()
    assert check_frozen_teacher(setup).status is Status.FAIL
    setup.teacher.eval()
    setup.student.classifier.bias = setup.teacher.classifier.bias
    setup.student.classifier.bias.requires_grad_(True)
    assert "in the memory of the student's" in check_frozen_teacher(setup).found


@pytest.mark.parametrize(
    ("mapping", "status"),
    [("uniform", "ok"), ("search", "ok"), ((0, 1, 4), "ok"), ((0, 1, 5), "fail"), (None, "skip")],
)
def test_a_mapping_out_of_range_fails(setup, mapping, status):
    """Prevents a layer that the teacher does not have."""
    row = check_layer_mapping(replace(setup, mapping=mapping))
    assert row.status == status
    assert mapping != (0, 1, 4) or row.found == "student<-teacher layer: 0<-0, 1<-1, 2<-4"
    assert mapping != "search" or "searched among the teacher's 4 layers" in row.found


@pytest.mark.parametrize(
    ("heads", "status", "words"),
    [(4, "ok", "one by one"), (2, "ok", "groups of 2"), (8, "ok", "groups of 2"), (3, "fail", "got 3 student")],
)
def test_heads_compare_one_by_one_in_groups_or_not_at_all(setup, heads, status, words):
    """Prevents heads from broadcasting."""
    setup.student.config.num_attention_heads = heads
    row = check_heads(setup)
    assert row.status == status and words in row.found
    assert check_heads(replace(setup, objectives=setup.objectives[1:])).status is Status.SKIP


def test_attention_that_cannot_be_read_fails(setup):
    """Prevents an attention loss of zero."""
    assert check_attention(setup).status is Status.OK
    shape = {"hidden_size": 32, "num_hidden_layers": 4, "intermediate_size": 48}
    teacher = FNetModel(FNetConfig(**shape, vocab_size=40, max_position_embeddings=64))
    row = check_attention(replace(setup, teacher=teacher))
    assert row.status is Status.FAIL and "FNetModel" in row.found and row.cure.startswith("set the weights")
    assert check_attention(replace(setup, objectives=setup.objectives[1:])).status is Status.SKIP
