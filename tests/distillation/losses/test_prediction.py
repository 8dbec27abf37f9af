import math

import pytest
import torch

from hf_tinybert.distillation.losses import Reduction, prediction_loss

REDUCTIONS = list(Reduction)
LENGTHS = [1, 7, 128]


def test_prediction_loss_is_the_hand_number():
    """Prevents a mean over classes, and logs of another base."""
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[math.log(3.0), 0.0]])
    # the teacher says 3/4 and 1/4, the student 1/2 and 1/2
    assert prediction_loss(student, teacher).item() == pytest.approx(math.log(2))
    reference = prediction_loss(student, teacher, reduction=Reduction.REFERENCE)
    assert reference.item() == pytest.approx(math.log(2) / 2)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("length", LENGTHS)
def test_prediction_loss_equals_a_slow_plain_loop(reduction, temperature, length, build_mask):
    """Prevents a mask that scales the loss by the share of valid tokens, and a T^2 in the wrong reduction."""
    student, teacher, mask = torch.randn(3, length, 5), torch.randn(3, length, 5), build_mask(3, length)
    losses = []
    for row in range(3):
        for place in range(length):
            target = [math.exp(value / temperature) for value in teacher[row, place].tolist()]
            guess = [math.exp(value / temperature) for value in student[row, place].tolist()]
            cross_entropy = -sum(
                t / sum(target) * math.log(g / sum(guess)) for t, g in zip(target, guess, strict=True)
            )
            if reduction is Reduction.REFERENCE:
                losses.append(cross_entropy / 5)
            elif mask[row, place] == 1:
                losses.append(cross_entropy * temperature**2)
    value = prediction_loss(student, teacher, mask, temperature=temperature, reduction=reduction)
    assert value.item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_the_prediction_loss_is_least_where_student_and_teacher_agree():
    """Prevents swapped sides: the least value is the teacher's entropy and the gradient there is zero."""
    teacher = torch.randn(4, 5)
    student = teacher.clone().requires_grad_()
    value = prediction_loss(student, teacher)
    value.backward()
    probabilities = teacher.softmax(-1)
    entropy = -(probabilities * probabilities.log()).sum(-1).mean()
    torch.testing.assert_close(value, entropy)
    assert student.grad.abs().max() < 1e-6


def test_gradients_keep_their_size_at_high_temperature():
    """Prevents a high temperature from silently lowering the weight of the term by T^2."""
    teacher, sizes = torch.randn(4, 5), []
    for temperature in (10.0, 20.0):
        student = torch.zeros(4, 5, requires_grad=True)
        prediction_loss(student, teacher, temperature=temperature).backward()
        sizes.append(student.grad.norm().item())
    assert sizes[1] == pytest.approx(sizes[0], rel=0.1)


def test_masked_predictions_change_neither_value_nor_gradient(build_mask):
    """Prevents the special tokens of a token classifier from outweighing the labelled ones."""
    student, teacher, mask = torch.randn(2, 7, 5, requires_grad=True), torch.randn(2, 7, 5), build_mask(2, 7)
    value = prediction_loss(student, teacher, mask)
    (gradient,) = torch.autograd.grad(value, student)
    garbage = torch.where(mask[..., None] == 1, teacher, torch.randn(2, 7, 5) * 100)
    torch.testing.assert_close(prediction_loss(student, garbage, mask), value)
    assert gradient[mask == 0].abs().max() == 0
    labelled = prediction_loss(student[mask == 1], teacher[mask == 1])
    torch.testing.assert_close(labelled, value)


def test_classes_at_minus_infinity_are_left_out_with_finite_gradients():
    """Prevents NaN from the padded positions of question answering, where 0 * log(0) is due."""
    student, teacher = torch.randn(2, 2, 6, requires_grad=True), torch.randn(2, 2, 6)
    closed = torch.tensor([[False] * 6, [False, False, False, False, True, True]])[:, None, :].expand(2, 2, 6)
    value = prediction_loss(student.masked_fill(closed, -torch.inf), teacher.masked_fill(closed, -torch.inf))
    (gradient,) = torch.autograd.grad(value, student)
    short = prediction_loss(student[1:, :, :4], teacher[1:, :, :4])
    torch.testing.assert_close(value, (prediction_loss(student[:1], teacher[:1]) + short) / 2)
    assert torch.isfinite(gradient).all()
    assert gradient[closed].abs().max() == 0
    assert gradient[~closed].abs().min() > 0


def test_a_mask_without_any_prediction_gives_zero_and_not_nan():
    """Prevents one batch without labelled tokens from ending the training in NaN."""
    student = torch.randn(2, 3, 5, requires_grad=True)
    value = prediction_loss(student, torch.randn(2, 3, 5), torch.zeros(2, 3))
    value.backward()
    assert value.item() == 0.0
    assert student.grad.abs().max() == 0


def test_the_prediction_loss_sends_a_gradient_to_the_student_only():
    """Prevents a teacher that is pulled towards its student."""
    student, teacher = torch.randn(2, 5, requires_grad=True), torch.randn(2, 5, requires_grad=True)
    prediction_loss(student, teacher).backward()
    assert student.grad.abs().max() > 0
    assert teacher.grad is None


def test_the_prediction_loss_refuses_other_classes_and_temperatures():
    """Prevents a single logit from broadcasting over classes, and a division by zero."""
    with pytest.raises(ValueError, match="expected logits of one shape"):
        prediction_loss(torch.randn(2, 1), torch.randn(2, 5))
    for temperature in (0.0, -1.0):
        with pytest.raises(ValueError, match="expected a positive temperature"):
            prediction_loss(torch.randn(2, 5), torch.randn(2, 5), temperature=temperature)
