"""The pictures of what student and teacher answer: matrices of classes, scatters of numbers."""

from collections.abc import Mapping
from typing import Any

from hf_tinybert.pictures import Picture, confusion_matrix, score_scatter


def answer_pictures(comparison: Mapping[str, Any], kind: str | None = None, *, prefix: str = "") -> list[Picture]:
    """The pictures of `comparison.json`; none for kinds whose answers are neither classes nor numbers.

    Args:
        comparison: of student and teacher.
        kind: of the task; similarities of embeddings are on another scale than gold scores.
        prefix: of the names of the pictures.
    """
    confusion, numbers = comparison.get("confusion"), comparison.get("numbers")
    if confusion:
        return _matrices(confusion, prefix)
    return _scatters(numbers, prefix, one_scale=kind != "sentence-embedding") if numbers else []


def _matrices(confusion: Mapping[str, Any], prefix: str) -> list[Picture]:
    kinds = (
        ("student", "Student against the labels", "right", "student says"),
        ("teacher", "Teacher against the labels", "right", "teacher says"),
        ("between", "Student against teacher", "teacher says", "student says"),
    )
    return [
        confusion_matrix(
            confusion[key],
            confusion["labels"],
            rows=rows,
            columns=columns,
            name=f"{prefix}confusion-{key}",
            title=title,
        )
        for key, title, rows, columns in kinds
    ]


def _scatters(numbers: Mapping[str, Any], prefix: str, *, one_scale: bool) -> list[Picture]:
    student, teacher, right = numbers["student"], numbers["teacher"], numbers.get("right")
    found = [
        score_scatter(
            teacher,
            student,
            columns="teacher says",
            rows="student says",
            name=f"{prefix}scatter-between",
            title="Student against teacher",
        )
    ]
    if right:
        for name, said in (("student", student), ("teacher", teacher)):
            found.append(
                score_scatter(
                    right,
                    said,
                    columns="right",
                    rows=f"{name} says",
                    name=f"{prefix}scatter-{name}",
                    title=f"{name.capitalize()} against the right scores",
                    one_scale=one_scale,
                )
            )
    return found


__all__ = ["answer_pictures"]
