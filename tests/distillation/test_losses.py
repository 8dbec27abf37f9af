import math

import pytest
import torch
from torch import Tensor

from hf_tinybert.distillation.attention import AttentionRecord
from hf_tinybert.distillation.losses import (
    AttentionForm,
    Reduction,
    attention_scores_loss,
    embedding_loss,
    hidden_states_loss,
    prediction_loss,
)

STATE_LOSSES = [embedding_loss, hidden_states_loss]
REDUCTIONS = list(Reduction)
FORMS = [AttentionForm.DIRECT, AttentionForm.FACTORED]
LENGTHS = [1, 7, 128]


def _mask(batch, length, padded=True):
    """The first text is whole, each further one is a third shorter."""
    mask = torch.ones(batch, length, dtype=torch.long)
    if padded:
        for row in range(1, batch):
            mask[row, max(1, length - row * (length // 3 + 1)) :] = 0
    return mask


def _record(batch, heads, length, width, **tensor):
    return AttentionRecord(
        torch.randn(batch, heads, length, width, **tensor), torch.randn(batch, heads, length, width, **tensor), 0.5
    )


def _padded(tensor: Tensor, dim: int, garbage=1e3, columns=3):
    """`tensor` with columns of large garbage behind its end along `dim`."""
    shape = [*tensor.shape]
    shape[dim] = columns
    return torch.cat([tensor, torch.full(shape, garbage, dtype=tensor.dtype)], dim)


def _padded_record(record):
    return AttentionRecord(_padded(record.query, 2), _padded(record.key, 2), record.scaling)


# embedding and hidden states


@pytest.mark.parametrize("loss", STATE_LOSSES)
def test_state_losses_are_the_hand_number(loss):
    """Prevents a wrong denominator: width, valid positions, or batch."""
    student = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [9.0, 9.0]]])
    teacher = torch.tensor([[[1.0, 0.0], [3.0, 1.0]], [[2.0, 1.0], [0.0, 0.0]]])
    mask = torch.tensor([[1, 1], [1, 0]])
    # squared errors per position: (0+4)/2, (0+9)/2, (4+1)/2, and padding (81+81)/2
    assert loss(student, teacher, mask).item() == pytest.approx((2 + 4.5 + 2.5) / 3)
    reference = loss(student, teacher, mask, reduction=Reduction.REFERENCE)
    assert reference.item() == pytest.approx((2 + 4.5 + 2.5 + 81) / 4)


