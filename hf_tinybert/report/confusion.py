"""Which classes are taken for which, by the teacher and by the student."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_MOST_CLASSES = 20
OTHERS = "(others)"


@dataclass(frozen=True)
class Confusion:
    """Counts of pairs of classes; JSON values only.

    Attributes:
        labels: of rows and columns; where there are too many, those that were confused most, and one for the others.
        student: `[right][student says]`.
        teacher: `[right][teacher says]`.
        between: `[teacher says][student says]`.
        classes: how many there are in all.
    """

    labels: list[str]
    student: list[list[int]]
    teacher: list[list[int]]
    between: list[list[int]]
    classes: int


def count_confusion(answers: Sequence[tuple[str, str, str]], labels: Sequence[str]) -> Confusion:
    """Count answers.

    Args:
        answers: right class, student's and teacher's.
        labels: in the order of the model; classes without an answer that are not among them are added.
    """
    present = {one for answer in answers for one in answer}
    # of tags such as B-person only the class is counted
    known = [label for label in labels if label in present]
    names = [*known, *sorted(present - set(known))]
    shown = names if len(names) <= _MOST_CLASSES else _most_confused(answers, names)
    if len(shown) < len(names):
        shown = [*shown, OTHERS]
    place = {name: shown.index(name) if name in shown else len(shown) - 1 for name in names}
    student, teacher, between = ([[0] * len(shown) for _ in shown] for _ in range(3))
    for right, own, other in answers:
        student[place[right]][place[own]] += 1
        teacher[place[right]][place[other]] += 1
        between[place[other]][place[own]] += 1
    return Confusion(list(shown), student, teacher, between, len(names))


def _most_confused(answers: Sequence[tuple[str, str, str]], names: Sequence[str]) -> list[str]:
    mistakes: Counter[str] = Counter()
    for answer in answers:
        if len(set(answer)) > 1:
            mistakes.update(set(answer))
    worst = [name for name, _ in mistakes.most_common()]
    shown = [*worst, *(name for name in names if name not in mistakes)][: _MOST_CLASSES - 1]
    return [name for name in names if name in shown]


__all__ = ["OTHERS", "Confusion", "count_confusion"]
