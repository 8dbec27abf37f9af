"""What two attention layers are compared by: heads in groups, and the pairs of positions inside both windows."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hf_tinybert.distillation.attention import Attention, AttentionRecord


def common_heads(student: Attention, teacher: Attention) -> int:
    """The smaller number of heads, into as many groups of which the larger side's heads fall.

    Raises:
        ValueError: neither number divides the other.
    """
    heads, teacher_heads = student[0].shape[1], teacher[0].shape[1]
    if max(heads, teacher_heads) % min(heads, teacher_heads):
        raise ValueError(
            f"expected heads of which one count divides the other, got {heads} of the student and {teacher_heads} of "
            "the teacher: heads that cannot be compared; give the student the teacher's `num_attention_heads`, or "
            "leave out the terms that compare attention maps"
        )
    return min(heads, teacher_heads)


def grouped_heads(record: AttentionRecord, heads: int) -> tuple[Tensor, Tensor, float]:
    """Query and key of groups of consecutive heads, side by side, and the factor on their product.

    A group's product is the mean of its heads' scores: no score map is needed to take it.

    Args:
        record: of a number of heads that `heads` divides.
        heads: how many groups.

    Returns:
        Query and key `(batch, heads, seq_len, group * head_width)`, and `scaling / group`.
    """
    group = record.query.shape[1] // heads
    if group == 1:
        return record.query, record.key, record.scaling
    query, key = (side.unflatten(1, (heads, group)).transpose(2, 3).flatten(3) for side in (record.query, record.key))
    return query, key, record.scaling / group


def smallest_window(layers: Sequence[Attention], length: int) -> int | None:
    """Largest distance that every layer attends over; None where that is every distance within `length` tokens."""
    windows = [layer.window for layer in layers if isinstance(layer, AttentionRecord) and layer.window is not None]
    return min(windows) if windows and min(windows) < length - 1 else None


def pairs_within(window: int, length: int, device: torch.device) -> Tensor:
    """Pairs of positions at most `window` apart, bool, `(length, length)`."""
    position = torch.arange(length, device=device)
    return (position[:, None] - position).abs() <= window


__all__ = ["common_heads", "grouped_heads", "pairs_within", "smallest_window"]
