"""Tests of frozen weights and their hash."""

import torch

from hf_tinybert.distillation.frozen_weights import freeze, weights_sha256


def test_freezing_says_so_of_every_part(build_teacher):
    """Prevents a teacher whose dropout stays on somewhere."""
    teacher = build_teacher().train()
    assert freeze(teacher) is teacher
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_the_hash_is_stable_and_sees_every_change(build_teacher):
    """Prevents two teachers from passing for one, and one from passing for two."""
    teacher = build_teacher()
    first = weights_sha256(teacher)
    assert weights_sha256(build_teacher()) == first
    assert weights_sha256(build_teacher().bfloat16()) != first
    with torch.no_grad():
        teacher.classifier.bias[0] += 1e-6
    assert weights_sha256(teacher) != first


# other families
