"""Tests of the words of a text."""

import pytest

from hf_tinybert.data.words import split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ada  lives in\nLondon.", ["Ada", "lives", "in", "London", "."]),
        ("it's (not) e-mail", ["it", "'", "s", "(", "not", ")", "e", "-", "mail"]),
        (" \n ", []),
        ("Zürich", ["Zürich"]),
    ],
)
def test_words_end_at_white_space_and_punctuation(text, words):
    """Prevents a full stop from becoming a part of the entity before it."""
    assert split_words(text) == words
