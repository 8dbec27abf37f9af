"""Terms that compare attention maps."""

import torch
from torch import Tensor

from hf_tinybert.distillation.attention import AttentionRecord
from hf_tinybert.distillation.losses.reduction import AttentionForm, Reduction, in_float32


@in_float32
def attention_scores_loss(
    student: AttentionRecord,
    teacher: AttentionRecord,
    mask: Tensor,
    *,
    reduction: Reduction = Reduction.MEAN,
    form: AttentionForm = AttentionForm.AUTO,
) -> Tensor:
    """Mean squared error between attention scores before the softmax, head by head.

    `L_attn = 1/h sum_i MSE(A_student_i, A_teacher_i)`, averaged over pairs of valid positions and heads. With
    `X = [c_s Q_student, c_t Q_teacher]`, `Y = [K_student, -K_teacher]` (scalings folded in) the difference of the
    scores is `X Y^T`, and its squared norm is `<X^T X, Y^T Y>`: the factored form needs no score map and is linear in
    length. Near convergence its value (not its gradient) loses digits to cancellation.

    Args:
        student: query and key, `(batch, heads, seq_len, student_head_width)`.
        teacher: query and key, `(batch, heads, seq_len, teacher_head_width)`; head widths may differ.
        mask: `(batch, seq_len)`, non-zero at valid positions.
        reduction: `reference` drops padded keys but keeps padded queries and divides by all pairs.
        form: `auto`, `direct` or `factored`.

    Returns:
        `()`.

    Raises:
        ValueError: the models differ in batch, heads or length.

    Source: TinyBERT, equation 7.
    """
    if student.query.shape[:3] != teacher.query.shape[:3]:
        raise ValueError(
            f"expected equal batch, heads and length, got student {tuple(student.query.shape[:3])} and teacher "
            f"{tuple(teacher.query.shape[:3])}; because scores are compared head by head; give the student the "
            "teacher's `num_attention_heads`"
        )
    valid = (mask != 0)[:, None, :, None]
    query_valid = torch.ones_like(valid) if reduction is Reduction.REFERENCE else valid
    query = _joined(student.query, teacher.query, student.scaling, teacher.scaling) * query_valid
    key = _joined(student.key, teacher.key, 1.0, -1.0) * valid
    batch, heads, length, width = query.shape
    if form is AttentionForm.AUTO:
        form = AttentionForm.DIRECT if length < width else AttentionForm.FACTORED
    if form is AttentionForm.DIRECT:
        squared_error = torch.matmul(query, key.transpose(-1, -2)).square().sum()
    else:
        squared_error = (query.transpose(-1, -2).matmul(query) * key.transpose(-1, -2).matmul(key)).sum()
    if reduction is Reduction.REFERENCE:
        return squared_error / (batch * heads * length * length)
    return squared_error / (heads * (mask != 0).sum(-1).square().sum()).clamp(min=1)


def _joined(student: Tensor, teacher: Tensor, student_factor: float, teacher_factor: float) -> Tensor:
    """Student and teacher side by side along the head width, each times its factor, in float32."""
    return torch.cat([student.float() * student_factor, teacher.detach().float() * teacher_factor], dim=-1)


__all__ = ["attention_scores_loss"]
