"""Terms that compare attention maps: scores before the softmax, or probabilities after it.

Either side may be an `AttentionRecord` or, from encoders whose query and key cannot be had, `AttentionScores`. Where
the head counts differ and one divides the other, a group of consecutive heads of the larger side is compared with one
head of the smaller. A window of either side (ModernBERT's local layers) leaves only the pairs that both may attend.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from hf_tinybert.distillation.attention import Attention, AttentionRecord, AttentionScores
from hf_tinybert.distillation.attention_comparison import (
    common_heads,
    grouped_heads,
    pairs_within,
    smallest_window,
)
from hf_tinybert.distillation.losses.dot_products import (
    factored_multiplies_less,
    softmax_divergence,
    squared_score_difference,
)
from hf_tinybert.distillation.losses.reduction import AttentionForm, Reduction, in_float32


@in_float32
def attention_scores_loss(
    student: Attention,
    teacher: Attention,
    mask: Tensor,
    *,
    reduction: Reduction = Reduction.MEAN,
    form: AttentionForm = AttentionForm.AUTO,
) -> Tensor:
    """Mean squared error between attention scores before the softmax, head by head.

    `L_attn = 1/h sum_i MSE(A_student_i, A_teacher_i)`, averaged over pairs of valid positions and heads. A group of
    heads counts by the mean of its scores. That mean is the product of the group's queries and keys side by side,
    times `scaling / group`, so that groups need no score map either; see `squared_score_difference`.

    Args:
        student: `(batch, student_heads, seq_len, student_head_width)`, or scores.
        teacher: `(batch, teacher_heads, seq_len, teacher_head_width)`, or scores; head widths may differ.
        mask: `(batch, seq_len)`, non-zero at valid positions; among these, scores must be finite inside the window.
        reduction: `reference` drops padded keys but keeps padded queries and divides by all pairs.
        form: `auto`, `direct` or `factored`; the last needs two records and no window shorter than the texts.

    Returns:
        `()`, float32.

    Raises:
        ValueError: the models differ in batch or length, neither head count divides the other, or `factored` was
            asked for where only scores can be compared one by one.

    Source: TinyBERT, equation 7. Groups of heads and windows are this package's own.
    """
    _check_texts(student, teacher)
    heads = common_heads(student, teacher)
    batch, _, length = _shape(student)
    window = smallest_window([student, teacher], length)
    valid = mask != 0
    query_valid = torch.ones_like(valid) if reduction is Reduction.REFERENCE else valid
    pairs = None if window is None else pairs_within(window, valid.shape[1], valid.device)
    if isinstance(student, AttentionRecord) and isinstance(teacher, AttentionRecord):
        factors = grouped_heads(student, heads), grouped_heads(teacher, heads)
        factored = _takes_factored_form(form, length, factors[0][0].shape[-1], factors[1][0].shape[-1], window)
        squared_error = squared_score_difference(*factors, query_valid, valid, pairs=pairs, factored=factored)
    else:
        if form is AttentionForm.FACTORED:
            raise ValueError(
                "expected `AttentionRecord`s for the factored form, got `AttentionScores`; because a score map has no "
                "query and key to take Gram matrices of; ask for `auto` or `direct`"
            )
        counted = query_valid[:, None, :, None] & valid[:, None, None, :]
        counted = counted if pairs is None else counted & pairs
        difference = _scores(student, heads, counted) - _scores(teacher, heads, counted).detach()
        squared_error = difference.square().sum()
    if reduction is Reduction.REFERENCE:
        return squared_error.float() / (batch * heads * length * length)
    if pairs is None:
        return squared_error.float() / (heads * valid.sum(-1).square().sum()).clamp(min=1)
    counts = (pairs & valid[:, None, :, None] & valid[:, None, None, :]).sum()
    return squared_error.float() / (heads * counts).clamp(min=1)


@in_float32
def attention_probabilities_loss(student: Attention, teacher: Attention, mask: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the student's attention probabilities from the teacher's.

    `KL(softmax(A_teacher) || softmax(A_student))` over valid keys, averaged over valid query rows and heads. A group
    of heads counts by the mean of its probabilities. Dropout plays no part.

    Args:
        student: `(batch, student_heads, seq_len, student_head_width)`, or scores.
        teacher: `(batch, teacher_heads, seq_len, teacher_head_width)`, or scores; head widths may differ.
        mask: `(batch, seq_len)`, non-zero at valid positions.

    Returns:
        `()`, float32.

    Raises:
        ValueError: the models differ in batch or length, or neither head count divides the other.

    Source: MiniLM (Wang et al. 2020), section 3.1.
    """
    _check_texts(student, teacher)
    heads = common_heads(student, teacher)
    window = smallest_window([student, teacher], mask.shape[1])
    valid = mask != 0
    keys = valid[:, None, None, :]
    keys = keys if window is None else keys & pairs_within(window, valid.shape[1], valid.device)
    same_heads = _shape(student)[1] == _shape(teacher)[1]
    if same_heads and isinstance(student, AttentionRecord) and isinstance(teacher, AttentionRecord):
        divergence = softmax_divergence(grouped_heads(student, heads), grouped_heads(teacher, heads), valid, keys)
    else:
        student_log = _log_probabilities(student, heads, keys)
        teacher_log = _log_probabilities(teacher, heads, keys).detach()
        rows = (teacher_log.exp() * (teacher_log - student_log)).sum(-1)
        divergence = (rows * valid[:, None, :]).sum()
    return divergence.float() / (heads * valid.sum()).clamp(min=1)


