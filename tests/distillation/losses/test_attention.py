import math

import pytest
import torch

from hf_tinybert.distillation.attention import AttentionRecord, AttentionScores
from hf_tinybert.distillation.losses import (
    AttentionForm,
    Reduction,
    attention_probabilities_loss,
    attention_scores_loss,
)
from hf_tinybert.distillation.losses import attention as attention_module
from hf_tinybert.distillation.losses.dot_products import squared_score_difference

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


@pytest.mark.parametrize(("length", "taken"), [(7, False), (8, True)])
def test_auto_takes_the_factored_form_from_the_measured_length(length, taken, build_mask, build_record, monkeypatch):
    """Prevents a form that is slower at this length: student width 3, teacher width 3, equal cost at 0.8 * 9 = 7.2."""
    student, teacher, asked = build_record(2, 2, length, 3), build_record(2, 2, length, 3), []

    def spy(*factors, factored, **rest):
        asked.append(factored)
        return squared_score_difference(*factors, factored=factored, **rest)

    monkeypatch.setattr(attention_module, "squared_score_difference", spy)
    values = [attention_scores_loss(student, teacher, build_mask(2, length), form=form) for form in AttentionForm]
    assert asked == [taken, False, True]
    torch.testing.assert_close(values[0], values[1 + taken])


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


# groups of heads, windows and score maps


def _as_scores(record, mask=None):
    """The score map as an encoder off the interface gives it: masked keys at the least finite number."""
    scores = record.scores()
    if mask is not None:
        scores = scores.masked_fill((mask == 0)[:, None, None, :], torch.finfo(scores.dtype).min)
    return AttentionScores(scores)


def _slow_scores_loss(student_maps, teacher_maps, mask, window, reduction):
    """Plain loop over `(batch, heads, length, length)` score maps whose heads fall into the smaller side's groups."""
    heads, length = min(student_maps.shape[1], teacher_maps.shape[1]), mask.shape[1]
    errors, pairs = 0.0, 0
    for row in range(len(mask)):
        for head in range(heads):
            means = []
            for maps in (student_maps, teacher_maps):
                group = maps.shape[1] // heads
                means.append(maps[row, head * group : (head + 1) * group].mean(0))
            for query in range(length):
                for key in range(length):
                    near = abs(query - key) <= window
                    if reduction is Reduction.REFERENCE:
                        pairs += 1
                        counted = near and mask[row, key] == 1
                    else:
                        counted = near and mask[row, query] * mask[row, key] == 1
                        pairs += int(counted)
                    if counted:
                        errors += (means[0] - means[1])[query, key].item() ** 2
    return errors / pairs


