"""Tests of the refusals of data sets."""

import datasets
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value

from hf_tinybert.distillation.compatibility.rows import check_dataset, check_evaluation_rows
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.terms import Term

INTERMEDIATE = [DistillationObjective({Term.HIDDEN_STATES: 1.0, Term.ATTENTION_SCORES: 1.0})]
PREDICTION = [DistillationObjective({Term.PREDICTION: 1.0})]


def test_an_empty_training_set_is_refused(build_student, build_rows):
    """Prevents a run that ends at once and saves the untrained student."""
    with pytest.raises(ValueError, match="expected a training set with rows"):
        check_dataset(build_rows(4).select([]), build_student(), INTERMEDIATE)


def test_a_training_set_of_one_class_is_refused(build_student, build_rows):
    """Prevents the head of a sorted data set from being taken for the data set."""
    rows = build_rows(9)
    single = rows.filter(lambda row: row["labels"] == 1)
    with pytest.raises(ValueError, match=r"expected two or more classes in `labels`, got only \[1\] in 3 rows"):
        check_dataset(single, build_student(), PREDICTION)
    check_dataset(rows, build_student(), PREDICTION)
    check_dataset(single.remove_columns("labels"), build_student(), PREDICTION)
    check_dataset(single, build_student(), INTERMEDIATE)


def test_class_names_that_are_not_the_students_are_refused(build_student, build_rows):
    """Prevents accuracies computed against labels of another order."""
    features = Features(
        {"input_ids": datasets.List(Value("int64")), "label": ClassLabel(names=["sport", "culture", "business"])}
    )
    rows = Dataset.from_dict({"input_ids": [[5], [6], [7]], "label": [0, 1, 2]}, features=features)
    with pytest.raises(ValueError, match="expected the data set to have the student's labels"):
        check_dataset(rows, build_student(), PREDICTION)
    check_dataset(rows, build_student(), INTERMEDIATE)
    check_dataset(rows, build_student("ForMaskedLM"), PREDICTION)


def test_a_label_term_without_labels_is_refused(build_student, build_rows):
    """Prevents an error in the first batch, or a term that is left out in silence."""
    label_term = [DistillationObjective({Term.LABEL: 1.0})]
    rows = build_rows(9)
    check_dataset(rows, build_student(), label_term)
    with pytest.raises(ValueError, match="expected a `labels` column in the training set for `label_loss`, got"):
        check_dataset(rows.remove_columns("labels"), build_student(), label_term)


def test_labels_may_come_with_the_batch(build_student, build_rows, collator):
    """Prevents a refusal of labels that a collator of one's own, or a transform of the rows, makes."""
    label_term = [DistillationObjective({Term.LABEL: 1.0})]
    bare, labelled, student = build_rows(9, labels=False), build_rows(9), build_student()

    def labelling(rows):
        return {**collator([{**row, "labels": torch.randint(3, ()).item()} for row in rows]), "drawn": True}

    state = torch.get_rng_state()
    check_dataset(bare, student, label_term, labelling)
    check_evaluation_rows(bare, student, label_term, collator=labelling)
    assert torch.equal(torch.get_rng_state(), state)
    check_dataset(bare.with_transform(lambda _: labelled[:1]), student, label_term)
    check_dataset(bare, build_student("ForMaskedLM"), label_term)  # whose collator hides words
    for check, role in ((check_dataset, "the training set"), (check_evaluation_rows, "the evaluation set")):
        with pytest.raises(ValueError, match=f"expected a `labels` column in {role} for `label_loss`, got"):
            check(bare, student, label_term, collator=collator)


def test_a_probability_shift_without_labels_is_refused(build_student, build_rows):
    """Prevents an error in the first batch, or at the first evaluation."""
    shift, bare = [DistillationObjective({Term.PREDICTION: 1.0}, probability_shift=True)], build_rows(9, labels=False)
    check_dataset(build_rows(9), build_student(), shift)
    check_dataset(bare, build_student("ForMaskedLM"), shift)  # of hidden words the collator makes them
    for check, role in ((check_dataset, "the training set"), (check_evaluation_rows, "the evaluation set")):
        with pytest.raises(ValueError, match=f"expected a `labels` column in {role} for `probability_shift`, got"):
            check(bare, build_student(), shift)


def test_evaluation_rows_need_what_a_label_term_reads(build_student, build_rows):
    """Prevents a run that ends at its first evaluation, hours after its start."""
    label_term, rows = [DistillationObjective({Term.LABEL: 1.0})], build_rows(6)
    bare = rows.remove_columns("labels")
    check_evaluation_rows(rows, build_student(), label_term)
    check_evaluation_rows(bare, build_student(), PREDICTION)
    with pytest.raises(ValueError, match="expected a `labels` column in the evaluation set `test` for `label_loss`"):
        check_evaluation_rows(bare, build_student(), label_term, "test")
    unknown = bare.add_column("labels", [-1] * 6)
    check_evaluation_rows(unknown, build_student(), PREDICTION)
    with pytest.raises(ValueError, match=r"0 to 2 in `labels` of the evaluation set, got \[-1\]"):
        check_evaluation_rows(unknown, build_student(), label_term)


def test_labels_per_token_are_no_classes_of_texts(build_student):
    """Prevents token classification from being refused for its list of labels."""
    features = Features(
        {"input_ids": datasets.List(Value("int64")), "labels": datasets.List(ClassLabel(names=["O", "B"]))}
    )
    rows = Dataset.from_dict({"input_ids": [[5], [6]], "labels": [[0], [0]]}, features=features)
    check_dataset(rows, build_student("ForTokenClassification"), PREDICTION)


def test_independent_labels_are_refused_by_a_student_of_exclusive_classes(build_student):
    """Prevents multi-label data, where no model's `problem_type` was set, from being learned through a softmax."""
    rows = Dataset.from_dict({"input_ids": [[5], [6]], "labels": [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]})
    with pytest.raises(ValueError, match="expected one class id in every row of `labels`, got a list"):
        check_dataset(rows, build_student(), PREDICTION)
    check_dataset(rows, build_student(problem_type="multi_label_classification"), PREDICTION)
    check_dataset(rows, build_student(), INTERMEDIATE)


@pytest.mark.parametrize("wrong", [-1, 3, None])
def test_a_rare_class_id_without_an_output_is_refused_where_labels_are_learned(build_student, wrong):
    """Prevents a run that ends at the first batch with such a row, after hours."""
    rows = Dataset.from_dict({"input_ids": [[5]] * 9, "labels": [0, 1, 2, 0, 1, -100, 2, 0, wrong]})
    with pytest.raises(ValueError, match=rf"from 0 to 2 in `labels` of the training set, got \[{wrong}\]"):
        check_dataset(rows, build_student(), [DistillationObjective({Term.LABEL: 1.0})])
    check_dataset(rows, build_student(), PREDICTION)
