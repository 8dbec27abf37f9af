"""Tests of the words that are left alone."""

import pytest

from hf_tinybert.data.augmentation.stop_words import LANGUAGES, read_stop_words, stop_words


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "the not"), ("de", "der nicht"), ("fr", "le pas"), ("es", "el no"), ("zh", "的 不")],
)
def test_each_language_has_its_articles_and_negations(language, words):
    """Prevents a sentence from being turned round."""
    assert set(words.split()) <= stop_words(language)
    assert language in LANGUAGES and "film" not in stop_words(language)


def test_an_unknown_language_is_refused():
    """Prevents all words of a language from being replaced because its name is misspelt."""
    with pytest.raises(ValueError, match="`english`"):
        stop_words("english")
    assert not stop_words("none")


def test_a_file_takes_their_place(tmp_path):
    """Prevents capitals from hiding a word, and an empty file from being none."""
    file = tmp_path / "words.txt"
    file.write_text("Der die\nDAS\n")
    assert read_stop_words(file) == {"der", "die", "das"}
    file.write_text("\n")
    with pytest.raises(ValueError, match="got none"):
        read_stop_words(file)