@pytest.mark.parametrize("heads", [(2, 6), (6, 2), (4, 4)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("kind", ["direct", "factored", "student scores", "teacher scores", "both scores"])
def test_groups_of_heads_compare_by_their_mean_scores(heads, reduction, kind, build_mask, build_record):
    """Prevents groups of heads that are not neighbours, a mean that is a sum, and a form that knows no groups."""
    student, teacher, mask = build_record(3, heads[0], 7, 3), build_record(3, heads[1], 7, 5), build_mask(3, 7)
    expected = _slow_scores_loss(student.scores(), teacher.scores(), mask, 7, reduction)
    form = AttentionForm(kind) if "scores" not in kind else AttentionForm.AUTO
    one = _as_scores(student, mask) if kind in ("student scores", "both scores") else student
    other = _as_scores(teacher, mask) if kind in ("teacher scores", "both scores") else teacher
    value = attention_scores_loss(one, other, mask, reduction=reduction, form=form)
    assert value.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("windows", [(2, None), (None, 2), (3, 2), (2, "scores"), (5, None)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_only_pairs_within_both_windows_count(windows, reduction, build_mask, build_record):
    """Prevents scores of pairs that a local layer never attends from drowning those that it does."""
    student, mask = build_record(3, 2, 7, 3, window=windows[0]), build_mask(3, 7)
    teacher = build_record(3, 2, 7, 5, window=None if windows[1] == "scores" else windows[1])
    near = 5 if windows[0] == 5 else 2  # 5 leaves out the two corners only
    expected = _slow_scores_loss(student.scores(), teacher.scores(), mask, near, reduction)
    compared = _as_scores(teacher, mask) if windows[1] == "scores" else teacher
    value = attention_scores_loss(student, compared, mask, reduction=reduction)
    assert value.item() == pytest.approx(expected, rel=1e-4)


def test_a_window_that_leaves_out_no_pair_keeps_the_factored_form(build_mask, build_record):
    """Prevents a refusal, or a map, for texts that are shorter than the window."""
    student, teacher, mask = build_record(2, 2, 7, 3, window=6), build_record(2, 2, 7, 3), build_mask(2, 7)
    value = attention_scores_loss(student, teacher, mask, form=AttentionForm.FACTORED)
    torch.testing.assert_close(value, attention_scores_loss(student._replace(window=None), teacher, mask))


@pytest.mark.parametrize("loss", [attention_scores_loss, attention_probabilities_loss])
@pytest.mark.parametrize("fill", [torch.finfo(torch.float32).min, -torch.inf])
def test_masked_entries_of_score_maps_give_neither_nan_nor_infinity(loss, fill, build_mask, build_record):
    """Prevents the square of finfo.min, which is infinite, and the gradient through it."""
    record, mask = build_record(2, 4, 7, 3, requires_grad=True), build_mask(2, 7)
    maps = torch.randn(2, 2, 7, 7, requires_grad=True)
    masked = maps.masked_fill((mask == 0)[:, None, None, :], fill)
    for student, teacher, leaf in (
        (record, AttentionScores(masked.detach()), record.query),
        (AttentionScores(masked), record, maps),
    ):
        value = loss(student, teacher, mask)
        (gradient,) = torch.autograd.grad(value, leaf)
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()
        assert gradient.abs().max() > 0


def test_the_factored_form_is_refused_where_there_is_no_factor(build_mask, build_record):
    """Prevents a form that was asked for from being replaced in silence."""
    record, mask = build_record(2, 2, 7, 3), build_mask(2, 7)
    with pytest.raises(ValueError, match="expected `AttentionRecord`s for the factored form"):
        attention_scores_loss(record, _as_scores(record), mask, form=AttentionForm.FACTORED)
    with pytest.raises(ValueError, match="expected texts of at most 3 tokens for the factored form, got 7"):
        attention_scores_loss(record, record._replace(window=2), mask, form=AttentionForm.FACTORED)


@pytest.mark.parametrize("loss", [attention_scores_loss, attention_probabilities_loss])
def test_attention_losses_refuse_other_heads_lengths_and_batches(loss, build_mask, build_record):
    """Prevents counts that broadcast."""
    student, mask = build_record(2, 4, 7, 4), build_mask(2, 7)
    with pytest.raises(ValueError, match="got 4 of the student and 6 of the teacher: heads that cannot be compared"):
        loss(student, build_record(2, 6, 7, 4), mask)
    for shape in ((2, 4, 6), (1, 4, 7)):
        with pytest.raises(ValueError, match=r"expected equal batch and length, got student \(2, 7\)"):
            loss(student, build_record(*shape, 4), mask)


@pytest.mark.parametrize("form", FORMS)
def test_the_compiler_takes_the_attention_term_whole(form, build_mask, build_record):
    """Prevents a graph break in every layer under `torch_compile`."""
    student, teacher, mask = build_record(2, 4, 7, 3, requires_grad=True), build_record(2, 2, 7, 3), build_mask(2, 7)

    def loss(query):
        return attention_scores_loss(student._replace(query=query), teacher, mask, form=form)

    value = torch.compile(loss, fullgraph=True, backend="eager")(student.query)
    torch.testing.assert_close(value, loss(student.query))
    value.backward()
    assert student.query.grad.abs().max() > 0


# probabilities


def test_attention_probabilities_loss_is_the_hand_number():
    """Prevents swapped sides, and a softmax over queries."""
    student, teacher = _record([0.0, 0.0], [1.0, 1.0], 1.0), _record([math.log(3), 0.0], [1.0, 0.0], 1.0)
    # the teacher's rows are (3/4, 1/4) and (1/2, 1/2), the student's (1/2, 1/2)
    expected = (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)) / 2
    value = attention_probabilities_loss(student, teacher, torch.tensor([[1, 1]]))
    assert value.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("heads", [(2, 6), (6, 2), (4, 4)])
@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize("kind", ["records", "student scores", "teacher scores"])
def test_attention_probabilities_loss_equals_a_slow_plain_loop(heads, window, kind, build_mask, build_record):
    """Prevents padded rows in the mean, padded keys in the softmax, and a group's mean of the wrong heads."""
    student, teacher = build_record(3, heads[0], 7, 3, window=window), build_record(3, heads[1], 7, 5, window=window)
    mask, divergences = build_mask(3, 7), []
    for row in range(3):
        for head in range(min(heads)):
            for query in range(int(mask[row].sum())):
                keys = [k for k in range(int(mask[row].sum())) if window is None or abs(k - query) <= window]
                rows = []
                for record in (student, teacher):
                    group = record.query.shape[1] // min(heads)
                    scores = record.scores()[row, head * group : (head + 1) * group, query][:, keys]
                    rows.append(scores.softmax(-1).mean(0))
                divergences.append((rows[1] * (rows[1] / rows[0]).log()).sum().item())
    one = _as_scores(student, mask) if kind == "student scores" else student
    other = _as_scores(teacher, mask) if kind == "teacher scores" else teacher
    value = attention_probabilities_loss(one, other, mask)
    assert value.item() == pytest.approx(sum(divergences) / len(divergences), rel=1e-4)


def test_both_ways_to_the_probabilities_loss_have_the_same_gradient(build_mask, build_record):
    """Prevents a gradient that depends on whether the teacher hands out its query and key."""
    student, teacher, mask = build_record(2, 2, 7, 3, requires_grad=True), build_record(2, 2, 7, 5), build_mask(2, 7)
    sides = (teacher, _as_scores(teacher, mask))
    gradients = [torch.autograd.grad(attention_probabilities_loss(student, side, mask), student[:2]) for side in sides]
    for fast, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, plain)


def test_attention_probabilities_of_identical_records_are_zero_and_scores_may_shift(build_mask, build_record):
    """Prevents a constant that never goes away."""
    record, mask = build_record(2, 2, 7, 4), build_mask(2, 7)
    assert attention_probabilities_loss(record, record, mask).item() == pytest.approx(0, abs=1e-6)
    shifted = AttentionScores(record.scores() + 3.0)
    assert attention_probabilities_loss(record, shifted, mask).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("heads", [(2, 2), (4, 2)])
def test_padding_changes_neither_value_nor_gradient_of_probabilities(
    heads, build_mask, build_record, padded, padded_record
):
    """Prevents garbage of padded positions among the columns of the softmax."""
    student, mask = build_record(2, heads[0], 7, 4, requires_grad=True), build_mask(2, 7)
    teacher = build_record(2, heads[1], 7, 4, requires_grad=True)
    value = attention_probabilities_loss(student, teacher, mask)
    gradients = torch.autograd.grad(value, (*student[:2], *teacher[:2]), allow_unused=True)
    assert gradients[2:] == (None, None)
    wide_mask = padded(mask, 1, garbage=0)
    wide = attention_probabilities_loss(padded_record(student), padded_record(teacher), wide_mask)
    torch.testing.assert_close(wide, value)
    for wide_gradient, gradient in zip(torch.autograd.grad(wide, student[:2]), gradients[:2], strict=True):
        torch.testing.assert_close(wide_gradient, gradient)
        assert gradient.transpose(1, 2)[mask == 0].abs().max() == 0
