"""Tests of the refusals of what the two models answer."""

import pytest

from hf_tinybert.distillation.compatibility.labels import check_label_names
from hf_tinybert.distillation.compatibility.models import check_models
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.terms import Term

INTERMEDIATE = [DistillationObjective({Term.HIDDEN_STATES: 1.0, Term.ATTENTION_SCORES: 1.0})]
PREDICTION = [DistillationObjective({Term.PREDICTION: 1.0})]


@pytest.mark.parametrize(
    "names", [["culture", "business", "sport"], ["business", "culture"], ["business", "culture", "politics"]]
)
def test_other_label_names_or_another_order_are_refused_where_predictions_are_compared(pair, names):
    """Prevents class i of the student from learning class j of the teacher: accuracy of chance, no error."""
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    models = pair(student=labels)
    with pytest.raises(ValueError, match="expected the teacher to have the student's labels"):
        check_models(*models, PREDICTION)
    check_models(*models, INTERMEDIATE)


def test_labels_that_were_never_named_fit_any_of_their_number():
    """Prevents old checkpoints, whose labels are LABEL_0 and so on, from being refused."""
    unnamed = {0: "LABEL_0", 1: "LABEL_1"}
    check_label_names({0: "no", 1: "yes"}, unnamed, "the teacher")
    check_label_names(unnamed, {0: "no", 1: "yes"}, "the teacher")
    with pytest.raises(ValueError, match="expected the teacher"):
        check_label_names(unnamed, {0: "no", 1: "yes", 2: "maybe"}, "the teacher")


@pytest.mark.parametrize(
    "task",
    [
        {"problem_type": "regression", "num_labels": 1, "id2label": None, "label2id": None},
        {"problem_type": "multi_label_classification"},
        {"num_labels": 1, "id2label": None, "label2id": None},
    ],
    ids=["regression", "multi-label", "one label"],
)
def test_tasks_without_exclusive_classes_pass(pair, task):
    """Prevents a refusal of tasks that have prediction terms of their own."""
    check_models(*pair(student=task, teacher=task), PREDICTION)


def test_models_that_answer_different_questions_are_refused(pair):
    """Prevents independent labels from being learned as shares of one."""
    models = pair(
        student={"problem_type": "multi_label_classification"}, teacher={"problem_type": "single_label_classification"}
    )
    with pytest.raises(ValueError, match="expected one problem type, got `multi_label_classification` of the student"):
        check_models(*models, PREDICTION)
    check_models(*models, INTERMEDIATE)


def test_a_student_without_problem_type_must_guess_its_teachers(pair):
    """Prevents a multi-label teacher, whose type the stock loss writes, from being learned through a softmax."""
    models = pair(teacher={"problem_type": "multi_label_classification"})
    with pytest.raises(ValueError, match="got none, taken for `single_label_classification`, of the student and"):
        check_models(*models, PREDICTION)
    check_models(*pair(teacher={"problem_type": "single_label_classification"}), PREDICTION)
