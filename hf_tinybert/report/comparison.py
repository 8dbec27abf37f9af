"""Student and teacher compared on the same rows: answers, layers, speed; of every task, kept as `comparison.json`."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from hf_tinybert.data.kinds.definition import Prediction
from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.hub.kept_comparisons import COMPARISON_FILE, TASKS
from hf_tinybert.machine import machine
from hf_tinybert.report.compared_answers import ComparedAnswer, compared_answers
from hf_tinybert.report.compared_rows import ComparedRows
from hf_tinybert.report.confusion import Confusion, count_confusion
from hf_tinybert.report.layer_agreement import LayerAgreement
from hf_tinybert.report.layers_and_speed import LayersAndSpeed, spread
from hf_tinybert.report.tagged_words import entity_counts, word_classes
from hf_tinybert.workflow.task_data import can_be_scored

_EXAMPLES = 24
_ONE_CLASS = (TaskKind.TEXT_CLASSIFICATION, TaskKind.PAIR_CLASSIFICATION)
_NUMBERS = (TaskKind.REGRESSION, TaskKind.SENTENCE_EMBEDDING)


@dataclass(frozen=True)
class Comparison:
    """What was found; JSON values only.

    Attributes:
        split: of the data.
        rows: that were compared.
        answers: counts by `same` or `other`, and by who is right: `both`, `student`, `teacher`, `neither`; these four
            are missing where right and wrong cannot be told. Of numbers it is empty.
        examples: answers that are not the same, the ones first that only the teacher has right; of numbers the ones
            that are the furthest apart.
        confusion: classes taken for each other; None where there are no classes.
        entities: of token classification, how many entities of each type there are, and are found by each.
        numbers: `right`, `student` and `teacher` of every row, where they are numbers; of the embeddings of single
            texts, which say nothing by themselves, it is empty as `answers` are.
        agreement: of the layers; None where it cannot be had.
        without_agreement: why not.
        sentences_per_second: by batch size and model; empty where the tokenizers differ, and of all tasks but one.
        machine: that this was measured on.
        task: of a multi-task folder, the one that was compared.
        has_labels: whether the rows say what is right.
        fingerprints: hashes of rows and weights, see `ComparedRows`: a comparison of others says nothing of these.
    """

    split: str
    rows: int
    answers: dict[str, int]
    examples: list[dict[str, Any]]
    confusion: Confusion | None = None
    entities: list[dict[str, Any]] = field(default_factory=list)
    numbers: dict[str, list[float]] = field(default_factory=dict)
    agreement: LayerAgreement | None = None
    without_agreement: str = ""
    sentences_per_second: dict[str, dict[str, float]] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    task: str | None = None
    has_labels: bool = True
    fingerprints: dict[str, str | None] = field(default_factory=dict)


def save_comparisons(folder: Path, found: Mapping[str | None, Mapping[str, Any]]) -> None:
    """Write `comparison.json`, in one step.

    Args:
        folder: of the student.
        found: a `Comparison` as a dictionary, by task; None is the task of a student that has one.
    """
    content = found.get(None, {TASKS: found})
    temporary = folder / f"{COMPARISON_FILE}.partial"
    temporary.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, folder / COMPARISON_FILE)


def whole_comparison(kept: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was kept, with all fields of a `Comparison`; None where an older one lacks too much of it.

    Args:
        kept: of one task.
    """
    told: dict[str, Any] = {}
    for one in fields(Comparison):
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        told[one.name] = kept.get(one.name, default)
    return None if MISSING in told.values() else told


def compare(asked: ComparedRows, said: Sequence[Sequence[Prediction]], read: LayersAndSpeed) -> Comparison:
    """Set the answers of both models side by side.

    Args:
        asked: rows.
        said: predictions of the student and of the teacher, one per row.
        read: of the models themselves.
    """
    task, rows = asked.task, asked.rows
    # single texts have an embedding each, which is no answer that can be set beside another one's
    says_nothing = task.kind is TaskKind.SENTENCE_EMBEDDING and "text_pair" not in rows.column_names
    answers = [] if says_nothing else compared_answers(task, rows, *said)
    tagged = task.kind is TaskKind.TOKEN_CLASSIFICATION
    classes = word_classes(task, rows, *said) if tagged else _classes(answers) if task.kind in _ONE_CLASS else []
    return Comparison(
        split=asked.split,
        rows=len(rows),
        answers={} if task.kind in _NUMBERS else dict(Counter(key for one in answers for key in _keys(one))),
        examples=[asdict(one) for one in _disagreements(answers)],
        confusion=count_confusion(classes, task.settings.labels) if classes else None,
        entities=entity_counts(task, rows, *said) if tagged else [],
        numbers=_numbers(answers) if task.kind in _NUMBERS and answers else {},
        agreement=read.agreement,
        without_agreement=read.without_agreement,
        sentences_per_second={size: dict(rates) for size, rates in read.sentences_per_second.items()},
        machine=dict(machine()),
        task=asked.name,
        has_labels=can_be_scored(rows, task),
        fingerprints=dict(asked.fingerprints),
    )


def _classes(answers: Sequence[ComparedAnswer]) -> list[tuple[str, str, str]]:
    return [(str(one.right), str(one.student), str(one.teacher)) for one in answers if one.right is not None]


def _keys(answer: ComparedAnswer) -> list[str]:
    found = ["same" if answer.is_same else "other"]
    match answer.student_is_right, answer.teacher_is_right:
        case True, True:
            found.append("both")
        case True, False:
            found.append("student")
        case False, True:
            found.append("teacher")
        case False, False:
            found.append("neither")
    return found


def _disagreements(answers: Sequence[ComparedAnswer]) -> list[ComparedAnswer]:
    """Half of the examples are what the student lost, a quarter what it won; each from all over the data."""
    apart = [one for one in answers if not one.is_same]
    if any(not isinstance(one.student, str) for one in apart):
        return sorted(apart, key=lambda one: -one.distance)[: _EXAMPLES // 2]
    lost = spread([one for one in apart if one.teacher_is_right and not one.student_is_right], _EXAMPLES // 2)
    won = spread([one for one in apart if one.student_is_right and not one.teacher_is_right], _EXAMPLES // 4)
    rest = [one for one in apart if one.student_is_right == one.teacher_is_right]
    return [*lost, *won, *spread(rest, _EXAMPLES - len(lost) - len(won))]


def _numbers(answers: Sequence[ComparedAnswer]) -> dict[str, list[float]]:
    right = [float(one.right) for one in answers if one.right is not None]
    student, teacher = ([float(getattr(one, name)) for one in answers] for name in ("student", "teacher"))
    return {**({"right": right} if right else {}), "student": student, "teacher": teacher}


__all__ = ["Comparison", "compare", "save_comparisons", "whole_comparison"]