@pytest.mark.parametrize("loss", STATE_LOSSES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("length", LENGTHS)
def test_state_losses_equal_a_slow_plain_loop(loss, reduction, length):
    """Prevents a vectorised mean over the wrong axes."""
    student, teacher, mask = torch.randn(3, length, 5), torch.randn(3, length, 5), _mask(3, length)
    errors = [
        ((student[row, place] - teacher[row, place]) ** 2).mean().item()
        for row in range(3)
        for place in range(length)
        if reduction is Reduction.REFERENCE or mask[row, place] == 1
    ]
    assert loss(student, teacher, mask, reduction=reduction).item() == pytest.approx(
        sum(errors) / len(errors), rel=1e-5
    )


@pytest.mark.parametrize("loss", STATE_LOSSES)
def test_state_losses_of_identical_states_are_zero(loss):
    """Prevents a constant that never goes away."""
    state = torch.randn(2, 7, 5)
    assert loss(state, state, _mask(2, 7)).item() == 0.0


@pytest.mark.parametrize("loss", STATE_LOSSES)
def test_padding_changes_neither_value_nor_gradient_of_state_losses(loss):
    """Prevents a loss that depends on the longest text of the batch."""
    student, teacher, mask = torch.randn(2, 7, 5, requires_grad=True), torch.randn(2, 7, 5), _mask(2, 7)
    value = loss(student, teacher, mask)
    (gradient,) = torch.autograd.grad(value, student)
    wide = loss(_padded(student, 1), _padded(teacher, 1, garbage=-1e3), _padded(mask, 1, garbage=0))
    (wide_gradient,) = torch.autograd.grad(wide, student)
    torch.testing.assert_close(wide, value)
    torch.testing.assert_close(wide_gradient, gradient)
    garbage = torch.where(mask[..., None] == 1, teacher, 1e3)
    torch.testing.assert_close(loss(student, garbage, mask), value)
    assert gradient[mask == 0].abs().max() == 0


@pytest.mark.parametrize("loss", STATE_LOSSES)
def test_state_losses_send_a_gradient_to_the_student_only(loss):
    """Prevents a teacher that is pulled towards its student."""
    student, teacher = torch.randn(2, 7, 5, requires_grad=True), torch.randn(2, 7, 5, requires_grad=True)
    loss(student, teacher, _mask(2, 7)).backward()
    assert student.grad.abs().max() > 0
    assert teacher.grad is None


@pytest.mark.parametrize("loss", STATE_LOSSES)
def test_state_losses_refuse_states_of_another_width(loss):
    """Prevents broadcasting of an unprojected state."""
    with pytest.raises(ValueError, match="expected states of one shape, got student"):
        loss(torch.randn(2, 7, 1), torch.randn(2, 7, 5), _mask(2, 7))


@pytest.mark.parametrize("loss", STATE_LOSSES)
def test_state_losses_take_their_arguments_by_name(loss):
    """Prevents a wrapper that only works with positional arguments."""
    student, teacher, mask = torch.randn(2, 7, 5), torch.randn(2, 7, 5), _mask(2, 7)
    assert loss(student=student, teacher=teacher, mask=mask).item() == loss(student, teacher, mask).item()


# attention scores


@pytest.mark.parametrize("form", FORMS)
def test_attention_loss_is_the_hand_number(form):
    """Prevents a wrong denominator or scaling."""
    student = AttentionRecord(torch.tensor([[[[2.0], [4.0]]]]), torch.tensor([[[[1.0], [3.0]]]]), 0.5)
    teacher = AttentionRecord(torch.tensor([[[[1.0], [2.0]]]]), torch.tensor([[[[2.0], [1.0]]]]), 1.0)
    # student scores [[1, 3], [2, 6]], teacher scores [[2, 1], [4, 2]]
    assert attention_scores_loss(student, teacher, torch.tensor([[1, 1]]), form=form).item() == pytest.approx(
        (1 + 4 + 4 + 16) / 4
    )
    half = torch.tensor([[1, 0]])
    assert attention_scores_loss(student, teacher, half, form=form).item() == pytest.approx(1.0)
    reference = attention_scores_loss(student, teacher, half, reduction=Reduction.REFERENCE, form=form)
    assert reference.item() == pytest.approx((1 + 4) / 4)  # the padded key drops out, the padded query counts


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("length", [1, 7])
def test_attention_loss_equals_a_slow_plain_loop(form, reduction, length):
    """Prevents pairs of one valid and one padded position from counting, and heads from being mixed."""
    student, teacher, mask = _record(3, 2, length, 3), _record(3, 2, length, 5), _mask(3, length)
    total, pairs = 0.0, 0
    for row in range(3):
        for head in range(2):
            for query in range(length):
                for key in range(length):
                    counted = mask[row, query] * mask[row, key] == 1
                    if reduction is Reduction.REFERENCE:
                        pairs += 1
                        counted = mask[row, key] == 1
                    else:
                        pairs += int(counted)
                    if counted:
                        scores = [
                            record.query[row, head, query] @ record.key[row, head, key] * record.scaling
                            for record in (student, teacher)
                        ]
                        total += (scores[0] - scores[1]).item() ** 2
    value = attention_scores_loss(student, teacher, mask, reduction=reduction, form=form)
    assert value.item() == pytest.approx(total / pairs, rel=1e-5)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("widths", [(4, 4), (3, 8)])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_factored_form_equals_the_direct_one(length, widths, padded, reduction):
    """Prevents an algebra that is right only without padding, or only for heads of one width."""
    student, teacher = (_record(2, 4, length, width) for width in widths)
    inputs = [tensor.requires_grad_() for tensor in (student.query, student.key)]
    values, gradients = [], []
    for form in FORMS:
        value = attention_scores_loss(student, teacher, _mask(2, length, padded), reduction=reduction, form=form)
        values.append(value)
        gradients.append(torch.autograd.grad(value, inputs))
    torch.testing.assert_close(values[1], values[0], rtol=1e-5, atol=1e-7)
    for factored, direct in zip(*reversed(gradients), strict=True):
        torch.testing.assert_close(factored, direct, rtol=1e-4, atol=1e-6 * direct.abs().max().item() + 1e-9)


@pytest.mark.parametrize("length", [6, 7, 8])
def test_auto_gives_what_both_forms_give(length):
    """Prevents a threshold at which a third form is taken, or none."""
    student, teacher = _record(2, 2, length, 3), _record(2, 2, length, 4)
    values = [attention_scores_loss(student, teacher, _mask(2, length), form=form) for form in AttentionForm]
    torch.testing.assert_close(values[0], values[1], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(values[0], values[2], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("form", FORMS)
def test_attention_loss_of_identical_records_is_zero(form):
    """Prevents a constant that never goes away."""
    record = _record(2, 2, 7, 4)
    scale = record.scores().square().mean().item()
    assert attention_scores_loss(record, record, _mask(2, 7), form=form).item() == pytest.approx(0, abs=1e-6 * scale)


@pytest.mark.parametrize("form", FORMS)
def test_padding_changes_neither_value_nor_gradient_of_the_attention_loss(form):
    """Prevents garbage scores of padded positions from drowning the real ones."""
    student, teacher, mask = _record(2, 2, 7, 4), _record(2, 2, 7, 4), _mask(2, 7)
    inputs = [tensor.requires_grad_() for tensor in (student.query, student.key)]
    value = attention_scores_loss(student, teacher, mask, form=form)
    gradients = torch.autograd.grad(value, inputs)
    wide_mask = _padded(mask, 1, garbage=0)
    wide = attention_scores_loss(_padded_record(student), _padded_record(teacher), wide_mask, form=form)
    torch.testing.assert_close(wide, value, rtol=1e-5, atol=1e-6)
    for wide_gradient, gradient in zip(torch.autograd.grad(wide, inputs), gradients, strict=True):
        torch.testing.assert_close(wide_gradient, gradient, rtol=1e-5, atol=1e-6)
    for gradient in gradients:
        assert gradient.transpose(1, 2)[mask == 0].abs().max() == 0


@pytest.mark.parametrize("form", FORMS)
def test_the_attention_loss_sends_a_gradient_to_the_student_only(form):
    """Prevents a teacher that is pulled towards its student."""
    student, teacher = _record(2, 2, 7, 4, requires_grad=True), _record(2, 2, 7, 4, requires_grad=True)
    attention_scores_loss(student, teacher, _mask(2, 7), form=form).backward()
    assert student.query.grad.abs().max() > 0
    assert student.key.grad.abs().max() > 0
    assert teacher.query.grad is None
    assert teacher.key.grad is None


@pytest.mark.parametrize("shape", [(2, 4, 7), (2, 2, 6), (1, 2, 7)])
def test_the_attention_loss_refuses_other_heads_lengths_and_batches(shape):
    """Prevents head counts that broadcast."""
    with pytest.raises(ValueError, match=r"expected equal batch, heads and length, got student \(2, 2, 7\)"):
        attention_scores_loss(_record(2, 2, 7, 4), _record(*shape, 4), _mask(2, 7))


# predictions


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
def test_prediction_loss_equals_a_slow_plain_loop(reduction, temperature, length):
    """Prevents a mask that scales the loss by the share of valid tokens, and a T^2 in the wrong reduction."""
    student, teacher, mask = torch.randn(3, length, 5), torch.randn(3, length, 5), _mask(3, length)
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


def test_masked_predictions_change_neither_value_nor_gradient():
    """Prevents the special tokens of a token classifier from outweighing the labelled ones."""
    student, teacher, mask = torch.randn(2, 7, 5, requires_grad=True), torch.randn(2, 7, 5), _mask(2, 7)
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


# all of them


@pytest.mark.parametrize("autocast", [True, False])
def test_losses_of_bfloat16_are_finite_and_computed_in_float32(autocast):
    """Prevents a squared difference with 8 bits, and sums that lose all but the first terms."""
    student, teacher, mask = torch.randn(2, 7, 5).bfloat16(), torch.randn(2, 7, 5).bfloat16(), _mask(2, 7)
    records = [
        AttentionRecord(record.query.bfloat16(), record.key.bfloat16(), record.scaling)
        for record in (_record(2, 2, 7, 4), _record(2, 2, 7, 4))
    ]
    wide = [AttentionRecord(record.query.float(), record.key.float(), record.scaling) for record in records]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        pairs = [
            (loss(student, teacher, mask), loss(student.float(), teacher.float(), mask))
            for loss in (embedding_loss, hidden_states_loss, prediction_loss)
        ]
        for form in FORMS:
            pairs.append(
                (attention_scores_loss(*records, mask, form=form), attention_scores_loss(*wide, mask, form=form))
            )
    for narrow, full in pairs:
        assert narrow.dtype is torch.float32
        assert torch.isfinite(narrow)
        torch.testing.assert_close(narrow, full, rtol=1e-6, atol=0)
