"""Tests of answers set side by side, of every kind."""

import datasets
import pytest

from hf_tinybert.data.tasks import Task, TaskKind, TaskSettings
from hf_tinybert.report.compared_answers import ComparedAnswer, compared_answers

TAGS = ("O", "B-person", "I-person")
WORDS = {"tokens": [["Ada", "Lovelace", "wins"]], "tags": [["B-person", "I-person", "O"]]}
SAID = [{"tokens": WORDS["tokens"][0], "tags": ["B-person", "O", "O"], "entities": []}]
RIGHT = [{"tokens": WORDS["tokens"][0], "tags": WORDS["tags"][0], "entities": []}]


def _compare(kind, rows, student, teacher, labels=()):
    task = Task(TaskSettings(kind, labels))
    return compared_answers(task, datasets.Dataset.from_dict(rows), student, teacher)


@pytest.mark.parametrize(
    ("kind", "labels", "rows", "student", "teacher", "expected"),
    [
        (
            TaskKind.PAIR_CLASSIFICATION,
            ("no", "yes"),
            {"text": ["one"], "text_pair": ["two"], "label": [1]},
            {"label": "no"},
            {"label": "yes"},
            ComparedAnswer("one\ntwo", "yes", "no", "yes", False, True),
        ),
        (
            TaskKind.MULTI_LABEL_CLASSIFICATION,
            ("a", "b"),
            {"text": ["one"], "labels": [["b", "a"]]},
            {"labels": []},
            {"labels": ["a", "b"]},
            ComparedAnswer("one", "a, b", "(nothing)", "a, b", False, True),
        ),
        (
            TaskKind.REGRESSION,
            (),
            {"text": ["one"], "score": [1.0]},
            {"score": 0.5},
            {"score": 2.0},
            ComparedAnswer("one", 1.0, 0.5, 2.0, None, None),
        ),
        (
            TaskKind.SENTENCE_EMBEDDING,
            (),
            {"text": ["one"], "text_pair": ["two"], "score": [5.0]},
            {"embedding": [], "similarity": 0.5},
            {"embedding": [], "similarity": 0.75},
            ComparedAnswer("one\ntwo", 5.0, 0.5, 0.75, None, None),
        ),
        (
            TaskKind.TOKEN_CLASSIFICATION,
            TAGS,
            WORDS,
            SAID[0],
            RIGHT[0],
            ComparedAnswer(
                "Ada Lovelace wins", "Ada Lovelace (person)", "Ada (person)", "Ada Lovelace (person)", False, True
            ),
        ),
        (
            TaskKind.QUESTION_ANSWERING,
            (),
            {
                "question": ["who"],
                "context": ["The cook stirs."],
                "answers": [{"text": ["The cook", "cook"], "answer_start": [0, 4]}],
            },
            {"answer": "cook"},
            {"answer": ""},
            ComparedAnswer("who\nThe cook stirs.", "The cook / cook", "cook", "(nothing)", True, False),
        ),
        (
            TaskKind.MULTIPLE_CHOICE,
            (),
            {"text": ["one"], "choices": [["a", "b"]], "label": [1]},
            {"choice": 1, "text": "b"},
            {"choice": 0, "text": "a"},
            ComparedAnswer("one", "b", "b", "a", True, False),
        ),
        (
            TaskKind.EXTRACTIVE_SUMMARIZATION,
            (),
            {"document": ["One. Two."], "summaries": [["two"]]},
            {"summary": "One."},
            {"summary": "Two."},
            ComparedAnswer("One. Two.", None, "One.", "Two.", None, None),
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, TaskKind) else "",
)
def test_each_kind_is_told_in_words_or_numbers(kind, labels, rows, student, teacher, expected):
    """Prevents a page that shows internals, or calls a right answer wrong."""
    assert _compare(kind, rows, [student], [teacher], labels) == [expected]
    assert not expected.is_same


def test_rows_without_gold_answers_are_compared_all_the_same():
    """Prevents a right or wrong where nothing is known."""
    (found,) = _compare(TaskKind.TEXT_CLASSIFICATION, {"text": ["one"]}, [{"label": "a"}], [{"label": "a"}], ("a",))
    assert found == ComparedAnswer("one", None, "a", "a", None, None) and found.is_same


def test_hidden_words_are_compared_one_by_one_where_both_models_saw_them():
    """Prevents words of different places beside each other, as of models with two tokenizers."""
    hidden = {"position": 1, "token": "game", "gold": "game", "right": True}
    other = {"position": 1, "token": "film", "gold": "game", "right": False}
    elsewhere = {"position": 2, "token": "the", "gold": "a", "right": False}
    rows = {"text": ["a game", "a film"]}
    student, teacher = (
        [{"text": text, "tokens": [one]} for text, one in zip(rows["text"], two, strict=True)]
        for two in ((hidden, elsewhere), (other, hidden))
    )
    found = _compare(TaskKind.MASKED_LM, rows, student, teacher)
    assert found == [ComparedAnswer("a game", "game", "game", "film", True, False)]
