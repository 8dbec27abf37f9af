"""Heads of another width or number give the same scores and outputs where they can."""

import torch
from torch import nn

from hf_tinybert.models.attention_projection import (
    HeadFactors,
    affine_through,
    chosen_heads,
    resized_head,
    source_heads,
)
from hf_tinybert.models.layout_reading import teacher_layout
from hf_tinybert.models.least_squares import moment_root, with_ones


def scores_and_writes(head: HeadFactors, states):
    """What one head computes: scores `(tokens, tokens)` and, token by token, what it writes `(tokens, width)`."""
    query, key, value = (states @ factor.T for factor in (head.query, head.key, head.value))
    return query @ key.T / len(head.query) ** 0.5, value @ head.output


def random_head(width, rank):
    """A head of `width` dimensions whose products have a smaller rank."""
    mixers = torch.randn(2, width, rank, dtype=torch.float64)
    query, key = (torch.linalg.qr(mixers[0])[0] @ torch.randn(rank, 9, dtype=torch.float64) for _ in range(2))
    value = torch.linalg.qr(mixers[1])[0] @ torch.randn(rank, 9, dtype=torch.float64)
    return HeadFactors(query, key, value, torch.randn(width, 8, dtype=torch.float64))


def test_a_narrower_head_is_exact_when_the_rank_allows():
    """Would catch scores that change size because the student divides by the root of a smaller width."""
    states = with_ones(torch.randn(40, 8))
    head = random_head(6, rank=4)
    narrow = resized_head(head, 4, moment_root(states), torch.Generator())
    for got, wanted in zip(
        scores_and_writes(narrow, states.double()), scores_and_writes(head, states.double()), strict=True
    ):
        torch.testing.assert_close(got, wanted, atol=1e-8, rtol=1e-8)
    assert narrow.query.shape == (4, 9)


def test_a_wider_head_computes_the_same_and_has_no_dead_dimension():
    """Would catch rows that are zero on both sides of a product: no gradient would ever reach them."""
    states = with_ones(torch.randn(40, 8))
    head = random_head(4, rank=4)
    wide = resized_head(head, 6, moment_root(states), torch.Generator().manual_seed(0))
    for got, wanted in zip(
        scores_and_writes(wide, states.double()), scores_and_writes(head, states.double()), strict=True
    ):
        torch.testing.assert_close(got, wanted, atol=1e-8, rtol=1e-8)
    assert (wide.query[4:] != 0).all()
    assert (wide.value[4:] != 0).all()


def test_a_head_of_equal_width_is_the_teachers_own():
    """Would catch a rotation of the head, after which equal shapes would no longer copy."""
    head = random_head(4, rank=4)
    assert resized_head(head, 4, moment_root(torch.ones(2, 9)), torch.Generator()) is head


def test_the_most_important_heads_are_kept(build_encoder):
    """Would catch the first heads taken whatever they do, or two heads of one group."""
    layer = teacher_layout(build_encoder()).layers[0]
    context = torch.randn(50, 24)
    loud = torch.tensor([1.0, 9.0, 8.0, 1.0]).repeat_interleave(6)
    assert chosen_heads(layer, context * loud, 2) == [1, 2]
    assert chosen_heads(layer, context * loud.flip(0)[[*range(12, 24), *range(12)]], 2) == [0, 3]
    assert chosen_heads(layer, context * loud + 100 * (loud == 1), 1) in ([1], [2])
    loud = torch.tensor([1.0, 9.0, 8.0, 7.0]).repeat_interleave(6)
    assert chosen_heads(layer, context * loud, 3) == [1, 2, 3]


def test_source_heads_read_through_the_reader_and_write_through_the_basis(build_encoder):
    """Would catch a bias left out, or heads cut along the wrong axis."""
    layer = teacher_layout(build_encoder()).layers[0]
    reader, basis = torch.randn(24, 17), torch.randn(24, 16)
    head = source_heads(layer, reader, basis)[1]
    states = torch.randn(5, 16)
    seen = with_ones(states) @ reader.T
    torch.testing.assert_close(
        with_ones(states).double() @ head.key.T, layer.key(seen)[:, 6:12].double(), atol=1e-4, rtol=1e-4
    )
    value = torch.randn(5, 6)
    torch.testing.assert_close(value @ head.output.float(), value @ layer.attention_output.weight[:, 6:12].T @ basis)


def test_the_readers_offset_goes_into_the_bias():
    """Would catch means of the dropped directions that are lost."""
    module, reader, states = nn.Linear(5, 2), torch.randn(5, 4), torch.randn(7, 3)
    affine = affine_through(module, reader)
    torch.testing.assert_close(with_ones(states) @ affine.T, module(with_ones(states) @ reader.T).detach())