def _shape(attention: Attention) -> tuple[int, int, int]:
    """Batch, heads and length."""
    batch, heads, length = attention[0].shape[:3]
    return batch, heads, length


def _check_texts(student: Attention, teacher: Attention) -> None:
    (batch, _, length), (teacher_batch, _, teacher_length) = _shape(student), _shape(teacher)
    if (batch, length) != (teacher_batch, teacher_length):
        raise ValueError(
            f"expected equal batch and length, got student {(batch, length)} and teacher "
            f"{(teacher_batch, teacher_length)}; because maps are compared pair by pair of positions; give both "
            "models the same tokens"
        )


def _takes_factored_form(
    form: AttentionForm, length: int, student_width: int, teacher_width: int, window: int | None
) -> bool:
    if window is not None:
        if form is AttentionForm.FACTORED:
            raise ValueError(
                f"expected texts of at most {window + 1} tokens for the factored form, got {length} in a layer that "
                f"attends {window} positions to either side; because Gram matrices know no distance; ask for `auto` "
                "or `direct`"
            )
        return False
    less = factored_multiplies_less(length, student_width, teacher_width)
    return form is AttentionForm.FACTORED or (form is AttentionForm.AUTO and less)


def _map(attention: Attention) -> Tensor:
    """Scores in float32, `(batch, heads, seq_len, seq_len)`."""
    if isinstance(attention, AttentionScores):
        return attention.scores.float()
    query, key = attention.query.float(), attention.key.float()
    return (query * attention.scaling).matmul(key.transpose(-1, -2))


def _scores(attention: Attention, heads: int, counted: Tensor) -> Tensor:
    """Mean scores of `heads` groups, zero where a pair does not count: masked entries hold finfo.min or worse."""
    group = _shape(attention)[1] // heads
    return torch.where(counted, _map(attention), 0.0).reshape(-1, heads, group, *counted.shape[-2:]).mean(2)


def _log_probabilities(attention: Attention, heads: int, keys: Tensor) -> Tensor:
    """Log of the mean probabilities of `heads` groups, `(batch, heads, seq_len, seq_len)`; finite everywhere."""
    scores = _map(attention)
    log = functional.log_softmax(scores.masked_fill(~keys, torch.finfo(scores.dtype).min), dim=-1)
    group = _shape(attention)[1] // heads
    return log if group == 1 else log.reshape(-1, heads, group, *log.shape[-2:]).logsumexp(2) - math.log(group)


__all__ = ["attention_probabilities_loss", "attention_scores_loss"]
