"""Refusals of a data set: no rows, no labels for a term that reads them, one class only, or other class names."""

from collections.abc import Sequence

import torch
from datasets import ClassLabel, Dataset, LargeList, List, Value
from transformers import PreTrainedModel

from hf_tinybert.data.kinds.definition import Collator
from hf_tinybert.distillation.compatibility.labels import check_label_names, label_names
from hf_tinybert.distillation.head_kinds import head_kind
from hf_tinybert.distillation.losses import IGNORED_LABEL, ProblemType
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.task_head import predicts_vocabulary, problem_of
from hf_tinybert.distillation.terms import Term

LABEL_COLUMNS = ("labels", "label", "label_ids", "start_positions")


def check_dataset(
    dataset: Dataset,
    student: PreTrainedModel,
    objectives: Sequence[DistillationObjective],
    collator: Collator | None = None,
) -> None:
    """Refuse a training set that teaches nothing or whose labels are not the student's.

    The labels are looked at only where a classifier of texts learns predictions.

    Args:
        dataset: encoded rows.
        student: whose classes the labels are of.
        objectives: of all phases.
        collator: of the run; asked for the batch of one row where no column holds the labels that a term reads.

    Raises:
        ValueError: no rows, no labels for a term that reads them, only one class, or class names that are not the
            student's.
    """
    check_rows(dataset, student, objectives, collator)
    column = label_column(dataset)
    if column is not None and _reads_classes(student, objectives):
        feature = dataset.features[column]
        if isinstance(feature, ClassLabel):
            check_label_names(label_names(student), dict(enumerate(feature.names)), "the data set")


def check_rows(
    dataset: Dataset,
    student: PreTrainedModel,
    objectives: Sequence[DistillationObjective],
    collator: Collator | None = None,
) -> None:
    """Refuse a training set without rows, without the labels a term reads, or with labels of another problem.

    Args:
        dataset: as of `check_dataset`, and so are the others.
        student: likewise.
        objectives: likewise.
        collator: likewise.

    Raises:
        ValueError: one of these.
    """
    if len(dataset) == 0:
        raise ValueError(
            "expected a training set with rows, got an empty one; because nothing would be trained; check the split "
            "and the filters it went through"
        )
    column = label_column(dataset)
    _check_labelled(dataset, student, objectives, "the training set", collator)
    if column is not None and _reads_classes(student, objectives):
        _check_exclusive(dataset, column, student)
        _check_classes(dataset, column)
        if problem_of(student) is ProblemType.SINGLE_LABEL and any(one.reads_labels for one in objectives):
            _check_range(dataset, column, len(label_names(student)), "the training set")


def check_evaluation_rows(
    dataset: Dataset,
    student: PreTrainedModel,
    objectives: Sequence[DistillationObjective],
    name: str = "",
    collator: Collator | None = None,
) -> None:
    """Refuse evaluation rows whose loss cannot be computed: training would end at the first evaluation.

    Args:
        dataset: encoded rows.
        student: whose classes the labels are of.
        objectives: of all phases.
        name: of the set, where there are several.
        collator: as of `check_dataset`.

    Raises:
        ValueError: no labels for a term that reads them, or class ids that the student has no output for.
    """
    role = f"the evaluation set `{name}`" if name else "the evaluation set"
    _check_labelled(dataset, student, objectives, role, collator)
    column = label_column(dataset)
    reads = any(Term.LABEL in one.weights for one in objectives) and _reads_classes(student, objectives)
    if column is not None and reads and problem_of(student) is ProblemType.SINGLE_LABEL:
        _check_range(dataset, column, len(label_names(student)), role)


