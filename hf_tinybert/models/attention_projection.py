"""A teacher's attention heads for a student: fewer of them, narrower or wider ones."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hf_tinybert.models.encoder_layout import EncoderLayer, values
from hf_tinybert.models.least_squares import MomentRoot, low_rank_factors

_NOISE = 0.02  # BERT's initializer_range, for dimensions of a head that the teacher's heads do not have


@dataclass(frozen=True)
class HeadFactors:
    """One head as four matrices with one row per dimension of the head, fp64.

    Attributes:
        query: `(head_width, student_width + 1)`, the bias in the last column, like `key` and `value`.
        key: `(head_width, student_width + 1)`.
        value: `(head_width, student_width + 1)`.
        output: `(head_width, student_width)`, transposed columns of the output matrix.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    output: Tensor


def source_heads(source: EncoderLayer, reader: Tensor, basis: Tensor) -> list[HeadFactors]:
    """A teacher layer's heads at their own width, as the student's states meet them.

    Args:
        source: The teacher's layer.
        reader: `(teacher_width, student_width + 1)`, from the student's state to the one that the layer reads.
        basis: `(teacher_width, student_width)`, what the layer writes is mapped by its transpose.
    """
    rows = [affine_through(module, reader).double() for module in (source.query, source.key, source.value)]
    rows.append((values(source.attention_output.weight, basis).T @ basis).double())
    split = [matrix.split(source.head_width) for matrix in rows]
    return [HeadFactors(*factors) for factors in zip(*split, strict=True)]


def resized_head(head: HeadFactors, width: int, moment: MomentRoot, generator: torch.Generator) -> HeadFactors:
    """A head of another width with the nearest scores and outputs.

    Narrower: the best approximation, on the data, of the scores and of what the head writes. Wider: the same scores
    and outputs; added rows are noise on one side of each product, so that gradients reach them, and zero on the other.
    Queries and keys grow by `(width / own_width) ** 0.25` each, because scores are divided by `sqrt(width)`.

    Args:
        head: The teacher's.
        width: Wanted rows.
        moment: Root of the second moment of the student's states, a one appended.
        generator: Of the noise, on the CPU.
    """
    own_width = len(head.query)
    if width == own_width:
        return head
    if width < own_width:
        query, key = low_rank_factors(head.query, head.key, width, left_moment=moment, right_moment=moment)
        output, value = low_rank_factors(head.output, head.value, width, left_moment=None, right_moment=moment)
    else:
        query, value = (_with_noise(factor, width - own_width, generator) for factor in (head.query, head.value))
        key, output = (_with_zeros(factor, width - own_width) for factor in (head.key, head.output))
    scale = (width / own_width) ** 0.25
    return HeadFactors(query * scale, key * scale, value, output)


def chosen_heads(source: EncoderLayer, context: Tensor, heads: int) -> list[int]:
    """Which of a teacher's heads a student with fewer keeps.

    The best of each group of neighbours when the counts divide, else the best ones, in order; best is what changes the
    state most.

    Args:
        source: The teacher's layer.
        context: What its heads read, `(tokens, heads * head_width)`.
        heads: Of the student.
    """
    centred = (context - context.mean(0)).split(source.head_width, dim=1)
    written = values(source.attention_output.weight, context).split(source.head_width, dim=1)
    importance = torch.stack([(c @ w.T).square().mean() for c, w in zip(centred, written, strict=True)])
    if source.heads % heads == 0:
        group = source.heads // heads
        return [int(best) + start * group for start, best in enumerate(importance.view(heads, group).argmax(1))]
    return sorted(importance.topk(heads).indices.tolist())


def affine_through(module: torch.nn.Linear, reader: Tensor) -> Tensor:
    """A linear layer behind an affine reader, as one matrix with the bias in its last column.

    Args:
        module: `(out, in)`.
        reader: `(in, width + 1)`.

    Returns:
        `(out, width + 1)`.
    """
    affine = values(module.weight, reader) @ reader
    affine[:, -1] += values(module.bias, reader)
    return affine


def _with_noise(factor: Tensor, rows: int, generator: torch.Generator) -> Tensor:
    noise = torch.randn(rows, factor.shape[1], generator=generator, dtype=factor.dtype)
    return torch.cat([factor, _NOISE * noise.to(factor.device)])


def _with_zeros(factor: Tensor, rows: int) -> Tensor:
    return torch.cat([factor, factor.new_zeros(rows, factor.shape[1])])


__all__ = ["HeadFactors", "affine_through", "chosen_heads", "resized_head", "source_heads"]
