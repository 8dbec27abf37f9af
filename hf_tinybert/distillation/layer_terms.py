"""The terms that compare layers: the sum of a loss over pairs of a student's and a teacher's layers."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from hf_tinybert.distillation.attention import Attention
from hf_tinybert.distillation.joined_layers import JoinedLayers, joined_attention, joined_states
from hf_tinybert.distillation.losses import (
    AttentionForm,
    Reduction,
    Vectors,
    attention_probabilities_loss,
    attention_scores_loss,
    hidden_cosine_loss,
    hidden_gram_loss,
    hidden_similarity_loss,
    hidden_states_loss,
    neuron_selectivity_loss,
    normalized_hidden_states_loss,
    relations_loss,
    solution_flow_loss,
)
from hf_tinybert.distillation.losses.relations import most_relation_heads
from hf_tinybert.distillation.terms import Term

_MEANS_OVER_POSITIONS = {
    Term.HIDDEN_COSINE: hidden_cosine_loss,
    Term.NORMALIZED_HIDDEN_STATES: normalized_hidden_states_loss,
}
_PRODUCTS_OF_STATES = {
    Term.HIDDEN_SIMILARITY: hidden_similarity_loss,
    Term.NEURON_SELECTIVITY: neuron_selectivity_loss,
    Term.HIDDEN_GRAM: hidden_gram_loss,
}
_RELATIONS = {
    Term.QUERY_RELATIONS: Vectors.QUERY,
    Term.KEY_RELATIONS: Vectors.KEY,
    Term.VALUE_RELATIONS: Vectors.VALUE,
}


def hidden_states_term(
    term: Term, pairs: Sequence[tuple[Tensor, Tensor]], mask: Tensor, reduction: Reduction
) -> Tensor:
    """A term of hidden states, summed over layers, `()`.

    Args:
        term: which one.
        pairs: student and teacher of every layer, `(batch, seq_len, width)`; of `solution_flow_loss`, which compares
            each with the next, from the one below the first layer on.
        mask: `(batch, seq_len)`, non-zero at valid positions.
        reduction: of `hidden_states_loss`.

    Source: TinyBERT, equations 6 and 11, for the sum; each loss names its own.
    """
    if term is Term.SOLUTION_FLOW:
        flows = pairwise(pairs)
        return summed([solution_flow_loss((low[0], up[0]), (low[1], up[1]), mask) for low, up in flows])
    if term in _PRODUCTS_OF_STATES:
        return summed([_PRODUCTS_OF_STATES[term](*pair, mask) for pair in pairs])
    whole = term is Term.HIDDEN_STATES
    loss = partial(hidden_states_loss, reduction=reduction) if whole else _MEANS_OVER_POSITIONS[term]
    return _sum_of_means(loss, joined_states(pairs, mask))


def attention_term(
    term: Term,
    pairs: Sequence[tuple[Attention, Attention]],
    mask: Tensor,
    reduction: Reduction,
    *,
    form: AttentionForm,
    relation_heads: int,
) -> Tensor:
    """A term of attention, summed over layers, `()`.

    Args:
        term: which one.
        pairs: student and teacher of every layer: queries and keys, `(batch, heads, seq_len, head_width)`, or score
            maps.
        mask: `(batch, seq_len)`, non-zero at valid positions.
        reduction: of `attention_scores_loss`.
        form: of `attention_scores_loss`.
        relation_heads: of the relation terms; 0 takes the most that divide both widths.

    Source: as of `hidden_states_term`.
    """
    if term in _RELATIONS:
        heads = [relation_heads or most_relation_heads(*pair) for pair in pairs]
        return summed(
            [
                relations_loss(*pair, mask, vectors=_RELATIONS[term], relation_heads=count)
                for pair, count in zip(pairs, heads, strict=True)
            ]
        )
    scores = term is Term.ATTENTION_SCORES
    loss = partial(attention_scores_loss, reduction=reduction, form=form) if scores else attention_probabilities_loss
    return _sum_of_means(loss, joined_attention(pairs, mask))


def summed(values: Sequence[Tensor]) -> Tensor:
    """The sum of scalars, `()`."""
    return values[0] if len(values) == 1 else torch.stack(tuple(values)).sum()


def _sum_of_means(loss: Callable[[Any, Any, Tensor], Tensor], joined: Sequence[JoinedLayers[Any]]) -> Tensor:
    means = [(one.layers, loss(one.student, one.teacher, one.mask)) for one in joined]
    return summed([mean if layers == 1 else layers * mean for layers, mean in means])


__all__ = ["attention_term", "hidden_states_term", "summed"]
