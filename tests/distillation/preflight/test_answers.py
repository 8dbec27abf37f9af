from dataclasses import replace

import pytest
import torch
from datasets import Dataset
from sklearn.metrics import roc_auc_score

from hf_tinybert.distillation.preflight.answers import AnswerKind, Answers, better_order, score, teacher_answers


def _classes(predicted, labels, classes):
    scores = torch.nn.functional.one_hot(torch.tensor(predicted), classes).float()
    return Answers(AnswerKind.CLASS, scores, torch.tensor(labels))


def test_accuracy_is_held_against_the_largest_class():
    """Prevents 90 % accuracy from passing for knowledge where 90 % are one class."""
    result = score(_classes([0, 0, 0, 0, 1], [0, 0, 0, 0, 0], 2))
    assert (result.value, result.chance) == (pytest.approx(0.8), 1.0)
    result = score(_classes([0, 1, 0, 0], [0, 1, 1, 0], 3))
    assert (result.value, result.chance, result.margin) == (pytest.approx(0.75), 0.5, pytest.approx(0.5))


def test_two_classes_are_scored_by_rank():
    """Prevents the refusal of a teacher that ranks sentences well and says of none that it is the rare one to keep."""
    labels = torch.tensor([0, 0, 0, 1, 0, 0, 0, 1, 0, 0])
    keep = torch.tensor([-4.0, -3.0, -2.0, -0.5, -3.0, -4.0, -1.0, -2.0, -5.0, -4.0])
    answers = Answers(AnswerKind.CLASS, torch.stack([torch.zeros(10), keep], dim=1), labels)
    result = score(answers)
    assert result.value == pytest.approx(roc_auc_score(labels.numpy(), keep.numpy())) and result.value > 0.8
    assert result.chance == 0.5
    assert score(Answers(AnswerKind.CLASS, torch.zeros(10, 2), labels)).value == pytest.approx(0.5)


def test_quantities_are_scored_by_rank_whatever_their_scale():
    """Prevents a teacher of similarities in 0..1 from being refused for labels in 0..5."""
    labels = torch.tensor([0.0, 1.0, 2.0, 5.0, 3.0])
    answers = Answers(AnswerKind.QUANTITY, labels.exp() / 200, labels)
    assert score(answers).value == pytest.approx(1.0)
    assert score(Answers(AnswerKind.QUANTITY, -labels, labels)).value == pytest.approx(-1.0)
    assert score(Answers(AnswerKind.QUANTITY, torch.ones(5), labels)).value == 0.0


def test_labels_are_scored_as_sklearn_scores_them():
    """Prevents rare labels from being won by never naming them; ties count half."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(40, 3, generator=generator).mul(8).round()
    labels = (torch.rand(40, 3, generator=generator) > 0.8).float()
    expected = roc_auc_score(labels.numpy(), scores.numpy(), average="macro")
    result = score(Answers(AnswerKind.LABELS, scores, labels))
    assert result.value == pytest.approx(expected, abs=1e-6) and result.chance == 0.5


def test_a_permuted_teacher_is_told_apart_from_one_that_knows_nothing():
    """Prevents accuracy far below chance from being read as a bad teacher; and an order made up out of noise."""
    labels = [row % 3 for row in range(60)]
    moved = {0: 1, 1: 2, 2: 0}
    assert better_order(_classes([moved[label] for label in labels], labels, 3)) == {1: 0, 2: 1, 0: 2}
    assert better_order(_classes(labels, labels, 3)) is None
    generator = torch.Generator().manual_seed(0)
    for classes in (2, 3, 30):
        noise = torch.randint(classes, (200,), generator=generator).tolist()
        truth = torch.randint(classes, (200,), generator=generator).tolist()
        assert better_order(_classes(noise, truth, classes)) is None


def test_a_teacher_that_hardly_learned_is_not_taken_for_a_permuted_one():
    """Prevents the cure of another order for a teacher that says one tag everywhere, and not the most frequent one."""
    labels = [0] * 180 + [1, 2] * 10
    assert better_order(_classes([1] * 200, labels, 3)) is None
    moved = {0: 1, 1: 2, 2: 0}
    assert better_order(_classes([moved[label] for label in labels], labels, 3)) == {1: 0, 2: 1, 0: 2}


def test_rows_of_numpy_arrays_are_answered_as_rows_of_lists(setup):
    """Prevents a sound teacher of packed blocks, which are arrays, from failing as one that predicts nothing."""
    arrays = replace(setup, eval_dataset=setup.eval_dataset.with_format("numpy"), score_rows=30)
    answers, expected = teacher_answers(arrays), teacher_answers(replace(setup, score_rows=30))
    assert answers.labels.tolist() == expected.labels.tolist()


def test_answers_are_those_of_the_teacher_in_evaluation_mode(setup, rows):
    """Prevents a score of dropout, and rows of the training set where there is an evaluation set."""
    answers = teacher_answers(replace(setup, score_rows=30))
    assert len(answers.labels) == 30 and score(answers).value == 1.0
    setup.teacher.train()
    again = teacher_answers(replace(setup, score_rows=30))
    assert torch.equal(again.scores, answers.scores)
    assert len(teacher_answers(replace(setup, eval_dataset=rows.select(range(7)))).labels) == 7


@pytest.mark.parametrize("changed", [{"score_rows": 0}, {"eval_dataset": None, "train_dataset": None}])
def test_no_answers_have_a_reason(setup, changed):
    """Prevents a skipped row that does not say why."""
    assert isinstance(teacher_answers(replace(setup, **changed)), str)


def test_labels_per_token_are_flattened_without_what_is_ignored(setup, build_tagger):
    """Prevents padding and special tokens from counting as answers."""
    rows = Dataset.from_dict({"input_ids": [[5, 6, 7], [5, 6, 7]], "labels": [[-100, 1, 2], [0, -100, -100]]})
    answers = teacher_answers(replace(setup, teacher=build_tagger(), eval_dataset=rows, student_tokenizer=None))
    assert answers.labels.tolist() == [1, 2, 0] and answers.scores.shape == (3, 3)


def test_answer_spans_are_starts_and_ends(setup, build_reader):
    """Prevents question answering from being left out for want of a `labels` column."""
    columns = {"input_ids": [[5, 6, 7]] * 3, "start_positions": [0, 1, 2], "end_positions": [1, 1, 2]}
    spans = replace(setup, teacher=build_reader(), eval_dataset=Dataset.from_dict(columns), student_tokenizer=None)
    assert sorted(teacher_answers(spans).labels.tolist()) == [0, 1, 1, 1, 2, 2]


def test_yes_and_no_as_integers_are_labels_as_floats_are(setup, rows):
    """Prevents a multi-label teacher from being refused with an error of shapes."""
    several = [[int(label == name) for name in range(3)] for label in rows["labels"]]
    integers = rows.remove_columns("labels").add_column("labels", several)
    answers = teacher_answers(replace(setup, eval_dataset=integers, score_rows=12))
    assert answers.kind is AnswerKind.LABELS and answers.labels.shape == (12, 3)


def test_labels_that_all_do_not_count_are_a_reason_for_no_answers(setup, build_tagger):
    """Prevents an error about an empty maximum from ending a run whose labels no term reads."""
    rows = Dataset.from_dict({"input_ids": [[5, 6, 7]] * 2, "labels": [[-100] * 3] * 2})
    ignored = replace(setup, teacher=build_tagger(), eval_dataset=rows, student_tokenizer=None)
    assert teacher_answers(ignored) == "all labels are -100, which counts for none"
