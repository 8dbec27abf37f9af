import re
from dataclasses import replace

import pytest
import torch
from datasets import ClassLabel

from hf_tinybert.distillation.preflight.labels import check_label_names, check_teacher_score, check_training_rows
from hf_tinybert.distillation.preflight.report import Status


def test_label_names_are_compared_three_ways(setup, rows):
    """Prevents class i of one from being learned as class j of another."""
    assert check_label_names(setup).found == "3 labels: business, culture, sport"
    other = rows.cast_column("labels", ClassLabel(names=["sport", "culture", "business"]))
    row = check_label_names(replace(setup, train_dataset=other, eval_dataset=other))
    assert row.status is Status.FAIL and "expected the data set to have the student's labels" in row.found
    setup.teacher.config.id2label = {0: "culture", 1: "business", 2: "sport"}
    assert "expected the teacher to have the student's labels" in check_label_names(setup).found
    assert check_label_names(replace(setup, objectives=setup.objectives[:1])).status is Status.SKIP


def test_names_that_were_never_set_are_warned_of(setup):
    """Prevents LABEL_0 from hiding another order."""
    setup.teacher.config.id2label = {index: f"LABEL_{index}" for index in range(3)}
    row = check_label_names(setup)
    assert row.status is Status.WARN and "of the teacher;" in row.found


def test_rows_of_one_class_fail(setup, rows):
    """Prevents the head of a sorted data set from being taken for the data set."""
    assert check_training_rows(setup).found == "120 rows, labels in `labels`"
    single = rows.filter(lambda row: row["labels"] == 1)
    row = check_training_rows(replace(setup, train_dataset=single))
    assert row.status is Status.FAIL and "got only [1] in 40 rows" in row.found
    assert check_training_rows(replace(setup, train_dataset=rows.select([]))).status is Status.FAIL
    assert check_training_rows(replace(setup, train_dataset=None)).status is Status.SKIP


def test_a_teacher_that_knows_the_labels_passes(setup):
    """Prevents a good teacher from being refused."""
    teacher_score, order = check_teacher_score(setup)
    assert teacher_score.status is order.status is Status.OK
    assert "accuracy 1.000 on 120 labelled answers, chance 0.333" in teacher_score.found


def test_a_teacher_with_an_untrained_head_fails(setup):
    """Prevents hours of imitating noise."""
    with torch.no_grad():
        setup.teacher.classifier.weight.zero_()
    teacher_score, order = check_teacher_score(setup)
    assert teacher_score.status is Status.FAIL and "accuracy 0.333" in teacher_score.found
    assert order.status is Status.OK


def test_a_teacher_near_chance_and_one_scored_on_few_rows_are_warned_of(setup, rows):
    """Prevents luck from passing for knowledge, and a handful of rows from refusing a run."""
    with torch.no_grad():
        setup.teacher.classifier.weight.zero_()
    teacher_score, _ = check_teacher_score(replace(setup, eval_dataset=rows.select(range(9))))
    assert teacher_score.status is Status.WARN and "though so few may be bad luck" in teacher_score.found
    answers = [row % 3 if row % 12 == 0 else 0 for row in range(120)]
    lucky = rows.remove_columns("labels").add_column("labels", answers)
    with torch.no_grad():
        setup.teacher.classifier.bias.copy_(torch.tensor([1.0, 0.0, 0.0]))
    teacher_score, _ = check_teacher_score(replace(setup, eval_dataset=lucky))
    assert teacher_score.status is Status.FAIL  # all of the largest class is chance


@pytest.mark.parametrize(
    ("count", "known", "said", "cure"),
    [
        (2, 2, "accuracy 1.000 on 2 .* may reach 1.000 on as few by luck", "give more labelled rows"),
        (90, 38, r"accuracy 0.422 on 90 .* may reach 0.4\d\d on as many by luck", "fine-tune the teacher"),
    ],
)
def test_a_teacher_above_chance_by_what_may_be_luck_is_told_so(setup, rows, count, known, said, cure):
    """Prevents a faultless score from being called one that is not above chance."""
    labels = [row % 3 if row < known else (row + 1) % 3 for row in range(count)]
    scored = rows.select(range(count)).remove_columns("labels").add_column("labels", labels)
    teacher_score, _ = check_teacher_score(replace(setup, eval_dataset=scored))
    assert teacher_score.status is Status.WARN and teacher_score.cure.startswith(cure)
    assert re.match(f"expected a teacher clearly above chance, got {said}", teacher_score.found)


def test_a_teacher_of_another_order_is_named_class_by_class(setup):
    """Prevents a student that learns MNLI's classes in another model's order: 43.8 instead of 83."""
    with torch.no_grad():
        for parameter in (setup.teacher.classifier.weight, setup.teacher.classifier.bias):
            parameter.copy_(parameter[[1, 2, 0]].clone())
    _, order = check_teacher_score(setup)
    assert order.status is Status.FAIL
    assert "0 `business` is the data's 1 `culture`" in order.found and "2 `sport` is the data's 0" in order.found


@pytest.mark.parametrize("changed", ["no predictions", "no labels"])
def test_what_cannot_be_scored_is_skipped_with_a_reason(setup, rows, changed):
    """Prevents a failure for want of labels in general distillation."""
    bare = rows.remove_columns("labels")
    spoiled = replace(setup, train_dataset=bare, eval_dataset=None)
    if changed == "no predictions":
        spoiled = replace(setup, objectives=setup.objectives[:1])
    assert [row.status for row in check_teacher_score(spoiled)] == [Status.SKIP] * 2


def test_a_teacher_that_cannot_read_the_batch_fails_and_ends_nothing(setup, rows):
    """Prevents one failure from hiding the rest of the table."""
    beyond = rows.map(lambda row: {"input_ids": [99] * len(row["input_ids"])})
    teacher_score, order = check_teacher_score(replace(setup, eval_dataset=beyond))
    assert teacher_score.status is Status.FAIL and "IndexError" in teacher_score.found
    assert order.status is Status.SKIP
