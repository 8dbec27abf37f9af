"""Pairs of a tiny student and a tiny teacher whose attention is recorded."""

import pytest

from hf_tinybert.distillation.attention import record_attention


@pytest.fixture
def pair(build_student, build_teacher):
    def build(student=None, teacher=None, head="ForSequenceClassification"):
        models = build_student(head, **(student or {})), build_teacher(head, **(teacher or {}))
        for model in models:
            record_attention(model)
        return models

    return build
