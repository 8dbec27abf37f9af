"""Tests of what is typed and how it is read."""

import pytest

from hf_tinybert.data.tasks import KINDS, Task, TaskKind, TaskSettings
from hf_tinybert.demo.input_forms import FORMS, LONGEST_INPUT, read_form, tokens_read
from tests.demo.conftest import LABELS, TYPED


def _task(kind: str, **settings) -> Task:
    return Task(TaskSettings(TaskKind(kind), LABELS.get(kind, ()), **settings))


@pytest.mark.parametrize("kind", [str(kind) for kind in KINDS])
def test_every_kind_has_boxes_for_its_columns(tokenizer, kind):
    """Prevents a kind that `predict` answers and the page cannot ask."""
    asked = read_form(_task(kind), tokenizer, TYPED[kind])
    assert set(KINDS[TaskKind(kind)].columns) <= set(asked.row)
    assert asked.text in TYPED[kind]


@pytest.mark.parametrize("kind", [str(kind) for kind in KINDS])
def test_an_empty_box_is_named(tokenizer, kind):
    """Prevents an answer to nothing, or an error that does not say which box it means."""
    for position, field in enumerate(FORMS[TaskKind(kind)]):
        typed = [" \n" if number == position else text for number, text in enumerate(TYPED[kind])]
        if field.required:
            with pytest.raises(ValueError, match="got an empty one") as refused:
                read_form(_task(kind), tokenizer, typed)
            assert field.label in str(refused.value)
        else:
            assert read_form(_task(kind), tokenizer, typed).row.get(field.column, "") == ""


@pytest.mark.parametrize(
    ("kind", "typed", "message"),
    [
        ("text-classification", ["a" * (LONGEST_INPUT + 1)], "50,001"),
        ("multiple-choice", ["the team", "wins\n\n"], "two choices"),
        ("masked-lm", ["the film is good"], r"\[MASK\]"),
    ],
)
def test_what_cannot_be_answered_is_told(tokenizer, kind, typed, message):
    """Prevents a stack trace in the page, or a model that is busy for minutes."""
    with pytest.raises(ValueError, match=message):
        read_form(_task(kind), tokenizer, typed)


def test_choices_are_lines(tokenizer):
    """Prevents a choice of white space, or one that is cut at its comma."""
    row = read_form(_task("multiple-choice"), tokenizer, ["", " wins, today \n\nloses\n"]).row
    assert row["choices"] == ["wins, today", "loses"] and row["text"] == ""


@pytest.mark.parametrize(
    ("kind", "row", "read"),
    [
        ("text-classification", {"text": "the film " * 10}, (22, 8)),
        ("text-classification", {"text": "the film"}, None),
        ("pair-classification", {"text": "the film", "text_pair": "a song " * 5}, (15, 8)),
        ("sentence-embedding", {"text": "the film", "text_pair": "a song " * 5}, (12, 8)),
        ("multiple-choice", {"text": "", "choices": ["a", "a song " * 5]}, (12, 8)),
        ("question-answering", {"question": "what", "context": "the film " * 20}, None),
        ("masked-lm", {"text": "the [MASK] " * 20}, None),
    ],
)
def test_a_text_that_is_cut_is_noticed(tokenizer, kind, row, read):
    """Prevents an answer to the first half of a text that looks like one to the whole."""
    assert tokens_read(_task(kind, max_length=8), tokenizer, row) == read
