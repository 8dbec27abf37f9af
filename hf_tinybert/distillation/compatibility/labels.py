"""Refusals of what the models answer: predictions of another problem, of other classes, or of another width."""

from collections.abc import Mapping

from transformers import PreTrainedModel

from hf_tinybert.distillation.embedding_teacher import embedding_size, gives_embeddings
from hf_tinybert.distillation.head_kinds import head_kind
from hf_tinybert.distillation.task_head import PROBLEM_TYPES, problem_of


def check_predictions(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    """Refuse predictions that cannot be compared: of another problem, of other classes, or of another width.

    Raises:
        ValueError: problem types, label names or embedding sizes differ.
    """
    if gives_embeddings(student):
        check_embedding_sizes(student, teacher)
        return
    check_problem_types(student, teacher)
    check_label_names(label_names(student), label_names(teacher), "the teacher")


def check_embedding_sizes(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    """Refuse embeddings of different widths: they are compared number by number.

    Raises:
        ValueError: the widths differ.
    """
    own, other = embedding_size(student), embedding_size(teacher)
    if own != other:
        raise ValueError(
            f"expected embeddings as wide as the teacher's {other}, got {own}; because they are compared number by "
            f"number; set `embedding_size={other}` in the student's configuration, for a linear layer to that width"
        )


def check_problem_types(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    """Refuse models that answer different kinds of question.

    A classifier of texts whose problem type was never set counts as what its objective would take it for.

    Raises:
        ValueError: the teacher's problem type is set and is not the student's.
    """
    teacher_problem = teacher.config.problem_type
    student_problem: str | None = student.config.problem_type
    got = f"`{student_problem}`"
    if student_problem is None and head_kind(student) == "ForSequenceClassification":
        student_problem = next(name for name, problem in PROBLEM_TYPES.items() if problem is problem_of(student))
        got = f"none, taken for `{student_problem}`,"
    if None not in (student_problem, teacher_problem) and student_problem != teacher_problem:
        raise ValueError(
            f"expected one problem type, got {got} of the student and `{teacher_problem}` of the "
            "teacher; because scores of exclusive classes, of independent labels and of a quantity mean different "
            "things; set `problem_type` of the student to the teacher's"
        )


def check_label_names(expected: Mapping[int, str], got: Mapping[int, str], owner: str) -> None:
    """Refuse label names or an order that differ; names that were never set (`LABEL_0`, ...) fit any of their number.

    Args:
        expected: the student's `id2label`.
        got: the other side's.
        owner: who the other side is, for the message.

    Raises:
        ValueError: number, names or order differ.
    """
    named = not (unnamed(expected) or unnamed(got))
    if len(expected) == len(got) and (not named or dict(expected) == dict(got)):
        return
    raise ValueError(
        f"expected {owner} to have the student's labels {_shown(expected)}, got {_shown(got)}; because "
        "class i of one is compared with class i of the other; set `id2label` of the student accordingly"
    )


def label_names(model: PreTrainedModel) -> dict[int, str]:
    """A model's class names by their ids."""
    return {int(index): name for index, name in (model.config.id2label or {}).items()}


def unnamed(id2label: Mapping[int, str]) -> bool:
    """Whether the names were never set."""
    return all(name == f"LABEL_{index}" for index, name in id2label.items())


def _shown(names: Mapping[int, str]) -> str:
    values = list(names.values())
    return str(values) if len(values) <= 10 else f"{str(values[:10])[:-1]}, and {len(values) - 10} more]"


__all__ = [
    "check_embedding_sizes",
    "check_label_names",
    "check_predictions",
    "check_problem_types",
    "label_names",
    "unnamed",
]
