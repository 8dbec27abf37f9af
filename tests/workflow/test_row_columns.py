"""Tests of single rows under the standard columns of their kind."""

import pytest

from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.workflow.row_columns import LINE, StandardRows

TEXT = TaskKind.TEXT_CLASSIFICATION


def _row(kind, row, **columns):
    return StandardRows(kind, columns).of(row, 7)


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        (TaskKind.PAIR_CLASSIFICATION, {"text": "a", "text_pair": "b"}),
        (TaskKind.REGRESSION, {"text": "a", "text_pair": "b"}),
        (TaskKind.REGRESSION, {"text": "a"}),
        (TaskKind.TOKEN_CLASSIFICATION, {"tokens": ["a", "goal"]}),
        (TaskKind.MULTIPLE_CHOICE, {"text": "", "choices": ["a", "b"]}),
        (TaskKind.EXTRACTIVE_SUMMARIZATION, {"document": "A goal."}),
        (TaskKind.QUESTION_ANSWERING, {"question": "who", "context": "a player", "id": "3"}),
    ],
)
def test_every_kind_reads_its_columns_and_no_others(kind, row):
    """Prevents a kind whose rows can be trained on but not predicted."""
    assert _row(kind, {**row, "score": 1.0, "notes": "mine"}) == row


@pytest.mark.parametrize(
    ("kind", "row", "read"),
    [
        (TEXT, {"sentence": "a goal", "number": 3}, {"text": "a goal"}),
        (TaskKind.PAIR_CLASSIFICATION, {"premise": "a", "hypothesis": "b"}, {"text": "a", "text_pair": "b"}),
        (TaskKind.SENTENCE_EMBEDDING, {"text_a": "a", "text_b": "b"}, {"text": "a", "text_pair": "b"}),
        (TaskKind.TOKEN_CLASSIFICATION, {LINE: "a goal."}, {"tokens": ["a", "goal", "."]}),
        (TaskKind.TOKEN_CLASSIFICATION, {"tokens": "a goal."}, {"tokens": ["a", "goal", "."]}),
        (TaskKind.TOKEN_CLASSIFICATION, {"text": "a goal.", "id": 3}, {"tokens": ["a", "goal", "."]}),
        (TaskKind.EXTRACTIVE_SUMMARIZATION, {"article": ["A goal.", "A film."]}, {"document": "A goal. A film."}),
        (
            TaskKind.MULTIPLE_CHOICE,
            {"ctx": "a film", "ending0": "is good", "ending1": "is bad"},
            {"text": "a film", "choices": ["is good", "is bad"]},
        ),
    ],
)
def test_columns_go_by_the_names_they_have_in_data_to_train_on(kind, row, read):
    """Prevents data that a model was trained on from being unreadable to it."""
    assert _row(kind, row) == read


def test_a_column_of_another_name_is_read_where_that_is_said():
    """Prevents the wrong column from being read."""
    assert _row(TEXT, {"text": "wrong", "body": "right"}, text="body") == {"text": "right"}


def test_columns_are_those_of_the_first_row_that_shows_them():
    """Prevents a row in the middle from being read by another column than the others."""
    rows = StandardRows(TEXT, {})
    assert "`text`" in rows.of({"number": 1}, 1)
    assert rows.of({"sentence": "a goal"}, 2) == {"text": "a goal"}
    assert "`sentence`" in rows.of({"text": "a film"}, 3)


@pytest.mark.parametrize("kind", [TEXT, TaskKind.MASKED_LM, TaskKind.MULTIPLE_CHOICE])
def test_a_second_text_is_read_by_kinds_of_pairs_alone(kind):
    """Prevents an answer to two texts from a model that `evaluate` scores on the first of them."""
    assert "text_pair" not in _row(kind, {"text": "a", "text_pair": "b", "choices": ["c", "d"]})


def test_pairs_after_a_single_text_are_refused():
    """Prevents the second text of a pair from being left out because the first row had none."""
    rows = StandardRows(TaskKind.REGRESSION, {})
    assert rows.of({"text": "a"}, 1) == rows.of({"text": "a", "text_pair": None}, 2) == {"text": "a"}
    assert "expected no `text_pair`" in rows.of({"text": "a", "text_pair": "b"}, 3)


def test_a_question_without_an_id_gets_its_number():
    """Prevents answers that cannot be told apart, and those of rows with an id from losing it after one without."""
    question = {"question": "who", "context": "a player"}
    assert _row(TaskKind.QUESTION_ANSWERING, question)["id"] == "7"
    rows = StandardRows(TaskKind.QUESTION_ANSWERING, {})
    found = [rows.of({**question, **own}, number) for number, own in enumerate([{}, {"id": "q9"}, {"id": None}], 1)]
    assert [row["id"] for row in found] == ["1", "q9", "3"]


def test_a_line_beside_columns_is_refused():
    """Prevents `--column` with a text, of which it renames nothing."""
    said = StandardRows(TEXT, {"text": "body"}).of({LINE: "a film"}, 1)
    assert said == "expected a row with the columns `body`, got a line of text, which has none; leave `columns` out"


@pytest.mark.parametrize(
    ("kind", "row", "said"),
    [
        (TaskKind.TOKEN_CLASSIFICATION, {"tokens": 3}, "list of strings"),
        (TaskKind.TOKEN_CLASSIFICATION, {"tokens": []}, "not empty"),
        (TaskKind.MULTIPLE_CHOICE, {"text": "a", "choices": ["b", None]}, "list of strings"),
        (TaskKind.MULTIPLE_CHOICE, {"text": "a", "choices": ["b", " "]}, "a text in every choice"),
        (TaskKind.EXTRACTIVE_SUMMARIZATION, {LINE: "... !"}, "a document with a sentence, got '... !'"),
        (TEXT, {"text": "\ufeff"}, "empty"),
        (TaskKind.PAIR_CLASSIFICATION, {LINE: "a goal"}, "`text_pair`"),
        (TaskKind.TOKEN_CLASSIFICATION, {LINE: "  "}, "list of strings"),
        (TEXT, {"text": "x" * 10, "body": "", "other": 1}, "`body`: expected a text, got an empty one"),
    ],
)
def test_what_cannot_be_read_is_said(kind, row, said):
    """Prevents a text from being tagged letter by letter, and a model from failing on what it cannot read."""
    columns = {"text": "body"} if "body" in row else {}
    found = _row(kind, row, **columns)
    assert isinstance(found, str) and said in found
