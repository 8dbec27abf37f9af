"""Attention scores of all layers of a model at once, and products of those of two models without score maps."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hf_tinybert.distillation.attention import Attention, AttentionRecord, AttentionScores
from hf_tinybert.distillation.attention_comparison import (
    common_heads,
    grouped_heads,
    pairs_within,
    smallest_window,
)
from hf_tinybert.distillation.losses import AttentionForm


class LayerOperands(NamedTuple):
    """Queries and keys of all layers side by side, float32, zero at padding.

    Attributes:
        query: `(batch, heads, seq_len, layers * width)`, scaled.
        key: `(batch, heads, seq_len, layers * width)`.
        layers: how many.
    """

    query: Tensor
    key: Tensor
    layers: int

    def layer(self, index: int) -> "LayerOperands":
        """One layer's, without a copy."""
        width = self.query.shape[-1] // self.layers
        columns = slice(index * width, (index + 1) * width)
        return LayerOperands(self.query[..., columns], self.key[..., columns], 1)


def attended_pairs(mask: Tensor, window: int | None) -> Tensor:
    """Pairs of valid positions within the window: bool, `(batch, 1, seq_len, seq_len)`."""
    valid = mask != 0
    pairs = valid[:, :, None] & valid[:, None, :]
    if window is not None:
        pairs = pairs & pairs_within(window, mask.shape[-1], mask.device)
    return pairs[:, None]


def score_maps(layers: Sequence[Attention], heads: int, pairs: Tensor) -> Tensor:
    """Scores of all layers, float32, `(batch, layers, heads * seq_len * seq_len)`.

    Args:
        layers: records or score maps.
        heads: divides theirs; groups of them are averaged.
        pairs: bool, `(batch, 1, seq_len, seq_len)`; zero where false.
    """
    maps = []
    for layer in layers:
        if isinstance(layer, AttentionScores):
            scores = layer.scores.float().unflatten(1, (heads, -1)).mean(2)
        else:
            query, key = _grouped(layer, heads)
            scores = query.matmul(key.transpose(-1, -2))
        maps.append(scores.masked_fill(~pairs, 0.0).flatten(1))
    return torch.stack(maps, 1)


def layer_operands(layers: Sequence[AttentionRecord], heads: int, mask: Tensor) -> LayerOperands:
    """Queries and keys of all layers side by side.

    Args:
        layers: records.
        heads: divides theirs; groups of them are averaged.
        mask: `(batch, seq_len)`, non-zero at valid positions.
    """
    queries, keys = zip(*(_grouped(layer, heads) for layer in layers), strict=True)
    padding = (mask == 0)[:, None, :, None]
    query, key = (torch.cat(tensors, -1).masked_fill(padding, 0.0) for tensors in (queries, keys))
    return LayerOperands(query, key, len(layers))


def map_products(left: LayerOperands, right: LayerOperands) -> Tensor:
    """Inner products of every left with every right score map, summed over heads, `(batch, left, right)`.

    With `S = Q K^T`: `<S, S'> = <Q^T Q', K^T K'>`, so the cost is linear in length.
    """
    products = left.query.transpose(-1, -2).matmul(right.query) * left.key.transpose(-1, -2).matmul(right.key)
    blocks: Tensor = products.unflatten(-1, (right.layers, -1)).unflatten(-3, (left.layers, -1))
    return blocks.sum((1, 3, 5))


def map_squares(operands: LayerOperands) -> Tensor:
    """Squared norm of every score map, summed over heads, `(batch, layers)`."""
    query, key = (
        tensor.unflatten(-1, (operands.layers, -1)).transpose(-2, -3) for tensor in (operands.query, operands.key)
    )
    products: Tensor = query.transpose(-1, -2).matmul(query) * key.transpose(-1, -2).matmul(key)
    return products.sum((1, 3, 4))


def layers_form(
    student: Sequence[Attention], teacher: Sequence[Attention], length: int, form: AttentionForm = AttentionForm.AUTO
) -> AttentionForm:
    """The form to compare all layers in, `direct` or `factored`.

    `auto` is direct until its score maps hold four times as many numbers as the factored form's products, which is
    where they took the same time on a CPU: about 200 tokens for 4 student and 12 teacher layers with 12 heads.

    Args:
        student: records or score maps of all layers.
        teacher: records or score maps of all layers.
        length: tokens.
        form: what is asked for.

    Raises:
        ValueError: `factored` is asked for and score maps or a window leave only `direct`.
    """
    layers = [*student, *teacher]
    maps = any(isinstance(layer, AttentionScores) for layer in layers)
    if maps or smallest_window(layers, length) is not None:
        if form is AttentionForm.FACTORED:
            raise ValueError(
                "expected queries and keys of every layer, and no window shorter than the text, for the `factored` "
                f"form, got {'score maps' if maps else 'a window'}; set `attention_form` to `auto`"
            )
        return AttentionForm.DIRECT
    if form is not AttentionForm.AUTO:
        return form
    numbers = 2
    for model in (student, teacher):
        numbers *= sum(layer[0].shape[1] * layer[0].shape[-1] for layer in model)
    heads = common_heads(student[0], teacher[0])
    fewer = length**2 * len(layers) * heads <= 4 * numbers / heads
    return AttentionForm.DIRECT if fewer else AttentionForm.FACTORED


def _grouped(record: AttentionRecord, heads: int) -> tuple[Tensor, Tensor]:
    """Scaled query and key in float32, `(batch, heads, seq_len, group * width)`: products are means over the group."""
    query, key, scaling = grouped_heads(record, heads)
    return query.float() * scaling, key.float()


__all__ = [
    "LayerOperands",
    "attended_pairs",
    "layer_operands",
    "layers_form",
    "map_products",
    "map_squares",
    "score_maps",
]
