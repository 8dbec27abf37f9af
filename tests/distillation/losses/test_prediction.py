import math

import pytest
import torch
from torch.nn import functional

from hf_tinybert.distillation.losses import (
    ProblemType,
    Reduction,
    label_loss,
    logits_mse_loss,
    masked_lm_loss,
    multi_label_prediction_loss,
    prediction_kl_loss,
    prediction_loss,
    regression_prediction_loss,
)
from hf_tinybert.distillation.losses import prediction as prediction_module

REDUCTIONS = list(Reduction)
LENGTHS = [1, 7, 128]
OTHER_LOSSES = [prediction_kl_loss, logits_mse_loss, multi_label_prediction_loss, regression_prediction_loss]
SOFT_LOSSES = [prediction_loss, *OTHER_LOSSES]
TEMPERED_LOSSES = [prediction_loss, prediction_kl_loss, multi_label_prediction_loss]
LOSSES_OF_OPEN_CLASSES = [prediction_loss, prediction_kl_loss, logits_mse_loss, multi_label_prediction_loss]
CLOSED = torch.tensor(
    [[False] * 6, [False, False, False, False, True, True], [True] * 6]
)  # of three texts, the last empty


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


@pytest.mark.parametrize("loss", TEMPERED_LOSSES)
def test_gradients_keep_their_size_at_high_temperature(loss):
    """Prevents a high temperature from silently lowering the weight of the term by T^2."""
    teacher, sizes = torch.randn(4, 5), []
    for temperature in (10.0, 20.0):
        student = torch.zeros(4, 5, requires_grad=True)
        loss(student, teacher, temperature=temperature).backward()
        sizes.append(student.grad.norm().item())
    assert sizes[1] == pytest.approx(sizes[0], rel=0.1)


@pytest.mark.parametrize("loss", SOFT_LOSSES)
@pytest.mark.parametrize("selected_from", [1, 1024])
def test_masked_predictions_change_neither_value_nor_gradient(loss, selected_from, build_mask, monkeypatch):
    """Prevents the special tokens of a token classifier from outweighing the labelled ones, narrowed or not."""
    monkeypatch.setattr(prediction_module, "SELECTED_FROM_CLASSES", selected_from)
    student, teacher, mask = torch.randn(2, 7, 5, requires_grad=True), torch.randn(2, 7, 5), build_mask(2, 7)
    value = loss(student, teacher, mask)
    (gradient,) = torch.autograd.grad(value, student)
    garbage = torch.where(mask[..., None] == 1, teacher, torch.randn(2, 7, 5) * 100)
    torch.testing.assert_close(loss(student, garbage, mask), value)
    assert gradient[mask == 0].abs().max() == 0
    assert gradient[mask == 1].abs().max() > 0
    torch.testing.assert_close(loss(student[mask == 1], teacher[mask == 1]), value)


@pytest.mark.parametrize("loss", LOSSES_OF_OPEN_CLASSES)
def test_classes_at_minus_infinity_are_left_out_with_finite_gradients(loss):
    """Prevents NaN from the padded positions of question answering, where 0 * log(0) is due."""
    student, teacher = torch.randn(3, 2, 6, requires_grad=True), torch.randn(3, 2, 6)
    closed = CLOSED[:, None, :].expand(3, 2, 6)
    value = loss(student.masked_fill(closed, -torch.inf), teacher.masked_fill(closed, -torch.inf))
    (gradient,) = torch.autograd.grad(value, student)
    short = loss(student[1:2, :, :4], teacher[1:2, :, :4])
    torch.testing.assert_close(value, (loss(student[:1], teacher[:1]) + short) / 3)
    assert torch.isfinite(gradient).all()
    assert gradient[closed].abs().max() == 0
    assert gradient[~closed].abs().min() > 0


@pytest.mark.parametrize("loss", LOSSES_OF_OPEN_CLASSES)
@pytest.mark.parametrize("side", [0, 1])
def test_a_class_closed_on_one_side_gives_a_finite_value_and_gradient(loss, side):
    """Prevents an infinite divergence where the models' padding differs by a position."""
    student, teacher = torch.randn(3, 6, requires_grad=True), torch.randn(3, 6)
    logits = [student, teacher]
    logits[side] = logits[side].masked_fill(CLOSED, -torch.inf)
    value = loss(*logits)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(student.grad).all()


