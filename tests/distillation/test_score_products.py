import pytest
import torch

from hf_tinybert.distillation.attention import AttentionRecord, AttentionScores
from hf_tinybert.distillation.losses import AttentionForm
from hf_tinybert.distillation.score_products import (
    attended_pairs,
    layer_operands,
    layers_form,
    map_products,
    map_squares,
    score_maps,
)

BATCH, LENGTH = 2, 5
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def records(layers, *, heads=4, width=3, seed=1, length=LENGTH):
    generator = torch.Generator().manual_seed(seed)
    return [
        AttentionRecord(
            *(torch.randn(BATCH, heads, length, width, generator=generator) for _ in range(3)), scaling=0.5
        )
        for _ in range(layers)
    ]


@pytest.mark.parametrize("heads", [4, 2, 1])
def test_products_of_operands_equal_products_of_maps(heads):
    """Prevents blocks of one layer from being added to another's, and groups from being summed, not averaged."""
    left, right = records(2, width=3), records(3, width=5, seed=2)
    pairs = attended_pairs(MASK, None)
    maps = [score_maps(layers, heads, pairs) for layers in (left, right)]
    operands = [layer_operands(layers, heads, MASK) for layers in (left, right)]
    torch.testing.assert_close(map_products(*operands), maps[0] @ maps[1].transpose(1, 2))
    torch.testing.assert_close(map_squares(operands[1]), maps[1].square().sum(-1))
    one = map_products(operands[0].layer(1), operands[1])
    torch.testing.assert_close(one, (maps[0] @ maps[1].transpose(1, 2))[:, 1:2])


def test_maps_are_the_scores_of_valid_pairs_and_the_mean_of_a_group_of_heads():
    """Prevents padding from entering a cost, and heads from being grouped with strangers."""
    (record,) = records(1)
    pairs = attended_pairs(MASK, None)
    maps = score_maps([record], 2, pairs).view(BATCH, 2, LENGTH, LENGTH)
    expected = torch.stack([record.scores()[:, :2].mean(1), record.scores()[:, 2:].mean(1)], 1)
    torch.testing.assert_close(maps, expected * pairs)
    torch.testing.assert_close(score_maps([AttentionScores(record.scores())], 2, pairs), maps.flatten(1)[:, None])


def test_pairs_are_of_valid_positions_within_the_window():
    """Prevents a window that is one too wide, or that looks to one side only."""
    pairs = attended_pairs(MASK, 1)[:, 0]
    assert pairs[0].int().tolist() == [
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 0, 1, 1, 1],
        [0, 0, 0, 1, 1],
    ]
    assert pairs[1].int().sum().item() == 7


def test_long_texts_are_compared_without_maps_and_short_ones_with():
    """Prevents a long text from filling the memory with maps, or a short one from paying for products."""
    layers = records(2), records(4)
    assert layers_form(*layers, 4) is AttentionForm.DIRECT
    assert layers_form(*layers, 4000) is AttentionForm.FACTORED
    assert layers_form(*layers, 4, AttentionForm.FACTORED) is AttentionForm.FACTORED
    assert layers_form(*layers, 4000, AttentionForm.DIRECT) is AttentionForm.DIRECT


@pytest.mark.parametrize(("heads", "width", "students", "teachers", "low", "high"), [(12, (26, 64), 4, 12, 150, 260)])
def test_the_change_of_form_is_where_it_was_measured(heads, width, students, teachers, low, high):
    """Prevents a slip in the count from moving the change of form away from the measurement in the text."""
    layers = records(students, heads=heads, width=width[0]), records(teachers, heads=heads, width=width[1])
    change = next(length for length in range(1, 1000) if layers_form(*layers, length) is AttentionForm.FACTORED)
    assert low < change < high


def test_maps_and_windows_leave_only_the_direct_form():
    """Prevents the factored form from counting pairs outside the window."""
    windowed = [record._replace(window=2) for record in records(2)]
    assert layers_form(records(2), windowed, 4000) is AttentionForm.DIRECT
    maps = [AttentionScores(torch.zeros(1, 4, 5, 5))]
    assert layers_form(records(2), maps, 4000) is AttentionForm.DIRECT
    with pytest.raises(ValueError, match="got a window; set `attention_form` to `auto`"):
        layers_form(records(2), windowed, 4000, AttentionForm.FACTORED)
    with pytest.raises(ValueError, match="got score maps"):
        layers_form(records(2), maps, 4000, AttentionForm.FACTORED)
