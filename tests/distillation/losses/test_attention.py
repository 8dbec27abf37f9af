import pytest
import torch

from hf_tinybert.distillation.attention import AttentionRecord
from hf_tinybert.distillation.losses import AttentionForm, Reduction, attention_scores_loss

REDUCTIONS = list(Reduction)
FORMS = [AttentionForm.DIRECT, AttentionForm.FACTORED]
LENGTHS = [1, 7, 128]


def _record(query, key, scaling):
    """One text, one head, one column."""
    query, key = (torch.tensor(values)[None, None, :, None] for values in (query, key))
    return AttentionRecord(query, key, torch.zeros_like(key), scaling)


@pytest.mark.parametrize("form", FORMS)
def test_attention_loss_is_the_hand_number(form):
    """Prevents a wrong denominator or scaling."""
    student = _record([2.0, 4.0], [1.0, 3.0], 0.5)
    teacher = _record([1.0, 2.0], [2.0, 1.0], 1.0)
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
def test_attention_loss_equals_a_slow_plain_loop(form, reduction, length, build_mask, build_record):
    """Prevents pairs of one valid and one padded position from counting, and heads from being mixed."""
    student, teacher, mask = build_record(3, 2, length, 3), build_record(3, 2, length, 5), build_mask(3, length)
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
def test_the_factored_form_equals_the_direct_one(length, widths, padded, reduction, build_mask, build_record):
    """Prevents an algebra that is right only without padding, or only for heads of one width."""
    student, teacher = (build_record(2, 4, length, width) for width in widths)
    inputs = [tensor.requires_grad_() for tensor in (student.query, student.key)]
    values, gradients = [], []
    for form in FORMS:
        value = attention_scores_loss(student, teacher, build_mask(2, length, padded), reduction=reduction, form=form)
        values.append(value)
        gradients.append(torch.autograd.grad(value, inputs))
    torch.testing.assert_close(values[1], values[0], rtol=1e-5, atol=1e-7)
    for factored, direct in zip(*reversed(gradients), strict=True):
        torch.testing.assert_close(factored, direct, rtol=1e-4, atol=1e-6 * direct.abs().max().item() + 1e-9)


@pytest.mark.parametrize("length", [6, 7, 8])
def test_auto_gives_what_both_forms_give(length, build_mask, build_record):
    """Prevents a threshold at which a third form is taken, or none."""
    student, teacher = build_record(2, 2, length, 3), build_record(2, 2, length, 4)
    values = [attention_scores_loss(student, teacher, build_mask(2, length), form=form) for form in AttentionForm]
    torch.testing.assert_close(values[0], values[1], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(values[0], values[2], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("form", FORMS)
def test_attention_loss_of_identical_records_is_zero(form, build_mask, build_record):
    """Prevents a constant that never goes away."""
    record = build_record(2, 2, 7, 4)
    scale = record.scores().square().mean().item()
    assert attention_scores_loss(record, record, build_mask(2, 7), form=form).item() == pytest.approx(
        0, abs=1e-6 * scale
    )


@pytest.mark.parametrize("form", FORMS)
def test_padding_changes_neither_value_nor_gradient_of_the_attention_loss(
    form, build_mask, build_record, padded, padded_record
):
    """Prevents garbage scores of padded positions from drowning the real ones."""
    student, teacher, mask = build_record(2, 2, 7, 4), build_record(2, 2, 7, 4), build_mask(2, 7)
    inputs = [tensor.requires_grad_() for tensor in (student.query, student.key)]
    value = attention_scores_loss(student, teacher, mask, form=form)
    gradients = torch.autograd.grad(value, inputs)
    wide_mask = padded(mask, 1, garbage=0)
    wide = attention_scores_loss(padded_record(student), padded_record(teacher), wide_mask, form=form)
    torch.testing.assert_close(wide, value, rtol=1e-5, atol=1e-6)
    for wide_gradient, gradient in zip(torch.autograd.grad(wide, inputs), gradients, strict=True):
        torch.testing.assert_close(wide_gradient, gradient, rtol=1e-5, atol=1e-6)
    for gradient in gradients:
        assert gradient.transpose(1, 2)[mask == 0].abs().max() == 0


@pytest.mark.parametrize("form", FORMS)
def test_the_attention_loss_sends_a_gradient_to_the_student_only(form, build_mask, build_record):
    """Prevents a teacher that is pulled towards its student."""
    student, teacher = build_record(2, 2, 7, 4, requires_grad=True), build_record(2, 2, 7, 4, requires_grad=True)
    attention_scores_loss(student, teacher, build_mask(2, 7), form=form).backward()
    assert student.query.grad.abs().max() > 0
    assert student.key.grad.abs().max() > 0
    assert teacher.query.grad is None
    assert teacher.key.grad is None


@pytest.mark.parametrize("shape", [(2, 4, 7), (2, 2, 6), (1, 2, 7)])
def test_the_attention_loss_refuses_other_heads_lengths_and_batches(shape, build_mask, build_record):
    """Prevents head counts that broadcast."""
    with pytest.raises(ValueError, match=r"expected equal batch, heads and length, got student \(2, 2, 7\)"):
        attention_scores_loss(build_record(2, 2, 7, 4), build_record(*shape, 4), build_mask(2, 7))
