"""Sums over maps of dot products whose gradient is taken on the spot, so that no map outlives the call.

Two functions compare the map `c_s A_student B_student^T` of a student with that of a teacher. What backward needs,
`(batch, heads, seq_len, student_width)` twice, is computed beside the value; autograd alone would keep every
intermediate of every layer until backward. Only the student's tensors get a gradient, and only a first one.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional


def squared_score_difference(
    student: tuple[Tensor, Tensor, float],
    teacher: tuple[Tensor, Tensor, float],
    query_valid: Tensor,
    key_valid: Tensor,
    *,
    pairs: Tensor | None = None,
    factored: bool = False,
) -> Tensor:
    """Sum of squared differences between the scores of two models.

    With `X = [c_s Q_student, c_t Q_teacher]` and `Y = [K_student, -K_teacher]`, rows of invalid positions zeroed, the
    difference of the scores is `X Y^T` and its squared norm `<X^T X, Y^T Y>`: the factored form needs no score map and
    is linear in length. Near convergence its value (not its gradient) loses digits to cancellation.

    Args:
        student: query and key, `(batch, heads, seq_len, student_width)`, and the factor on their product.
        teacher: the same at `(batch, heads, seq_len, teacher_width)`; without gradient.
        query_valid: bool, `(batch, seq_len)`.
        key_valid: bool, `(batch, seq_len)`.
        pairs: bool, `(batch or 1, 1, seq_len, seq_len)`, true where a pair counts; only with the direct form.
        factored: whether Gram matrices of head width take the place of the map.

    Returns:
        `()`, float32 (float64 for such inputs).
    """
    sum_of_squares: Tensor = _SquaredScoreDifference.apply(  # type: ignore[no-untyped-call]
        *student, *_detached(teacher), query_valid[:, None, :, None], key_valid[:, None, :, None], pairs, factored
    )
    return sum_of_squares


def factored_multiplies_less(length: int, student_width: int, teacher_width: int) -> bool:
    """Whether Gram matrices multiply less than the map that they stand for, value and gradient together.

    Args:
        length: rows of the map.
        student_width: of the student's factors.
        teacher_width: of the teacher's factors.
    """
    # Multiplications: direct L^2 (w + 2 s), factored 2 L w (w + s), with s the student's width and w both. Measured
    # on a processor, the forms cost the same at about 0.8 of the length where these are equal, such as 118 for heads
    # of 26 and 64: benchmarks/results/attention_form.json.
    width = student_width + teacher_width
    return length >= 0.8 * 2 * width * (width + student_width) / (width + 2 * student_width)


def softmax_divergence(
    student: tuple[Tensor, Tensor, float],
    teacher: tuple[Tensor, Tensor, float],
    rows: Tensor,
    columns: Tensor,
) -> Tensor:
    """Sum over rows and heads of `KL(softmax(teacher's map) || softmax(student's map))`.

    Args:
        student: the two factors of the map, `(batch, heads, seq_len, student_width)`, and the factor on their product.
        teacher: the same at `(batch, heads, seq_len, teacher_width)`; without gradient.
        rows: bool, `(batch, seq_len)`, true where a row counts.
        columns: bool, broadcastable to `(batch, heads, seq_len, seq_len)`, true where a column takes part.

    Returns:
        `()`, float32 (float64 for such inputs).
    """
    divergence: Tensor = _SoftmaxDivergence.apply(  # type: ignore[no-untyped-call]
        *student, *_detached(teacher), rows[:, None, :, None], columns
    )
    return divergence


class _SquaredScoreDifference(Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (autograd's context has no public type)
        query: Tensor,
        key: Tensor,
        scaling: float,
        teacher_query: Tensor,
        teacher_key: Tensor,
        teacher_scaling: float,
        query_valid: Tensor,
        key_valid: Tensor,
        pairs: Tensor | None,
        factored: bool,
    ) -> Tensor:
        """The value; see `squared_score_difference`."""
        width = query.shape[-1]
        queries = _joined(query, teacher_query, scaling, teacher_scaling, query_valid)
        keys = _joined(key, teacher_key, 1.0, -1.0, key_valid)
        wanted = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        if factored:
            query_gram = queries.transpose(-1, -2).matmul(queries)
            key_gram = keys.transpose(-1, -2).matmul(keys)
            value = (query_gram * key_gram).sum().clamp(min=0)  # rounding may leave less than nothing
            if wanted:
                query_gradient = queries.matmul(key_gram[..., :width])
                key_gradient = keys.matmul(query_gram[..., :width])
        else:
            difference = queries.matmul(keys.transpose(-1, -2))
            if pairs is not None:
                difference.masked_fill_(~pairs, 0.0)
            value = difference.square().sum()
            if wanted:
                query_gradient = difference.matmul(keys[..., :width])
                key_gradient = difference.transpose(-1, -2).matmul(queries[..., :width])
        if wanted:
            ctx.save_for_backward(query_gradient, key_gradient)
            ctx.factors = 2 * scaling, 2.0
            ctx.dtypes = query.dtype, key.dtype
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """The student's gradients times the factor from above."""
        return *_scaled(ctx, upstream), *[None] * 8


