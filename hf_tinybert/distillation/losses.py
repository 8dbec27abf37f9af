"""The terms of the TinyBERT objective as pure functions, one per term.

Every function computes in float32 whatever autocast or the model's dtype, takes the student first, and sends a
gradient to the student only. Two reductions:

* `mean`: over what is valid, so that padding can never change a loss;
* `reference`: the published code's arithmetic (padding positions count in the denominators), for parity.
"""

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import ParamSpec

import torch
from torch import Tensor
from torch.nn import functional

from hf_tinybert.distillation.attention import AttentionRecord


class Reduction(StrEnum):
    """How a term is averaged; see the module's text."""

    MEAN = "mean"
    REFERENCE = "reference"


class AttentionForm(StrEnum):
    """How the attention term is computed; the value is the same.

    `direct` builds the `(query_len, key_len)` difference of scores; `factored` only Gram matrices of head width;
    `auto` takes the one that multiplies less.
    """

    AUTO = "auto"
    DIRECT = "direct"
    FACTORED = "factored"


_Inputs = ParamSpec("_Inputs")


def _in_float32(loss: Callable[_Inputs, Tensor]) -> Callable[_Inputs, Tensor]:
    """Run a loss outside autocast: bfloat16 keeps 8 bits, a squared difference needs more."""

    @wraps(loss)
    def outside_autocast(*args: _Inputs.args, **kwargs: _Inputs.kwargs) -> Tensor:
        first = args[0] if args else kwargs["student"]
        tensor = first.query if isinstance(first, AttentionRecord) else first
        device = tensor.device.type if isinstance(tensor, Tensor) else "cpu"
        with torch.autocast(device, enabled=False):
            return loss(*args, **kwargs)

    return outside_autocast


@_in_float32
def embedding_loss(student: Tensor, teacher: Tensor, mask: Tensor, *, reduction: Reduction = Reduction.MEAN) -> Tensor:
    """Mean squared error between the projected student's and the teacher's embedding output.

    `L_embd = MSE(E_student W_e, E_teacher)`, averaged over valid positions and teacher width.

    Args:
        student: projected embedding output, `(batch, seq_len, teacher_width)`.
        teacher: embedding output, `(batch, seq_len, teacher_width)`.
        mask: `(batch, seq_len)`, non-zero at valid positions.
        reduction: `reference` averages over padding too.

    Returns:
        `()`.

    Raises:
        ValueError: the shapes differ.

    Source: TinyBERT, equation 9.
    """
    return _masked_mean_squared_error(student, teacher, mask, reduction)


@_in_float32
def hidden_states_loss(
    student: Tensor, teacher: Tensor, mask: Tensor, *, reduction: Reduction = Reduction.MEAN
) -> Tensor:
    """Mean squared error between one projected student layer's output and its teacher layer's.

    `L_hidn = MSE(H_student W_h, H_teacher)`, averaged over valid positions and teacher width.

    Args:
        student: projected hidden state, `(batch, seq_len, teacher_width)`.
        teacher: hidden state, `(batch, seq_len, teacher_width)`.
        mask: `(batch, seq_len)`, non-zero at valid positions.
        reduction: `reference` averages over padding too.

    Returns:
        `()`.

    Raises:
        ValueError: the shapes differ.

    Source: TinyBERT, equation 8.
    """
    return _masked_mean_squared_error(student, teacher, mask, reduction)


@_in_float32
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


@_in_float32
def prediction_loss(
    student: Tensor,
    teacher: Tensor,
    mask: Tensor | None = None,
    *,
    temperature: float = 1.0,
    reduction: Reduction = Reduction.MEAN,
) -> Tensor:
    """Soft cross-entropy between teacher and student predictions.

    `L_pred = -softmax(z_teacher / T) . log_softmax(z_student / T)`, summed over classes, averaged over valid
    predictions and multiplied by T^2, so that gradients keep their size at any temperature.

    Args:
        student: logits, `(..., classes)`; a class with -inf on both sides is left out.
        teacher: logits, `(..., classes)`.
        mask: `(...)`, non-zero where a prediction counts; None counts all.
        temperature: T > 0.
        reduction: `reference` averages over classes too, counts masked predictions and has no T^2.

    Returns:
        `()`.

    Raises:
        ValueError: the shapes differ or `temperature` is not positive.

    Source: TinyBERT, equation 10; T^2 as in Hinton et al. 2015, section 2.
    """
    if student.shape != teacher.shape:
        raise ValueError(
            f"expected logits of one shape, got student {tuple(student.shape)} and teacher {tuple(teacher.shape)}; "
            "because classes are compared one by one; give the student the teacher's label names"
        )
    if temperature <= 0:
        raise ValueError(f"expected a positive temperature, got {temperature}")
    target = functional.softmax(teacher.detach().float() / temperature, dim=-1)
    log_likelihood = functional.log_softmax(student.float() / temperature, dim=-1)
    per_class = -target * log_likelihood.masked_fill(torch.isneginf(student), 0.0)
    if reduction is Reduction.REFERENCE:
        return per_class.mean()
    per_prediction = per_class.sum(-1)
    if mask is None:
        return per_prediction.mean() * temperature**2
    valid = mask != 0
    return (per_prediction * valid).sum() / valid.sum().clamp(min=1) * temperature**2


def _masked_mean_squared_error(student: Tensor, teacher: Tensor, mask: Tensor, reduction: Reduction) -> Tensor:
    if student.shape != teacher.shape:
        raise ValueError(
            f"expected states of one shape, got student {tuple(student.shape)} and teacher {tuple(teacher.shape)}; "
            "because a narrower student is compared after its projection to the teacher's width"
        )
    error = (student.float() - teacher.detach().float()).square()
    if reduction is Reduction.REFERENCE:
        return error.mean()
    valid = mask != 0
    return (error.mean(-1) * valid).sum() / valid.sum().clamp(min=1)


def _joined(student: Tensor, teacher: Tensor, student_factor: float, teacher_factor: float) -> Tensor:
    """Student and teacher side by side along the head width, each times its factor, in float32."""
    return torch.cat([student.float() * student_factor, teacher.detach().float() * teacher_factor], dim=-1)


__all__ = [
    "AttentionForm",
    "Reduction",
    "attention_scores_loss",
    "embedding_loss",
    "hidden_states_loss",
    "prediction_loss",
]
