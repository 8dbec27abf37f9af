"""Terms that compare products of hidden states: of positions with positions, or of neurons with neurons.

Products of positions, `(seq_len, seq_len)`, know no width, so that student and teacher compare without a projection.
Products of neurons, `(width, width)`, need one width. Both are scores of factors, see `squared_score_difference`: a
matrix is built only where that multiplies less than the factored form, and none outlives the call.
"""

from torch import Tensor
from torch.nn import functional

from hf_tinybert.distillation.losses.dot_products import factored_multiplies_less, squared_score_difference
from hf_tinybert.distillation.losses.reduction import in_float32


@in_float32
def hidden_similarity_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference of the products of positions with each other.

    `L = 1/sum_b n_b^2 sum_ij (h_student_i . h_student_j / d_student - h_teacher_i . h_teacher_j / d_teacher)^2`, over
    pairs of valid positions of a text. A product is divided by the width `d` of its own states, so that models of any
    two widths compare as they are.

    Args:
        student: hidden state, `(batch, seq_len, student_width)`.
        teacher: hidden state, `(batch, seq_len, teacher_width)`.
        mask: `(batch, seq_len)`, non-zero at valid positions.

    Returns:
        `()`, float32.

    Raises:
        ValueError: the models differ in batch or length.

    Source: Tung and Mori 2019, section 3, there between the examples of a batch and with rows of length one, here
    between the positions of a text as in TextBrewer's `mmd` on one layer; so a value does not depend on which texts
    share a batch.
    """
    _check_texts(student, teacher)
    valid = mask != 0
    squared = _products_of_positions(student, teacher, valid)
    return squared.float() / valid.sum(-1).square().sum().clamp(min=1)


@in_float32
def neuron_selectivity_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Squared maximum mean discrepancy between the patterns of the student's and of the teacher's neurons.

    The pattern of a neuron is its values at the valid positions of a text, scaled to length one: what it responds to,
    however strongly. With the kernel `(x . y)^2` the discrepancy is
    `L = |P_student P_student^T / d_student - P_teacher P_teacher^T / d_teacher|^2`, where `P` holds the patterns of
    `d` neurons as columns; a mean over texts. No neuron outweighs the others, unlike in `hidden_similarity_loss`.

    Args:
        student: hidden state, `(batch, seq_len, student_width)`.
        teacher: hidden state, `(batch, seq_len, teacher_width)`.
        mask: `(batch, seq_len)`, non-zero at valid positions.

    Returns:
        `()`, float32, at most 2.

    Raises:
        ValueError: the models differ in batch or length.

    Source: Huang and Wang 2017, section 4, with their polynomial kernel.
    """
    _check_texts(student, teacher)
    valid = mask != 0
    squared = _products_of_positions(_patterns(student, valid), _patterns(teacher.detach(), valid), valid)
    return squared.float() / _texts(valid)


@in_float32
def hidden_gram_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference of the products of neurons with each other, within one layer.

    `solution_flow_loss` from a layer to itself: `G = 1/n sum_i h_i h_i^T` over the `n` valid positions of a text.

    Args:
        student: (projected) hidden state, `(batch, seq_len, teacher_width)`.
        teacher: hidden state, `(batch, seq_len, teacher_width)`.
        mask: `(batch, seq_len)`, non-zero at valid positions.

    Returns:
        `()`, float32.

    Raises:
        ValueError: the shapes differ.

    Source: Gatys et al. 2016, equations 3 and 4, of neurons over positions; TextBrewer's `gram` on one layer.
    """
    return solution_flow_loss((student, student), (teacher, teacher), mask)


@in_float32
def solution_flow_loss(student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
    """Mean squared difference of the products of one layer's neurons with another layer's: what happens between them.

    `G = 1/n sum_i lower_i upper_i^T` over the `n` valid positions of a text, and
    `L = 1/width^2 |G_student - G_teacher|^2`, a mean over texts.

    Args:
        student: (projected) hidden states of a lower and of a higher layer, `(batch, seq_len, teacher_width)` each.
        teacher: the same of the teacher.
        mask: `(batch, seq_len)`, non-zero at valid positions.

    Returns:
        `()`, float32.

    Raises:
        ValueError: the shapes differ.

    Source: Yim et al. 2017, "A Gift from Knowledge Distillation", equations 1 and 2, the flow of the solution
    procedure; there the sum over the matrix, here its mean, which does not grow with the width.
    """
    shapes = {tuple(state.shape) for state in (*student, *teacher)}
    if len(shapes) != 1:
        raise ValueError(
            f"expected states of one shape, got {sorted(shapes)}; because neurons are compared one by one: a narrower "
            "student after its projection to the teacher's width"
        )
    valid = mask != 0
    width, length = student[0].shape[-1], student[0].shape[-2]
    share = valid / valid.sum(-1, keepdim=True).clamp(min=1)  # of each valid position in the mean over a text
    neurons = valid.new_ones(len(valid), width)
    squared = squared_score_difference(
        (*_by_neuron(student, valid, share), 1.0),
        (*_by_neuron(teacher, valid, share), 1.0),
        neurons,
        neurons,
        factored=factored_multiplies_less(width, length, length),
    )
    return squared.float() / (width**2 * _texts(valid))


def _products_of_positions(student: Tensor, teacher: Tensor, valid: Tensor) -> Tensor:
    """Sum over texts and pairs of valid positions of the squared difference of products, each by its width, `()`."""
    own, other = student[:, None], teacher[:, None]  # as a map of one head
    length, student_width, teacher_width = student.shape[1], student.shape[2], teacher.shape[2]
    return squared_score_difference(
        (own, own, 1 / student_width),
        (other, other, 1 / teacher_width),
        valid,
        valid,
        factored=factored_multiplies_less(length, student_width, teacher_width),
    )


def _patterns(states: Tensor, valid: Tensor) -> Tensor:
    """Every neuron's values over a text at length one, zero at padding, `(batch, seq_len, width)`."""
    return functional.normalize(states.float().masked_fill(~valid[..., None], 0.0), dim=1)


def _by_neuron(states: tuple[Tensor, Tensor], valid: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Both layers as `(batch, 1, width, seq_len)`, zero at padding; their product is a mean over the text."""
    lower, upper = (state.float().masked_fill(~valid[..., None], 0.0) for state in states)
    return (lower * share[..., None]).transpose(1, 2)[:, None], upper.transpose(1, 2)[:, None]


def _texts(valid: Tensor) -> Tensor:
    """Texts with a valid position, at least 1, `()`."""
    return valid.any(-1).sum().clamp(min=1)


def _check_texts(student: Tensor, teacher: Tensor) -> None:
    if student.shape[:2] != teacher.shape[:2]:
        raise ValueError(
            f"expected equal batch and length, got student {tuple(student.shape[:2])} and teacher "
            f"{tuple(teacher.shape[:2])}; because products of positions are compared pair by pair; give both models "
            "the same tokens"
        )


__all__ = ["hidden_gram_loss", "hidden_similarity_loss", "neuron_selectivity_loss", "solution_flow_loss"]