class _SoftmaxDivergence(Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (autograd's context has no public type)
        left: Tensor,
        right: Tensor,
        scaling: float,
        teacher_left: Tensor,
        teacher_right: Tensor,
        teacher_scaling: float,
        rows: Tensor,
        columns: Tensor,
    ) -> Tensor:
        """The value; see `softmax_divergence`."""
        student_log = _log_softmax(left, right, scaling, columns)
        teacher_log = _log_softmax(teacher_left, teacher_right, teacher_scaling, columns)
        target = teacher_log.exp() * rows
        value = (target * teacher_log.sub_(student_log)).sum()
        if ctx.needs_input_grad[0] or ctx.needs_input_grad[1]:
            slope = student_log.exp_().mul_(rows).sub_(target)
            left_gradient = slope.matmul(right.to(slope.dtype))
            right_gradient = slope.transpose(-1, -2).matmul(left.to(slope.dtype))
            ctx.save_for_backward(left_gradient, right_gradient)
            ctx.factors = scaling, scaling
            ctx.dtypes = left.dtype, right.dtype
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """The student's gradients times the factor from above."""
        return *_scaled(ctx, upstream), *[None] * 6


def _detached(factors: tuple[Tensor, Tensor, float]) -> tuple[Tensor, Tensor, float]:
    return factors[0].detach(), factors[1].detach(), factors[2]


def _scaled(ctx: Any, upstream: Tensor) -> list[Tensor | None]:  # noqa: ANN401
    """The two kept gradients, each where it is wanted, in the dtype of its input."""
    kept = zip(ctx.saved_tensors, ctx.factors, ctx.dtypes, ctx.needs_input_grad, strict=False)
    return [(tensor * (upstream * factor)).to(dtype) if wanted else None for tensor, factor, dtype, wanted in kept]


def _joined(student: Tensor, teacher: Tensor, student_factor: float, teacher_factor: float, valid: Tensor) -> Tensor:
    """Student and teacher side by side along the head width, each times its factor, invalid rows zeroed."""
    width = student.shape[3]
    dtype = torch.promote_types(student.dtype, torch.float32)
    weight = valid.to(dtype)
    joined = torch.empty(*student.shape[:3], width + teacher.shape[3], dtype=dtype, device=student.device)
    joined[..., :width] = student  # cast, concatenation and layout in one copy, the rest in place
    joined[..., width:] = teacher
    joined[..., :width].mul_(weight * student_factor)
    joined[..., width:].mul_(weight * teacher_factor)
    return joined


def _log_softmax(left: Tensor, right: Tensor, scaling: float, columns: Tensor) -> Tensor:
    """Log-probabilities over the columns that take part, `(batch, heads, seq_len, seq_len)`; finite everywhere."""
    dtype = torch.promote_types(left.dtype, torch.float32)
    scores = (left.to(dtype) * scaling).matmul(right.to(dtype).transpose(-1, -2))
    return functional.log_softmax(scores.masked_fill_(~columns, torch.finfo(dtype).min), dim=-1)


__all__ = ["factored_multiplies_less", "softmax_divergence", "squared_score_difference"]