@pytest.mark.parametrize("loss", SOFT_LOSSES)
def test_a_mask_without_any_prediction_gives_zero_and_not_nan(loss):
    """Prevents one batch without labelled tokens from ending the training in NaN."""
    student = torch.randn(2, 3, 5, requires_grad=True)
    value = loss(student, torch.randn(2, 3, 5), torch.zeros(2, 3))
    value.backward()
    assert value.item() == 0.0
    assert student.grad.abs().max() == 0


@pytest.mark.parametrize("loss", SOFT_LOSSES)
def test_prediction_losses_send_a_gradient_to_the_student_only(loss):
    """Prevents a teacher that is pulled towards its student."""
    student, teacher = torch.randn(2, 5, requires_grad=True), torch.randn(2, 5, requires_grad=True)
    loss(student, teacher).backward()
    assert student.grad.abs().max() > 0
    assert teacher.grad is None


@pytest.mark.parametrize("loss", SOFT_LOSSES)
def test_prediction_losses_refuse_other_classes(loss):
    """Prevents a single logit from broadcasting over classes."""
    with pytest.raises(ValueError, match="expected logits of one shape"):
        loss(torch.randn(2, 1), torch.randn(2, 5))


@pytest.mark.parametrize("loss", TEMPERED_LOSSES)
@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_prediction_losses_refuse_temperatures_that_are_none(loss, temperature):
    """Prevents a division by zero, and a student that learns the opposite."""
    with pytest.raises(ValueError, match="expected a positive temperature"):
        loss(torch.randn(2, 5), torch.randn(2, 5), temperature=temperature)


def test_other_prediction_losses_are_the_hand_number():
    """Prevents a sum over classes where the mean is due, the entropy left in, and a factor 1/2."""
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[math.log(3.0), 0.0]])
    divergence = math.log(2) - (0.75 * math.log(4 / 3) + 0.25 * math.log(4))
    assert prediction_kl_loss(student, teacher).item() == pytest.approx(divergence)
    assert logits_mse_loss(student, teacher).item() == pytest.approx(math.log(3.0) ** 2 / 2)
    assert multi_label_prediction_loss(student, teacher).item() == pytest.approx(math.log(2))
    assert regression_prediction_loss(torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [2.5]])).item() == 2.125


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_other_prediction_losses_equal_a_slow_plain_loop(temperature, build_mask):
    """Prevents means over the wrong axes and a temperature on one side only."""
    student, teacher, mask = torch.randn(3, 7, 5), torch.randn(3, 7, 5), build_mask(3, 7)
    divergences, entropies, errors = [], [], []
    for ours, theirs in zip(student[mask == 1].double(), teacher[mask == 1].double(), strict=True):
        p, q = (theirs / temperature).softmax(-1), (ours / temperature).softmax(-1)
        divergences.append((p * (p / q).log()).sum().item() * temperature**2)
        p, q = (theirs / temperature).sigmoid(), (ours / temperature).sigmoid()
        entropies.append(-(p * q.log() + (1 - p) * (1 - q).log()).mean().item() * temperature**2)
        errors.append((ours - theirs).square().mean().item())
    for loss, losses in ((prediction_kl_loss, divergences), (multi_label_prediction_loss, entropies)):
        value = loss(student, teacher, mask, temperature=temperature)
        assert value.item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    for loss in (logits_mse_loss, regression_prediction_loss):
        assert loss(student, teacher, mask).item() == pytest.approx(sum(errors) / len(errors), rel=1e-5)


