"""Tests of the texts of rows, and of rows made anew."""

import pytest

from hf_tinybert.data.augmentation.passages import PassageReader, replaced_row
from hf_tinybert.data.kinds.definition import TaskKind

STOP = frozenset({"the", "a", "is"})


def _words(passage):
    return [passage.text[start:end] for start, end in passage.words]


def test_stop_words_numbers_and_punctuation_are_left_alone():
    """Prevents a changed article or number."""
    row = {"text": "The film is 3 hours, a Song!", "label": 0}
    (passage,) = PassageReader(TaskKind.TEXT_CLASSIFICATION, STOP).read(row)
    assert _words(passage) == ["film", "hours", "Song"]
    new = replaced_row(row, [passage], [{0: "movie", 2: "Tune"}])
    assert new == {"text": "The movie is 3 hours, a Tune!", "label": 0} and row["text"].startswith("The film")


@pytest.mark.parametrize("kind", [TaskKind.PAIR_CLASSIFICATION, TaskKind.REGRESSION])
def test_each_side_of_a_pair_is_a_text_of_its_own(kind):
    """Prevents one side from standing in the place of the other."""
    row = {"text": "a film", "text_pair": "a game"}
    passages = PassageReader(kind, STOP).read(row)
    assert replaced_row(row, passages, [{}, {0: "match"}]) == {"text": "a film", "text_pair": "a match"}


def test_tags_stay_with_their_words():
    """Prevents a row with more words than tags."""
    row = {"tokens": ["the", "film", "U.S.", "song"], "tags": [0, 1, 2, 0]}
    (passage,) = PassageReader(TaskKind.TOKEN_CLASSIFICATION, STOP).read(row)
    assert _words(passage) == ["film", "song"]
    assert replaced_row(row, [passage], [{1: "tune"}]) == {"tokens": ["the", "film", "U.S.", "tune"],
                                                           "tags": [0, 1, 2, 0]}  # fmt: skip


def test_answers_are_kept_and_found_where_they_moved_to():
    """Prevents an answer that does not stand in its context."""
    context = "Today the old team wins a great game today ."
    answers = {"text": ["old team", "game"], "answer_start": [10, 32]}
    row = {"id": "1", "question": "who wins", "context": context, "answers": answers}
    passages = PassageReader(TaskKind.QUESTION_ANSWERING, STOP).read(row)
    assert [_words(passage) for passage in passages] == [["who", "wins"], ["Today", "wins", "great", "today"]]
    new = replaced_row(row, passages, [{1: "loses"}, {0: "Yesterday", 1: "is", 2: "marvellous", 3: "x"}])
    assert new["question"] == "who loses" and new["context"].endswith("game x .")
    for text, start in zip(new["answers"]["text"], new["answers"]["answer_start"], strict=True):
        assert new["context"][start : start + len(text)] == text
    assert row["answers"]["answer_start"] == [10, 32]


def test_a_question_without_an_answer_or_without_gold_is_read():
    """Prevents SQuAD 2.0 and rows to predict from being refused."""
    reader = PassageReader(TaskKind.QUESTION_ANSWERING)
    row = {"id": "1", "question": "who", "context": "a team"}
    for more in ({}, {"answers": {"text": [], "answer_start": []}}):
        passages = reader.read({**row, **more})
        assert replaced_row({**row, **more}, passages, [{}, {1: "club"}])["context"] == "a club"


def test_choices_are_texts_of_their_own():
    """Prevents choices from being mixed up, and a missing text from being an error."""
    row = {"text": "", "choices": ["a film", "a game"], "label": 1}
    passages = PassageReader(TaskKind.MULTIPLE_CHOICE, STOP).read(row)
    assert replaced_row(row, passages, [{}, {0: "match"}])["choices"] == ["a film", "a match"]


@pytest.mark.parametrize("kind", list(TaskKind), ids=str)
def test_every_kind_has_texts(kind):
    """Prevents a kind that cannot be augmented."""
    row = {"text": "film", "text_pair": "film", "tokens": ["film"], "question": "film", "context": "film",
           "choices": ["film"], "document": "film"}  # fmt: skip
    assert {tuple(_words(passage)) for passage in PassageReader(kind).read(row)} == {("film",)}
