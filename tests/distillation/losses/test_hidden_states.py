from functools import partial

import pytest
import torch

from hf_tinybert.distillation.losses import (
    Positions,
    Reduction,
    hidden_cosine_loss,
    hidden_states_loss,
    normalized_hidden_states_loss,
)

ALL_POSITIONS = partial(normalized_hidden_states_loss, positions=Positions.ALL)
STATE_LOSSES = [hidden_states_loss, hidden_cosine_loss, normalized_hidden_states_loss, ALL_POSITIONS]
REDUCTIONS = list(Reduction)
LENGTHS = [1, 7, 128]


def test_the_squared_loss_is_the_hand_number():
    """Prevents a wrong denominator: width, valid positions, or batch."""
    student = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [9.0, 9.0]]])
    teacher = torch.tensor([[[1.0, 0.0], [3.0, 1.0]], [[2.0, 1.0], [0.0, 0.0]]])
    mask = torch.tensor([[1, 1], [1, 0]])
    # squared errors per position: (0+4)/2, (0+9)/2, (4+1)/2, and padding (81+81)/2
    assert hidden_states_loss(student, teacher, mask).item() == pytest.approx((2 + 4.5 + 2.5) / 3)
    reference = hidden_states_loss(student, teacher, mask, reduction=Reduction.REFERENCE)
    assert reference.item() == pytest.approx((2 + 4.5 + 2.5 + 81) / 4)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("length", LENGTHS)
def test_the_squared_loss_equals_a_slow_plain_loop(reduction, length, build_mask):
    """Prevents a vectorised mean over the wrong axes."""
    student, teacher, mask = torch.randn(3, length, 5), torch.randn(3, length, 5), build_mask(3, length)
    errors = [
        ((student[row, place] - teacher[row, place]) ** 2).mean().item()
        for row in range(3)
        for place in range(length)
        if reduction is Reduction.REFERENCE or mask[row, place] == 1
    ]
    assert hidden_states_loss(student, teacher, mask, reduction=reduction).item() == pytest.approx(
        sum(errors) / len(errors), rel=1e-5
    )


@pytest.mark.parametrize("loss", STATE_LOSSES)
def test_state_losses_of_identical_states_are_zero(loss, build_mask):
    """Prevents a constant that never goes away."""
    state = torch.randn(2, 7, 5)
    assert loss(state, state, build_mask(2, 7)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("loss", STATE_LOSSES)
def test_padding_changes_neither_value_nor_gradient_of_state_losses(loss, build_mask, padded):
    """Prevents a loss that depends on the longest text of the batch."""
    student, teacher, mask = torch.randn(2, 7, 5, requires_grad=True), torch.randn(2, 7, 5), build_mask(2, 7)
    value = loss(student, teacher, mask)
    (gradient,) = torch.autograd.grad(value, student)
    wide = loss(padded(student, 1), padded(teacher, 1, garbage=-1e3), padded(mask, 1, garbage=0))
    (wide_gradient,) = torch.autograd.grad(wide, student)
    torch.testing.assert_close(wide, value)
    torch.testing.assert_close(wide_gradient, gradient)
    garbage = torch.where(mask[..., None] == 1, teacher, 1e3)
    torch.testing.assert_close(loss(student, garbage, mask), value)
    assert gradient[mask == 0].abs().max() == 0


@pytest.mark.parametrize("loss", STATE_LOSSES)
def test_state_losses_send_a_gradient_to_the_student_only(loss, build_mask):
    """Prevents a teacher that is pulled towards its student."""
    student, teacher = torch.randn(2, 7, 5, requires_grad=True), torch.randn(2, 7, 5, requires_grad=True)
    loss(student, teacher, build_mask(2, 7)).backward()
    assert student.grad.abs().max() > 0
    assert teacher.grad is None


@pytest.mark.parametrize("loss", STATE_LOSSES)
def test_state_losses_refuse_states_of_another_width(loss, build_mask):
    """Prevents broadcasting of an unprojected state."""
    with pytest.raises(ValueError, match="expected states of one shape, got student"):
        loss(torch.randn(2, 7, 1), torch.randn(2, 7, 5), build_mask(2, 7))


@pytest.mark.parametrize("loss", STATE_LOSSES)
def test_state_losses_take_their_arguments_by_name(loss, build_mask):
    """Prevents a wrapper that only works with positional arguments."""
    student, teacher, mask = torch.randn(2, 7, 5), torch.randn(2, 7, 5), build_mask(2, 7)
    assert loss(student=student, teacher=teacher, mask=mask).item() == loss(student, teacher, mask).item()


def test_directions_are_the_hand_number():
    """Prevents a cosine that counts lengths, and a squared error that sums over the width."""
    student = torch.tensor([[[3.0, 0.0], [0.0, 2.0], [7.0, 7.0]]])
    teacher = torch.tensor([[[0.0, 5.0], [0.0, 1.0], [-7.0, 0.0]]])
    mask = torch.tensor([[1, 1, 0]])
    assert hidden_cosine_loss(student, teacher, mask).item() == pytest.approx((1 + 0) / 2)
    assert normalized_hidden_states_loss(student, teacher, mask).item() == pytest.approx((1 + 1) / 2)
    assert ALL_POSITIONS(student, teacher, mask).item() == pytest.approx((1 + 0) / 2)


def test_directions_equal_a_slow_plain_loop(build_mask):
    """Prevents a norm or a mean over the wrong axis."""
    student, teacher, mask = torch.randn(3, 7, 5), torch.randn(3, 7, 5), build_mask(3, 7)
    cosines, errors = [], []
    for row in range(3):
        for place in range(int(mask[row].sum())):
            one, other = (side[row, place] / side[row, place].square().sum().sqrt() for side in (student, teacher))
            cosines.append(1 - (one @ other).item())
            errors.append((one - other).square().mean().item())
    assert hidden_cosine_loss(student, teacher, mask).item() == pytest.approx(sum(cosines) / len(cosines), rel=1e-5)
    assert ALL_POSITIONS(student, teacher, mask).item() == pytest.approx(sum(errors) / len(errors), rel=1e-5)


def test_the_first_position_is_the_first_valid_one():
    """Prevents [PAD] in the place of [CLS] where texts are padded on the left."""
    student, teacher = torch.randn(2, 4, 5), torch.randn(2, 4, 5)
    left = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    expected = normalized_hidden_states_loss(
        torch.stack([student[0, 2:3], student[1, :1]]),
        torch.stack([teacher[0, 2:3], teacher[1, :1]]),
        torch.ones(2, 1),
    )
    torch.testing.assert_close(normalized_hidden_states_loss(student, teacher, left), expected)


@pytest.mark.parametrize("loss", [hidden_cosine_loss, normalized_hidden_states_loss, ALL_POSITIONS])
def test_the_length_of_a_state_does_not_count_and_zero_is_finite(loss, build_mask):
    """Prevents a direction that changes with LayerNorm's weight, and NaN from a vector of zeros."""
    student, teacher, mask = torch.randn(2, 7, 5), torch.randn(2, 7, 5), build_mask(2, 7)
    torch.testing.assert_close(loss(3 * student, teacher, mask), loss(student, teacher, mask))
    nothing = torch.zeros(2, 7, 5, requires_grad=True)
    value = loss(nothing, teacher, mask)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(nothing.grad).all()
