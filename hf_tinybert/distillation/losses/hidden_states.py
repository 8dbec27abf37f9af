"""Terms that compare hidden states position by position."""

from enum import StrEnum

import torch
from torch import Tensor
from torch.nn import functional

from hf_tinybert.distillation.losses.reduction import Reduction, in_float32, mean_over_valid


class Positions(StrEnum):
    """Which positions of a text are compared: the `first` valid one, where BERT has [CLS], or `all` valid ones."""

    FIRST = "first"
    ALL = "all"


@in_float32
def hidden_states_loss(
    student: Tensor, teacher: Tensor, mask: Tensor, *, reduction: Reduction = Reduction.MEAN
) -> Tensor:
    """Mean squared error between a projected hidden state of the student and one of the teacher.

    `L_hidn = MSE(H_student W_h, H_teacher)`, averaged over valid positions and teacher width. Of the embedding outputs
    it is `L_embd = MSE(E_student W_e, E_teacher)`.

    Args:
        student: projected hidden state, `(batch, seq_len, teacher_width)`.
        teacher: hidden state, `(batch, seq_len, teacher_width)`.
        mask: `(batch, seq_len)`, non-zero at valid positions.
        reduction: `reference` averages over padding too.

    Returns:
        `()`, float32.

    Raises:
        ValueError: the shapes differ.

    Source: TinyBERT, equations 8 and 9.
    """
    _check_shapes(student, teacher)
    error = (student.float() - teacher.detach().float()).square()
    if reduction is Reduction.REFERENCE:
        return error.mean()
    return mean_over_valid(error.mean(-1), mask)


@in_float32
def hidden_cosine_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """One minus the cosine between the student's and the teacher's hidden state, averaged over valid positions.

    Blind to the length of the vectors, unlike `hidden_states_loss`.

    Args:
        student: (projected) hidden state, `(batch, seq_len, teacher_width)`.
        teacher: hidden state, `(batch, seq_len, teacher_width)`.
        mask: `(batch, seq_len)`, non-zero at valid positions.

    Returns:
        `()`, float32, between 0 and 2.

    Raises:
        ValueError: the shapes differ.

    Source: DistilBERT (Sanh et al. 2019), section 3, where it aligns the last hidden states.
    """
    _check_shapes(student, teacher)
    cosine = functional.cosine_similarity(student.float(), teacher.detach().float(), dim=-1)
    return mean_over_valid(1 - cosine, mask)


@in_float32
def normalized_hidden_states_loss(
    student: Tensor, teacher: Tensor, mask: Tensor, *, positions: Positions = Positions.FIRST
) -> Tensor:
    """Mean squared error between hidden states scaled to length one.

    `L_PT = MSE(h_student / |h_student|, h_teacher / |h_teacher|)`, averaged over the compared positions and the width:
    with the mean over the width, as in the published code, the paper's weights for this term fit; equation 7 sums.

    Args:
        student: (projected) hidden state, `(batch, seq_len, teacher_width)`.
        teacher: hidden state, `(batch, seq_len, teacher_width)`.
        mask: `(batch, seq_len)`, non-zero at valid positions.
        positions: `first` compares each text's first valid position, as PKD does; `all` every valid one.

    Returns:
        `()`, float32, at most `4 / teacher_width`.

    Raises:
        ValueError: the shapes differ.

    Source: Patient Knowledge Distillation (Sun et al. 2019), equation 7.
    """
    _check_shapes(student, teacher)
    valid = mask != 0
    teacher = teacher.detach()
    if positions == Positions.FIRST:
        first = valid.int().argmax(dim=1)  # not 0: a text may be padded on the left
        text = torch.arange(len(first), device=first.device)
        student, teacher, valid = student[text, first], teacher[text, first], valid.any(dim=1)
    error = functional.normalize(student.float(), dim=-1) - functional.normalize(teacher.float(), dim=-1)
    return mean_over_valid(error.square().mean(-1), valid)


def _check_shapes(student: Tensor, teacher: Tensor) -> None:
    if student.shape != teacher.shape:
        raise ValueError(
            f"expected states of one shape, got student {tuple(student.shape)} and teacher {tuple(teacher.shape)}; "
            "because a narrower student is compared after its projection to the teacher's width"
        )


__all__ = ["Positions", "hidden_cosine_loss", "hidden_states_loss", "normalized_hidden_states_loss"]
