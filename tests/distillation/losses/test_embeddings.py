import math

import pytest
import torch

from hf_tinybert.distillation.losses import sentence_embedding_loss


def test_it_is_the_hand_number():
    """Prevents a mean over dimensions, and lengths that count."""
    student = torch.tensor([[3.0, 0.0], [0.0, 2.0]])
    teacher = torch.tensor([[0.0, 5.0], [0.0, 0.1]])
    # orthogonal unit vectors are sqrt(2) apart, equal ones 0
    assert sentence_embedding_loss(student, teacher).item() == pytest.approx(1.0)


def test_it_equals_a_slow_plain_loop_and_twice_one_minus_the_cosine():
    """Prevents a norm over the wrong axis."""
    student, teacher = torch.randn(5, 7), torch.randn(5, 7)
    total, cosines = 0.0, 0.0
    for own, other in zip(student.tolist(), teacher.tolist(), strict=True):
        lengths = math.sqrt(sum(x * x for x in own)), math.sqrt(sum(x * x for x in other))
        total += sum((x / lengths[0] - y / lengths[1]) ** 2 for x, y in zip(own, other, strict=True))
        cosines += sum(x * y for x, y in zip(own, other, strict=True)) / lengths[0] / lengths[1]
    value = sentence_embedding_loss(student, teacher).item()
    assert value == pytest.approx(total / 5, rel=1e-5)
    assert value == pytest.approx(2 - 2 * cosines / 5, rel=1e-4)


def test_equal_embeddings_cost_nothing_whatever_their_length():
    """Prevents a student that is punished for the scale of its vectors."""
    embeddings = torch.randn(4, 6)
    assert sentence_embedding_loss(embeddings * 7, embeddings).item() == pytest.approx(0.0, abs=1e-6)


def test_where_lengths_count_they_are_learnt():
    """Prevents a student of dot products whose vectors point the right way and have any length."""
    student, teacher = torch.tensor([[3.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0], [0.0, 4.0]])
    assert sentence_embedding_loss(student, teacher).item() == 0
    # a distance of 2 in units of 1, and of 2 in units of 4
    assert sentence_embedding_loss(student, teacher, lengths=True).item() == pytest.approx((4 + 0.25) / 2)
    units = torch.nn.functional.normalize(torch.randn(2, 5, 6), dim=-1)
    value = sentence_embedding_loss(*units, lengths=True).item()
    assert value == pytest.approx(sentence_embedding_loss(*units).item(), rel=1e-5)
    nothing = torch.zeros(1, 2)
    assert sentence_embedding_loss(nothing + 3, nothing, lengths=True).item() == pytest.approx(18.0)


def test_the_gradient_goes_to_the_student_only():
    """Prevents a teacher that learns."""
    student, teacher = (torch.randn(4, 6, requires_grad=True) for _ in range(2))
    sentence_embedding_loss(student, teacher).backward()
    assert student.grad.abs().sum() > 0 and teacher.grad is None


def test_bfloat16_and_empty_vectors_stay_finite():
    """Prevents NaN from one text whose vector is 0."""
    student = torch.zeros(2, 6, dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = sentence_embedding_loss(student, torch.randn(2, 6))
    value.backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(value) and torch.isfinite(student.grad).all()


def test_embeddings_of_two_widths_are_refused():
    """Prevents a comparison that broadcasts."""
    with pytest.raises(ValueError, match="expected embeddings of one shape"):
        sentence_embedding_loss(torch.randn(4, 6), torch.randn(4, 1))
