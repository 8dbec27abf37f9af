import pytest
import torch

from hf_tinybert.distillation import joined_layers
from hf_tinybert.distillation.attention import AttentionRecord, AttentionScores
from hf_tinybert.distillation.joined_layers import joined_attention, joined_states

MASK = torch.tensor([[1, 1, 1], [1, 0, 0]])


def _record(heads=2, width=4, **overrides):
    query, key = torch.randn(2, heads, 3, width), torch.randn(2, heads, 3, width)
    return AttentionRecord(**{"query": query, "key": key, "value": query, "scaling": 0.5, **overrides})


def test_layers_of_one_shape_are_joined_in_their_order():
    """Prevents a student layer that is compared with another's teacher layer, and masks of other texts."""
    pairs = [(torch.randn(2, 3, 5), torch.randn(2, 3, 5)) for _ in range(3)]
    (joined,) = joined_states(pairs, MASK)
    assert joined.layers == 3
    for layer, (student, teacher) in enumerate(pairs):
        texts = slice(2 * layer, 2 * layer + 2)
        assert torch.equal(joined.student[texts], student)
        assert torch.equal(joined.teacher[texts], teacher)
        assert torch.equal(joined.mask[texts], MASK)


def test_one_layer_is_not_copied():
    """Prevents a copy of states that are compared as they are."""
    student, teacher = torch.randn(2, 3, 5), torch.randn(2, 3, 5)
    (joined,) = joined_states([(student, teacher)], MASK)
    assert joined.student is student and joined.teacher is teacher and joined.mask is MASK


def test_attention_is_joined_without_its_values():
    """Prevents a copy of values, which no joined term reads."""
    (joined,) = joined_attention([(_record(), _record(4)) for _ in range(2)], MASK)
    assert joined.student.query.shape == (4, 2, 3, 4) and joined.teacher.key.shape == (4, 4, 3, 4)
    assert joined.student.value is None and joined.teacher.value is None


@pytest.mark.parametrize(
    "other",
    [{"scaling": 0.25}, {"window": 1}, {"heads": 4, "width": 2}, {"query": torch.randn(2, 2, 3, 4).double()}],
)
@pytest.mark.parametrize("side", [0, 1])
def test_layers_that_differ_are_not_joined(other, side):
    """Prevents a layer of ModernBERT with the window or the scaling of its neighbour."""
    pairs = [(_record(), _record()) for _ in range(3)]
    pairs[1] = (_record(**other), _record()) if side == 0 else (_record(), _record(**other))
    assert sorted(joined.layers for joined in joined_attention(pairs, MASK)) == [1, 2]


def test_score_maps_stay_as_they_are():
    """Prevents copies of maps, which are larger than what they are made of."""
    scores = AttentionScores(torch.randn(2, 2, 3, 3))
    joined = joined_attention([(_record(), scores), (_record(), scores._replace())], MASK)
    assert [one.layers for one in joined] == [1, 1]
    assert joined[0].teacher is scores


@pytest.mark.parametrize(("numbers", "layers"), [(59, [1, 1, 1]), (60, [2, 1]), (90, [3])])
def test_layers_that_are_large_together_stay_apart(monkeypatch, numbers, layers):
    """Prevents the states or score maps of all layers in memory at once where their kernels are long anyway."""
    monkeypatch.setattr(joined_layers, "NUMBERS_AT_ONCE", numbers)
    pairs = [(torch.randn(2, 3, 5), torch.randn(2, 3, 5)) for _ in range(3)]
    assert [one.layers for one in joined_states(pairs, MASK)] == layers
    monkeypatch.setattr(joined_layers, "NUMBERS_AT_ONCE", 2 * 2 * 3 * 4 * numbers // 30)
    assert [one.layers for one in joined_attention([(_record(), _record()) for _ in range(3)], MASK)] == layers
