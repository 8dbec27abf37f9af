import pytest

import hf_tinybert
from hf_tinybert.distillation.head_kinds import HEAD_KINDS, head_kind
from hf_tinybert.distillation.teacher_heads import HEADS


@pytest.mark.parametrize("kind", HEAD_KINDS)
def test_a_class_of_ones_own_has_the_kind_of_its_base(kind):
    """Prevents a head from being taken for another one because its class has a name of the user's choice."""
    base = getattr(hf_tinybert, f"TinyBert{kind}")
    renamed = type("MyStudent", (base,), {})
    assert head_kind(base.__new__(base)) == kind
    assert head_kind(renamed.__new__(renamed)) == kind


def test_an_encoder_alone_has_no_kind_and_every_kind_has_a_teacher():
    """Prevents a made-up kind, and one that no teacher could be loaded for."""
    assert head_kind(hf_tinybert.TinyBertModel.__new__(hf_tinybert.TinyBertModel)) is None
    assert sorted(HEADS) == sorted(HEAD_KINDS)
