"""Token classification word by word: classes taken for each other, entities found."""

from collections import Counter
from collections.abc import Sequence

from datasets import Dataset

from hf_tinybert.data.kinds.definition import Prediction
from hf_tinybert.data.kinds.words import gold_tags
from hf_tinybert.data.metrics.entities import find_entities, is_iob2
from hf_tinybert.data.tasks import Task


def word_classes(
    task: Task, rows: Dataset, student: Sequence[Prediction], teacher: Sequence[Prediction]
) -> list[tuple[str, str, str]]:
    """Right class, student's and teacher's of every word; the `B-` and `I-` of IOB2 tags are left out.

    Args:
        task: token classification.
        rows: raw.
        student: its predictions for them.
        teacher: likewise.

    Returns:
        One triple a word; none where the rows have no tags.
    """
    iob = is_iob2(task.settings.labels)
    return [
        (_class(gold, iob), _class(own, iob), _class(other, iob))
        for golds, one, two in zip(_named_tags(task, rows), student, teacher, strict=False)
        for gold, own, other in zip(golds, one["tags"], two["tags"], strict=True)
    ]


def entity_counts(
    task: Task, rows: Dataset, student: Sequence[Prediction], teacher: Sequence[Prediction]
) -> list[dict[str, str | int]]:
    """By type, the most frequent first: entities in the data, and how many of them each model finds, limits and all.

    Args:
        task: token classification.
        rows: raw.
        student: its predictions for them.
        teacher: likewise.

    Returns:
        `type`, `right`, `student` and `teacher` of each type; none where the tags are not IOB2 or not there.
    """
    if not is_iob2(task.settings.labels):
        return []
    counts: dict[str, Counter[str]] = {}
    for golds, one, two in zip(_named_tags(task, rows), student, teacher, strict=False):
        found = {"student": set(find_entities(one["tags"])), "teacher": set(find_entities(two["tags"]))}
        for entity in find_entities(golds):
            own = counts.setdefault(entity[0], Counter())
            own["right"] += 1
            own.update(model for model, entities in found.items() if entity in entities)
    ordered = sorted(counts.items(), key=lambda item: -item[1]["right"])
    return [{"type": kind, **{name: own[name] for name in ("right", "student", "teacher")}} for kind, own in ordered]


def _named_tags(task: Task, rows: Dataset) -> list[list[str]]:
    labels = task.settings.labels
    return [[labels[tag] for tag in own] for own in gold_tags(rows, labels) or ()]


def _class(tag: str, iob: bool) -> str:
    return tag.partition("-")[2] if iob and "-" in tag else tag


__all__ = ["entity_counts", "word_classes"]
