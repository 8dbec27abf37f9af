"""Checks of the labels: names, order, variety, and whether the teacher knows them."""

from functools import partial

from datasets import ClassLabel, Dataset

from hf_tinybert.distillation.compatibility import labels
from hf_tinybert.distillation.compatibility.rows import check_rows, label_column
from hf_tinybert.distillation.embedding_teacher import embedding_size, gives_embeddings
from hf_tinybert.distillation.preflight.answers import Answers, better_order, score, teacher_answers
from hf_tinybert.distillation.preflight.report import Check, Status, checked, skipped
from hf_tinybert.distillation.preflight.setup import Setup
from hf_tinybert.distillation.task_head import names_classes

_FEW_ANSWERS = 50
_SHOWN = 6


def check_label_names(setup: Setup) -> Check:
    """Class names of student, teacher and data that differ or stand in another order; embeddings of other widths."""
    name = "label names"
    if not setup.compares_predictions:
        return skipped(name, "no term compares predictions")
    if gives_embeddings(setup.student):
        sizes = partial(labels.check_embedding_sizes, setup.student, setup.teacher)
        return checked(name, sizes, f"none: embeddings of {embedding_size(setup.student)} values")
    if not names_classes(setup.student):
        return skipped(name, f"`{type(setup.student).__name__}` predicts no classes with names")
    student, teacher = labels.label_names(setup.student), labels.label_names(setup.teacher)
    data = _data_names(setup)

    def refusal() -> None:
        labels.check_problem_types(setup.student, setup.teacher)
        labels.check_label_names(student, teacher, "the teacher")
        if data is not None:
            labels.check_label_names(student, data, "the data set")
            labels.check_label_names(teacher, data, "the data set")

    row = checked(name, refusal, _shown(student))
    nameless = [role for role, names in (("student", student), ("teacher", teacher)) if labels.unnamed(names)]
    if row.status is Status.OK and nameless and len(student) > 1:
        return Check(
            name,
            Status.WARN,
            f"expected class names, got {_shown(student)} of the {' and the '.join(nameless)}; because an order that "
            "differs cannot be seen in them",
            "set `id2label` and `label2id` of both models",
        )
    return row


def check_training_rows(setup: Setup) -> Check:
    """A training set that is empty, lacks the labels a term reads, or holds one class only."""
    name, dataset = "training rows", setup.train_dataset
    if dataset is None:
        return skipped(name, "no training set given")
    if not isinstance(dataset, Dataset):
        return Check(name, Status.OK, f"{len(dataset):,} rows")
    column = label_column(dataset)
    found = f"{len(dataset):,} rows, " + ("no label column" if column is None else f"labels in `{column}`")
    return checked(name, partial(check_rows, dataset, setup.student, setup.objectives, setup.collate), found)


def check_teacher_score(setup: Setup) -> tuple[Check, Check]:
    """A teacher that knows no more than chance, and one whose classes stand in another order than the data's."""
    names = "teacher's score", "label order"
    if not setup.compares_predictions:
        return skipped(names[0], "no term compares predictions"), skipped(names[1], "no term compares predictions")
    try:
        answers = teacher_answers(setup)
    except (ValueError, IndexError, RuntimeError) as error:
        return _no_forward(names[0], error), skipped(names[1], "the teacher could not be run")
    if isinstance(answers, str):
        return skipped(names[0], answers), skipped(names[1], answers)
    if not names_classes(setup.student):
        why = f"`{type(setup.student).__name__}` predicts no classes with names"
        return _teacher_score(names[0], answers), skipped(names[1], why)
    return _teacher_score(names[0], answers), _label_order(names[1], answers, setup)


def _teacher_score(name: str, answers: Answers) -> Check:
    result, count = score(answers), len(answers.labels)
    shown = f"{result.name} {result.value:.3f} on {count} labelled answers, chance {result.chance:.3f}"
    if result.value > result.chance + result.margin:
        return Check(name, Status.OK, shown)
    few, above = count < _FEW_ANSWERS, result.value > result.chance
    if above:
        luck = min(result.chance + result.margin, 1.0)  # no score is higher
        why = f"one that knows nothing of the task may reach {luck:.3f} on as {'few' if few else 'many'} by luck"
    else:
        why = "a student learns what its teacher says" + (", though so few may be bad luck" if few else "")
    return Check(
        name,
        Status.WARN if few or above else Status.FAIL,
        f"expected a teacher {'clearly ' if above else ''}above chance, got {shown}; because {why}",
        "give more labelled rows" if few else "fine-tune the teacher on this task, and check the order of its labels",
    )


def _label_order(name: str, answers: Answers, setup: Setup) -> Check:
    order = better_order(answers)
    if order is None:
        return Check(name, Status.OK, "no other order of the teacher's classes fits the labels better")
    teacher = labels.label_names(setup.teacher)
    data = _data_names(setup) or labels.label_names(setup.student)
    moves = [
        f"{old} `{teacher.get(old, old)}` is the data's {new} `{data.get(new, new)}`" for old, new in order.items()
    ]
    more = f" and {len(moves) - _SHOWN} more" if len(moves) > _SHOWN else ""
    return Check(
        name,
        Status.FAIL,
        f"expected the teacher's classes in the order of the data, got another one: {', '.join(moves[:_SHOWN])}{more}"
        "; because the student learns the teacher's order and is scored in the data's",
        "reorder the labels of the data to the teacher's `id2label`",
    )


def _no_forward(name: str, error: Exception) -> Check:
    return Check(
        name,
        Status.FAIL,
        f"expected predictions of the teacher, got {type(error).__name__}: {error}; because it cannot read this batch",
        "see the checks above: vocabulary, lengths, columns",
    )


def _data_names(setup: Setup) -> dict[int, str] | None:
    """Class names of the data by id, where it has any."""
    for dataset in (setup.train_dataset, setup.eval_dataset):
        if not isinstance(dataset, Dataset):
            continue
        column = label_column(dataset)
        feature = None if column is None else dataset.features[column]
        if isinstance(feature, ClassLabel):
            return dict(enumerate(feature.names))
    return None


def _shown(names: dict[int, str]) -> str:
    listed = ", ".join(list(names.values())[:_SHOWN])
    return f"{len(names)} labels: {listed}" + (", ..." if len(names) > _SHOWN else "")


__all__ = ["check_label_names", "check_teacher_score", "check_training_rows"]
