"""Tests of how vocabularies mark words."""

import pytest

from hf_tinybert.data.word_marks import BYTES, CONTINUED, SENTENCE_PIECE, word_mark


@pytest.mark.parametrize("mark", [CONTINUED, SENTENCE_PIECE, BYTES])
def test_the_mark_is_that_of_most_pieces(mark):
    """Prevents a vocabulary of another kind from being read as WordPiece for headings that it has seen."""
    assert word_mark([f"{mark}film", f"{mark}song", "##", "\u0120", "\u2581", "a"]) == mark


def test_whole_words_have_none():
    """Prevents letters of words from being taken off as marks."""
    assert word_mark(["film", "song"]) is None
