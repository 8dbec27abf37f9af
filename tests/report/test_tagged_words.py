"""Tests of tags counted word by word and entity by entity."""

import datasets

from hf_tinybert.data.tasks import Task, TaskKind, TaskSettings
from hf_tinybert.report.tagged_words import entity_counts, word_classes

TASK = Task(TaskSettings(TaskKind.TOKEN_CLASSIFICATION, ("O", "B-person", "I-person", "B-place", "I-place")))
TAGS = [["B-person", "I-person", "O", "B-person"], ["B-place"]]
SHORT = [["B-person", "O", "O", "B-person"], ["B-person"]]
ROWS = datasets.Dataset.from_dict({"tokens": [["Ada", "Lovelace", ";", "Ada"], ["Rome"]], "tags": TAGS})
STUDENT, TEACHER = ([{"tags": own} for own in tags] for tags in (SHORT, TAGS))


def test_words_are_counted_by_class():
    """Prevents B- and I- of one class as two, and the two models in each other's place."""
    assert word_classes(TASK, ROWS, STUDENT, TEACHER) == [
        ("person", "person", "person"),
        ("person", "O", "person"),
        ("O", "O", "O"),
        ("person", "person", "person"),
        ("place", "person", "place"),
    ]


def test_entities_count_as_often_as_they_come_and_only_whole():
    """Prevents half an entity, or one of another type, that counts as found."""
    assert entity_counts(TASK, ROWS, STUDENT, TEACHER) == [
        {"type": "person", "right": 2, "student": 1, "teacher": 2},
        {"type": "place", "right": 1, "student": 0, "teacher": 1},
    ]


def test_other_tags_have_classes_and_no_entities():
    """Prevents parts of speech that are read as entities, or lose what follows a hyphen."""
    task = Task(TaskSettings(TaskKind.TOKEN_CLASSIFICATION, ("NOUN", "PRON-REL")))
    rows = datasets.Dataset.from_dict({"tokens": [["a"]], "tags": [["PRON-REL"]]})
    said = [{"tags": ["NOUN"]}]
    assert word_classes(task, rows, said, said) == [("PRON-REL", "NOUN", "NOUN")]
    assert entity_counts(task, rows, said, said) == []


def test_rows_without_tags_have_neither():
    """Prevents a report that fails on rows to predict."""
    rows = ROWS.remove_columns("tags")
    assert word_classes(TASK, rows, STUDENT, TEACHER) == entity_counts(TASK, rows, STUDENT, TEACHER) == []
