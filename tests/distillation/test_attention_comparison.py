"""Tests of what two attention layers are compared by."""

import pytest
import torch

from hf_tinybert.distillation.attention import AttentionRecord, AttentionScores
from hf_tinybert.distillation.attention_comparison import (
    common_heads,
    grouped_heads,
    pairs_within,
    smallest_window,
)


def _record(heads=4, window=None):
    return AttentionRecord(*torch.randn(3, 2, heads, 5, 3), scaling=0.5, window=window)


def test_the_smallest_window_counts_only_where_a_text_is_longer():
    """Prevents short texts from losing the fast form to a window that they never reach."""
    layers = [_record(window=window) for window in (None, 3, 8)]
    assert smallest_window(layers, 5) == 3
    assert smallest_window(layers, 4) is None
    assert smallest_window([_record(), AttentionScores(torch.zeros(1))], 5) is None


def test_one_number_of_heads_must_divide_the_other():
    """Prevents heads from being compared with whatever heads broadcasting gives."""
    assert common_heads(_record(2), _record(6)) == 2
    assert common_heads(_record(6), _record(3)) == 3
    with pytest.raises(ValueError, match="got 4 of the student and 6 of the teacher"):
        common_heads(_record(4), _record(6))


@pytest.mark.parametrize("heads", [6, 3, 2, 1])
def test_a_groups_product_is_the_mean_of_its_heads_scores(heads):
    """Prevents groups of heads that are not neighbours, or that are summed."""
    record = _record(6)
    query, key, scaling = grouped_heads(record, heads)
    expected = record.scores().unflatten(1, (heads, 6 // heads)).mean(2)
    torch.testing.assert_close(query @ key.transpose(-1, -2) * scaling, expected)


def test_pairs_look_to_both_sides_of_the_window():
    """Prevents a window that is one too wide, or that looks to one side only."""
    found = pairs_within(1, 4, torch.device("cpu"))
    assert found.int().tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]]