def _check_labelled(
    dataset: Dataset,
    student: PreTrainedModel,
    objectives: Sequence[DistillationObjective],
    role: str,
    collator: Collator | None,
) -> None:
    """Refuse rows without labels for a term, or a probability shift, that reads them.

    Raises:
        ValueError: there is one, and no column of labels.
    """
    if label_column(dataset) is not None or predicts_vocabulary(student):  # the collator makes those of hidden words
        return
    shifts = any(objective.shifts_predictions for objective in objectives)
    compares = any(Term.LABEL in objective.weights for objective in objectives)
    if not (shifts or compares) or _makes_labels(dataset, collator):
        return
    if shifts:
        raise ValueError(
            f"expected a `labels` column in {role} for `probability_shift`, got {dataset.column_names}; because the "
            "labels say where the teacher is wrong; add the column, or leave `probability_shift` out"
        )
    raise ValueError(
        f"expected a `labels` column in {role} for `{Term.LABEL}`, got {dataset.column_names}; because it "
        f"compares with the labels of the data; add the column, or set the weight of `{Term.LABEL}` to 0"
    )


def _makes_labels(dataset: Dataset, collator: Collator | None) -> bool:
    """Whether labels that no column holds are in the first row, by a transform, or in its batch, by the collator."""
    if len(dataset) == 0:
        return False
    with torch.random.fork_rng(devices=[]):  # either may draw
        made = dict(dataset[0])
        if collator is not None:
            made |= collator([dict(made)])
    return any(name in made for name in LABEL_COLUMNS)


def label_column(dataset: Dataset) -> str | None:
    """The column that holds a data set's labels, or the first of them; None without."""
    return next((name for name in LABEL_COLUMNS if name in dataset.column_names), None)


def _check_exclusive(dataset: Dataset, column: str, student: PreTrainedModel) -> None:
    """Refuse several labels a row for a student that learns one of several classes.

    Raises:
        ValueError: a list of more than one in the first row.
    """
    several = isinstance(dataset.features[column], List | LargeList) and len(dataset[0][column]) > 1
    if several and problem_of(student) is ProblemType.SINGLE_LABEL:
        raise ValueError(
            f"expected one class id in every row of `{column}`, got a list; because the student's classes exclude "
            "each other, so that independent labels would be learned as shares of one; set `problem_type` of both "
            "models to `multi_label_classification` (numbers: `regression`)"
        )


def _check_range(dataset: Dataset, column: str, classes: int, role: str) -> None:
    """Refuse class ids that the student has no output for, wherever in the data they are.

    Raises:
        ValueError: an id below 0, but for the one that is ignored, one from the number of classes up, or none.
    """
    feature = dataset.features[column]
    if not (isinstance(feature, ClassLabel | Value) and feature.dtype.startswith("int")):
        return
    known = {IGNORED_LABEL, *range(classes)}
    wrong = [label for label in dataset.unique(column) if label not in known]
    if wrong:
        raise ValueError(
            f"expected class ids from 0 to {classes - 1} in `{column}` of {role}, got {wrong[:5]}; because the "
            f"student has {classes} classes; correct them, or drop the rows (test sets without labels often hold -1)"
        )


def _check_classes(dataset: Dataset, column: str) -> None:
    """Refuse labels that are all the same.

    Raises:
        ValueError: one class only in a column of class ids.
    """
    feature = dataset.features[column]
    classes = isinstance(feature, ClassLabel | Value) and feature.dtype.startswith("int")
    if classes and len(dataset) > 1 and len(dataset.unique(column)) == 1:
        raise ValueError(
            f"expected two or more classes in `{column}`, got only {dataset.unique(column)} in {len(dataset)} rows; "
            "because such a set is usually an unshuffled slice; shuffle it, or drop the column to distil without "
            "labels"
        )


def _reads_classes(student: PreTrainedModel, objectives: Sequence[DistillationObjective]) -> bool:
    """Whether a classifier of texts learns predictions."""
    classifies = head_kind(student) == "ForSequenceClassification"
    return classifies and any(objective.reads_logits for objective in objectives)


__all__ = ["LABEL_COLUMNS", "check_dataset", "check_evaluation_rows", "check_rows", "label_column"]
