import math
from functools import partial

import pytest
import torch

from hf_tinybert.distillation.attention import AttentionRecord, AttentionScores
from hf_tinybert.distillation.losses import Vectors, relations_loss
from hf_tinybert.distillation.losses.relations import most_relation_heads


@pytest.fixture(params=Vectors)
def kind(request):
    return request.param


def _record_of(kind, vectors):
    """A record in which only the compared vectors are sensible."""
    other = torch.full_like(vectors, torch.nan)
    return AttentionRecord(**{"query": other, "key": other, "value": other, "scaling": 1.0, kind: vectors})


def test_relations_loss_is_the_hand_number(kind):
    """Prevents a loss that reads another of the three, a missing root of the width, or swapped sides."""
    teacher = _record_of(kind, torch.tensor([[[[math.sqrt(math.log(3))], [0.0]]]]))
    student = _record_of(kind, torch.zeros(1, 1, 2, 1))
    # the first position relates to both as 3/4 and 1/4, the second as 1/2 and 1/2; the student always 1/2 and 1/2
    expected = (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)) / 2
    value = relations_loss(student, teacher, torch.tensor([[1, 1]]), vectors=kind, relation_heads=1)
    assert value.item() == pytest.approx(expected, rel=1e-5)
    assert relations_loss(student, teacher, torch.tensor([[1, 0]]), vectors=kind, relation_heads=1).item() == 0.0


@pytest.mark.parametrize("relation_heads", [1, 2, 6])
def test_relations_loss_equals_a_slow_plain_loop(kind, relation_heads, build_record, build_mask):
    """Prevents heads that are split across positions, and padding among the relations."""
    student, teacher, mask = build_record(3, 2, 7, 3), build_record(3, 3, 7, 4), build_mask(3, 7)
    divergences = []
    for row in range(3):
        length = int(mask[row].sum())
        maps = []
        for record in (student, teacher):
            concatenated = torch.cat(list(getattr(record, kind)[row]), dim=-1)[:length]
            parts = concatenated.chunk(relation_heads, dim=-1)
            maps.append([(part @ part.T / math.sqrt(part.shape[-1])).softmax(-1) for part in parts])
        for student_map, teacher_map in zip(*maps, strict=True):
            divergences += [(t * (t / s).log()).sum().item() for s, t in zip(student_map, teacher_map, strict=True)]
    value = relations_loss(student, teacher, mask, vectors=kind, relation_heads=relation_heads)
    assert value.item() == pytest.approx(sum(divergences) / len(divergences), rel=1e-4)


def test_relations_of_identical_records_are_zero(kind, build_record, build_mask):
    """Prevents a constant that never goes away."""
    record = build_record(2, 2, 7, 4)
    assert relations_loss(record, record, build_mask(2, 7), vectors=kind, relation_heads=4).item() == pytest.approx(
        0, abs=1e-6
    )


def test_padding_changes_neither_value_nor_gradient_of_relations(
    kind, build_record, build_mask, padded, padded_record
):
    """Prevents garbage of padded positions among the columns of the softmax."""
    student, teacher, mask = build_record(2, 2, 7, 4, requires_grad=True), build_record(2, 2, 7, 4), build_mask(2, 7)
    vectors, loss = getattr(student, kind), partial(relations_loss, vectors=kind)
    value = loss(student, teacher, mask, relation_heads=4)
    (gradient,) = torch.autograd.grad(value, vectors)
    wide = loss(padded_record(student), padded_record(teacher), padded(mask, 1, garbage=0), relation_heads=4)
    (wide_gradient,) = torch.autograd.grad(wide, vectors)
    torch.testing.assert_close(wide, value)
    torch.testing.assert_close(wide_gradient, gradient)
    assert gradient.transpose(1, 2)[mask == 0].abs().max() == 0


def test_relations_send_a_gradient_to_the_student_only(kind, build_record, build_mask):
    """Prevents a teacher that is pulled towards its student."""
    student, teacher = build_record(2, 2, 7, 4, requires_grad=True), build_record(2, 2, 7, 4, requires_grad=True)
    relations_loss(student, teacher, build_mask(2, 7), vectors=kind, relation_heads=2).backward()
    assert getattr(student, kind).grad.abs().max() > 0
    assert [tensor.grad for tensor in teacher[:3]] == [None] * 3


def test_relations_refuse_widths_that_their_heads_do_not_divide(build_record, build_mask):
    """Prevents relation heads of unequal width, and a message that does not say whose width it is."""
    student, teacher = build_record(2, 2, 7, 3), build_record(2, 2, 7, 4)
    with pytest.raises(ValueError, match="divide the student's query width of 6, got 4"):
        relations_loss(student, teacher, build_mask(2, 7), vectors="query", relation_heads=4)
    with pytest.raises(ValueError, match="divide the teacher's value width of 8, got 3"):
        relations_loss(student, teacher, build_mask(2, 7), vectors="value", relation_heads=3)
    with pytest.raises(ValueError, match="divide the student's key width of 6, got 0"):
        relations_loss(student, teacher, build_mask(2, 7), vectors="key", relation_heads=0)


def test_relations_refuse_score_maps_and_other_texts(kind, build_record, build_mask):
    """Prevents a crash deep in the reshaping where an encoder hands out no vectors, or other tokens."""
    record, scores = build_record(2, 2, 7, 4), AttentionScores(torch.zeros(2, 2, 7, 7))
    for pair, whose in (((record, scores), "teacher"), ((scores, record), "student")):
        with pytest.raises(ValueError, match=f"got `AttentionScores` of the {whose}"):
            relations_loss(*pair, build_mask(2, 7), vectors=kind, relation_heads=2)
    with pytest.raises(ValueError, match="expected equal batch and length"):
        relations_loss(record, build_record(2, 2, 6, 4), build_mask(2, 7), vectors=kind, relation_heads=2)


def test_relations_of_values_that_were_not_recorded_are_refused(build_record, build_mask):
    """Prevents an AttributeError deep in the reshaping when a forward was told to leave values out."""
    record = build_record(2, 2, 7, 4)
    with pytest.raises(ValueError, match="with its value, got one of the teacher without"):
        relations_loss(record, record._replace(value=None), build_mask(2, 7), vectors="value", relation_heads=2)


def test_relation_heads_divide_both_widths():
    """Prevents relations of heads that cut a width unevenly."""
    student = AttentionRecord(*(torch.randn(1, 12, 4, 26) for _ in range(3)), 0.2)
    teacher = AttentionRecord(*(torch.randn(1, 12, 4, 64) for _ in range(3)), 0.1)
    assert most_relation_heads(student, teacher) == 24
    assert most_relation_heads(teacher, teacher) == 48