@pytest.mark.parametrize("loss", OTHER_LOSSES)
def test_other_prediction_losses_are_least_where_student_and_teacher_agree(loss):
    """Prevents swapped sides, and a least value elsewhere."""
    teacher = torch.randn(4, 5)
    student = teacher.clone().requires_grad_()
    value = loss(student, teacher)
    value.backward()
    assert student.grad.abs().max() < 1e-6
    assert value < loss(student + 0.1 * torch.randn(4, 5), teacher)
    if loss is not multi_label_prediction_loss:  # whose least value is the teacher's entropy
        assert value.item() == pytest.approx(0, abs=1e-6)


# labels


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_label_loss_is_the_stock_cross_entropy(smoothing, weighted):
    """Prevents weights, smoothing or ignored labels that differ from what the stock loss makes of them."""
    student, labels = torch.randn(3, 7, 5, requires_grad=True), torch.randint(5, (3, 7))
    labels[1, 3:] = -100
    weights = torch.rand(5) if weighted else None
    value = label_loss(
        student, labels, problem=ProblemType.SINGLE_LABEL, class_weights=weights, label_smoothing=smoothing
    )
    expected = functional.cross_entropy(student.flatten(0, 1), labels.flatten(), weights, label_smoothing=smoothing)
    torch.testing.assert_close(value, expected)
    (gradient,), (wanted,) = torch.autograd.grad(value, student), torch.autograd.grad(expected, student)
    torch.testing.assert_close(gradient, wanted)


def test_the_label_loss_is_the_hand_number():
    """Prevents one problem's loss from being taken for another's."""
    logits = torch.tensor([[math.log(3.0), 0.0]])
    assert label_loss(logits, torch.tensor([1]), problem=ProblemType.SINGLE_LABEL).item() == pytest.approx(math.log(4))
    # sigmoids 3/4 and 1/2; the first label is no
    value = label_loss(logits, torch.tensor([[0.0, 1.0]]), problem=ProblemType.MULTI_LABEL)
    assert value.item() == pytest.approx((math.log(4) + math.log(2)) / 2)
    for labels in (torch.tensor([1.0, -100.0]), torch.tensor([[1.0], [-100.0]])):  # -100 is a number here
        value = label_loss(torch.tensor([[3.0], [-99.0]]), labels, problem=ProblemType.REGRESSION)
        assert value.item() == pytest.approx((4 + 1) / 2)


def test_ignored_labels_of_multi_label_texts_do_not_count():
    """Prevents an unknown label from being learnt as a strong no."""
    student, labels = torch.randn(2, 3, requires_grad=True), torch.tensor([[1, 0, -100], [-100, -100, 1]])
    value = label_loss(student, labels, problem=ProblemType.MULTI_LABEL)
    known = labels != -100
    expected = functional.binary_cross_entropy_with_logits(student[known], labels[known].float())
    torch.testing.assert_close(value, expected)
    value.backward()
    assert student.grad[~known].abs().max() == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_answers_outside_the_text_do_not_count(smoothing):
    """Prevents an answer cut off by truncation, or one in the padding, from giving an infinite loss."""
    student = torch.randn(3, 2, 6, requires_grad=True)
    logits = student.masked_fill(CLOSED[:, None, :], -torch.inf)
    labels = torch.tensor([[1, 6], [-1, 3], [0, 5]])  # the sixth position of text 1, any of text 3 are not there
    value = label_loss(logits, labels, problem=ProblemType.SPAN, label_smoothing=smoothing)
    (gradient,) = torch.autograd.grad(value, student)
    expected = [
        functional.cross_entropy(student[0, 0], torch.tensor(1), label_smoothing=smoothing),
        functional.cross_entropy(student[1, 1, :4], torch.tensor(3), label_smoothing=smoothing),
    ]
    torch.testing.assert_close(value, sum(expected) / 2)
    assert torch.isfinite(gradient).all()
    assert {tuple(index) for index in gradient.abs().sum(-1).nonzero().tolist()} == {(0, 0), (1, 1)}


