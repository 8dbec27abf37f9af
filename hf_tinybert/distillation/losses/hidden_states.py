"""Terms that compare hidden states position by position."""

from torch import Tensor

from hf_tinybert.distillation.losses.reduction import Reduction, in_float32, mean_over_valid


@in_float32
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


@in_float32
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


def _masked_mean_squared_error(student: Tensor, teacher: Tensor, mask: Tensor, reduction: Reduction) -> Tensor:
    if student.shape != teacher.shape:
        raise ValueError(
            f"expected states of one shape, got student {tuple(student.shape)} and teacher {tuple(teacher.shape)}; "
            "because a narrower student is compared after its projection to the teacher's width"
        )
    error = (student.float() - teacher.detach().float()).square()
    if reduction is Reduction.REFERENCE:
        return error.mean()
    return mean_over_valid(error.mean(-1), mask)


__all__ = ["embedding_loss", "hidden_states_loss"]
