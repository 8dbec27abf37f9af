"""Tests of student shapes."""

import pytest
from transformers import BertConfig, DistilBertConfig, XLMConfig

from hf_tinybert.workflow.student_shape import StudentShape, feed_forward_units

TEACHER = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)


def _sizes(config):
    return config.num_hidden_layers, config.hidden_size, config.num_attention_heads, config.intermediate_size


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        (StudentShape(), (4, 312, 12, 1200)),
        (StudentShape("6L-768"), (6, 384, 12, 1536)),
        (StudentShape(layers=2, width=96), (2, 96, 12, 384)),
        (StudentShape(width=200), (4, 200, 4, 800)),
        (StudentShape(width=128), (4, 128, 4, 512)),
        (StudentShape(layers=3, width=128, heads=4, units=300), (3, 128, 4, 300)),
    ],
    ids=str,
)
def test_sizes_come_from_the_preset_the_teacher_and_what_is_given(shape, sizes):
    """Prevents a student larger than its teacher, or heads that divide neither its width nor the teacher's heads."""
    assert _sizes(shape.config(TEACHER)) == sizes


def test_the_shape_is_read_off_a_teacher_of_any_family():
    """Prevents an AttributeError for a DistilBERT, which calls its feed-forward units otherwise."""
    teacher = DistilBertConfig(dim=384, n_layers=6, n_heads=12, hidden_dim=900)
    assert _sizes(StudentShape().config(teacher)) == (4, 312, 12, 900)
    assert _sizes(StudentShape(width=96).config(teacher)) == (4, 96, 12, 384)
    assert feed_forward_units(XLMConfig(emb_dim=100)) == 400


@pytest.mark.parametrize("wrong", [{"preset": "5L-100"}, {"layers": 0}, {"width": -1}])
def test_what_is_no_shape_is_refused(wrong):
    """Prevents a mistake from being found after the teacher was loaded."""
    with pytest.raises(ValueError, match="expected"):
        StudentShape(**wrong)