def test_masked_lm_loss_is_the_stock_one_over_labelled_positions():
    """Prevents the many unmasked tokens from counting, and NaN where no token was masked."""
    student, labels = torch.randn(2, 7, 11, requires_grad=True), torch.full((2, 7), -100)
    labels[0, 2], labels[1, 5], labels[1, 6] = 3, 10, 0
    value = masked_lm_loss(student, labels)
    torch.testing.assert_close(value, functional.cross_entropy(student.flatten(0, 1), labels.flatten()))
    value.backward()
    assert student.grad[labels == -100].abs().max() == 0
    nothing = masked_lm_loss(student, torch.full((2, 7), -100))
    nothing.backward()
    assert nothing.item() == 0.0


def test_masked_lm_loss_smooths_labels_as_the_stock_one():
    """Prevents a setting of the stock Trainer that is accepted for hidden words, and does nothing."""
    student, labels = torch.randn(2, 7, 11), torch.full((2, 7), -100)
    labels[0, 2], labels[1, 5] = 3, 10
    expected = functional.cross_entropy(student.flatten(0, 1), labels.flatten(), label_smoothing=0.3)
    torch.testing.assert_close(masked_lm_loss(student, labels, label_smoothing=0.3), expected)
    assert masked_lm_loss(student, torch.full((2, 7), -100), label_smoothing=0.3).item() == 0.0
    with pytest.raises(ValueError, match="expected `label_smoothing` of at least 0 and below 1, got 1.0"):
        masked_lm_loss(student, labels, label_smoothing=1.0)


@pytest.mark.parametrize("problem", [ProblemType.SINGLE_LABEL, ProblemType.MULTI_LABEL, ProblemType.SPAN])
def test_a_batch_without_any_label_gives_zero_and_not_nan(problem):
    """Prevents one batch without labels from ending the training in NaN."""
    student = torch.randn(2, 2, 5, requires_grad=True)
    shape = (2, 2, 5) if problem is ProblemType.MULTI_LABEL else (2, 2)
    value = label_loss(student, torch.full(shape, -100), problem=problem)
    value.backward()
    assert value.item() == 0.0
    assert student.grad.abs().max() == 0


@pytest.mark.parametrize("wrong", [-1, 3])
def test_class_ids_that_are_none_are_no_class(wrong):
    """Prevents the -1 of a test set without labels from being scored, or learned, as class 0."""
    with pytest.raises(RuntimeError, match="out of bounds"):
        label_loss(torch.randn(2, 3), torch.tensor([0, wrong]), problem=ProblemType.SINGLE_LABEL)


def test_the_label_losses_refuse_labels_and_options_that_do_not_fit():
    """Prevents labels that broadcast, and options that are accepted and then ignored."""
    student, labels, weights = torch.randn(2, 5), torch.tensor([0, 1]), torch.ones(5)
    for problem, wrong in (
        (ProblemType.SINGLE_LABEL, labels[:, None]),
        (ProblemType.MULTI_LABEL, labels),
        (ProblemType.SPAN, labels[:, None]),
        (ProblemType.REGRESSION, labels.float()),
    ):
        with pytest.raises(ValueError, match=f"for `{problem}`, got"):
            label_loss(student, wrong, problem=problem)
    with pytest.raises(ValueError, match="for `masked_lm`, got"):
        masked_lm_loss(student, torch.zeros(2, 5, dtype=torch.long))
    with pytest.raises(ValueError, match="expected `label_smoothing` of at least 0 and below 1, got 1.0"):
        label_loss(student, labels, problem=ProblemType.SINGLE_LABEL, label_smoothing=1.0)
    with pytest.raises(ValueError, match=r"expected `class_weights` of shape \(5,\), got \(4,\)"):
        label_loss(student, labels, problem=ProblemType.SINGLE_LABEL, class_weights=weights[:4])
    for problem in (ProblemType.MULTI_LABEL, ProblemType.REGRESSION, ProblemType.SPAN):
        with pytest.raises(ValueError, match=f"expected no `class_weights` for `{problem}`"):
            label_loss(student, student, problem=problem, class_weights=weights)
    for problem in (ProblemType.MULTI_LABEL, ProblemType.REGRESSION):
        with pytest.raises(ValueError, match=f"expected `label_smoothing` of 0 for `{problem}`"):
            label_loss(student, student, problem=problem, label_smoothing=0.1)
