"""Layers of one shape side by side in the batch, so that a term that is a mean over positions takes them in one call.

The terms of a small student are made of short kernels, of which an accelerator finishes each before the next one is
launched: what counts is how many there are. A term of four layers has as many as that of one.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from hf_tinybert.distillation.attention import Attention, AttentionRecord

NUMBERS_AT_ONCE = 2**22
"""Of one model's joined states, or of the score maps that they stand for. Beyond it a kernel lasts longer than its
launch, and joined layers would take memory for nothing."""

_States = TypeVar("_States")
_Pair = tuple[_States, _States]


class JoinedLayers(NamedTuple, Generic[_States]):
    """Some layers of both models as one.

    Attributes:
        student: of `layers x batch` texts.
        teacher: likewise, in the same order.
        mask: `(layers x batch, seq_len)`, non-zero at valid positions.
        layers: how many; the sum of a term over them is so many times its mean.
    """

    student: _States
    teacher: _States
    mask: Tensor
    layers: int


def joined_states(pairs: Sequence[_Pair[Tensor]], mask: Tensor) -> list[JoinedLayers[Tensor]]:
    """Hidden states of layers, those of one shape joined.

    Args:
        pairs: student and teacher of each layer, `(batch, seq_len, width)`.
        mask: `(batch, seq_len)`.
    """
    return _joined(pairs, mask, _state_kind, lambda state: state.numel(), lambda states: torch.cat(list(states)))


def joined_attention(pairs: Sequence[_Pair[Attention]], mask: Tensor) -> list[JoinedLayers[Attention]]:
    """Queries and keys of layers, those of one shape, scaling and window joined; score maps stay as they are.

    Args:
        pairs: student and teacher of each layer, queries and keys `(batch, heads, seq_len, head_width)`.
        mask: `(batch, seq_len)`.
    """
    return _joined(pairs, mask, _attention_kind, _map_numbers, _joined_records)


def _joined(
    pairs: Sequence[_Pair[_States]],
    mask: Tensor,
    kind: Callable[[_States], Hashable],
    numbers: Callable[[_States], int],
    join: Callable[[Sequence[_States]], _States],
) -> list[JoinedLayers[_States]]:
    groups = dict[Hashable, list[_Pair[_States]]]()
    for pair in pairs:
        groups.setdefault(tuple(kind(side) for side in pair), []).append(pair)
    joined = []
    for alike in groups.values():
        at_once = max(NUMBERS_AT_ONCE // max(1, *(numbers(side) for side in alike[0])), 1)
        for first in range(0, len(alike), at_once):
            students, teachers = zip(*alike[first : first + at_once], strict=True)
            count = len(students)
            if count == 1:
                joined.append(JoinedLayers(students[0], teachers[0], mask, 1))
            else:
                joined.append(JoinedLayers(join(students), join(teachers), mask.repeat(count, 1), count))
    return joined


def _state_kind(state: Tensor) -> Hashable:
    return state.shape, state.dtype


def _attention_kind(attention: Attention) -> Hashable:
    """Equal for layers that may be joined; of a score map its own."""
    if not isinstance(attention, AttentionRecord):
        return id(attention)
    sides = [(side.shape, side.dtype) for side in (attention.query, attention.key)]
    return *sides, attention.scaling, attention.window


def _map_numbers(attention: Attention) -> int:
    batch, heads, length = attention[0].shape[:3]
    return batch * heads * length * max(length, attention[0].shape[3])


def _joined_records(records: Sequence[Attention]) -> AttentionRecord:
    own = [record for record in records if isinstance(record, AttentionRecord)]
    query, key = (torch.cat(sides) for sides in ([one.query for one in own], [one.key for one in own]))
    return AttentionRecord(query, key, None, own[0].scaling, own[0].window)


__all__ = ["NUMBERS_AT_ONCE", "JoinedLayers", "joined_attention", "joined_states"]
