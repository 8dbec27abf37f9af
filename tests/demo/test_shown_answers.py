"""Tests of what is shown of a prediction."""

import pytest

from hf_tinybert.data.tasks import KINDS, TaskKind
from hf_tinybert.demo.input_forms import Asked
from hf_tinybert.demo.shown_answers import ANSWER_FORMS, marked, word_spans

MASK = "[MASK]"


def _shown(kind, prediction, row=None, text=""):
    return ANSWER_FORMS[TaskKind(kind)].show(prediction, Asked(row or {}, text), MASK)


def test_every_kind_has_a_form():
    """Prevents a kind that is asked and whose answer cannot be shown."""
    assert set(ANSWER_FORMS) == set(KINDS)


def test_bars_begin_with_the_likeliest():
    """Prevents the best class from being cut off with the many others."""
    shown = _shown("text-classification", {"label": "b", "score": 0.7, "scores": {"a": 0.1, "b": 0.7, "c": 0.2}})
    assert shown.headline == "b · 70.0%" and list(shown.bars) == ["b", "c", "a"]


@pytest.mark.parametrize(("labels", "headline"), [(["a", "b"], "a, b"), ([], "none of the labels")])
def test_no_label_is_an_answer_too(labels, headline):
    """Prevents the likeliest label from standing there where the model chose none."""
    assert _shown("multi-label-classification", {"labels": labels, "scores": {"a": 0.4}}).headline == headline


def test_entities_are_marked_in_the_text_as_it_was_typed():
    """Prevents marks that are shifted by a word, and spaces that nobody typed."""
    text = "Ada Lovelace, of London."
    tokens = ["Ada", "Lovelace", ",", "of", "London", "."]
    entities = [{"type": "PER", "start": 0, "end": 2}, {"type": "LOC", "start": 4, "end": 5}]
    shown = _shown("token-classification", {"tokens": tokens, "tags": [], "entities": entities}, text=text)
    assert shown.passages == [("Ada Lovelace", "PER"), (", of ", None), ("London", "LOC"), (".", None)]
    assert shown.headline == "2 entities: 1 PER, 1 LOC"


def test_plain_tags_stand_at_their_words():
    """Prevents a tagger without entities from showing nothing."""
    shown = _shown("token-classification", {"tokens": ["a", "a", "b"], "tags": ["X", "O", "Y"]}, text="a a  b")
    assert shown.passages == [("a", "X"), (" a  ", None), ("b", "Y")]


def test_an_answer_is_marked_at_its_place():
    """Prevents the first of several equal words from being marked in the place of the answer."""
    found = {"answer": "team", "score": 0.5, "start": 9, "end": 13}
    assert _shown("question-answering", found, text="The team team wins").passages[1] == ("team", "answer")
    nothing = {"answer": "", "score": 0.9, "start": -1, "end": -1}
    shown = _shown("question-answering", nothing, text="The team")
    assert "no answer" in shown.headline and shown.passages == [("The team", None)]


def test_choices_that_are_alike_have_a_bar_each():
    """Prevents the probability of one of two equal choices from being lost."""
    prediction = {"choice": 1, "text": "wins", "scores": [0.4, 0.6]}
    shown = _shown("multiple-choice", prediction, row={"choices": ["wins", "wins"]})
    assert shown.bars == {"2. wins": 0.6, "1. wins": 0.4}


def test_masks_are_filled_in_their_order():
    """Prevents two filled words from changing places, and the marks of word pieces from standing in the text."""
    tokens = [{"token": "film", "score": 0.5}, {"token": "##s", "score": 0.25}]
    shown = _shown("masked-lm", {"tokens": tokens}, text="The [MASK] wins, goal [MASK].")
    assert "".join(part for part, _ in shown.passages) == "The film wins, goals."
    assert [part for part, mark in shown.passages if mark] == ["film", "s"]


def test_kept_sentences_are_marked_in_the_document():
    """Prevents a summary that no longer shows where it comes from."""
    shown = _shown("extractive-summarization", {"sentences": [1]}, text="A film.  The bank falls. No song.")
    assert [part for part, mark in shown.passages if mark] == ["The bank falls."]
    assert "".join(part for part, _ in shown.passages) == "A film.  The bank falls. No song."
    assert shown.headline == "1 of 3 sentences kept"


def test_numbers_are_shown_as_they_are():
    """Prevents a score that is cut to nothing."""
    assert _shown("regression", {"score": -2.34567}).headline == "-2.346"
    assert _shown("sentence-embedding", {"similarity": 0.98765}).headline == "similarity 0.988"


def test_parts_of_a_text_are_the_whole_text():
    """Prevents characters from being lost between marks, at the ends and where marks touch."""
    parts = marked("abcdef", [(0, 2, "x"), (2, 3, "y"), (5, 6, "z")])
    assert parts == [("ab", "x"), ("c", "y"), ("de", None), ("f", "z")]
    assert marked("", []) == []


def test_equal_words_are_found_one_after_the_other():
    """Prevents all of them from being marked at the place of the first."""
    assert word_spans("a ba a", ["a", "ba", "a"]) == [(0, 1), (2, 4), (5, 6)]
