"""Tests of where words stand."""

import pytest

from hf_tinybert.data.augmentation.word_spans import is_word, load_segmenter, word_spans


def _words(text, segmenter=None):
    return [text[start:end] for start, end in word_spans(text, segmenter)]


def test_words_stand_between_spaces_and_punctuation_and_ideographs_alone():
    """Prevents a Chinese sentence from being one word, and spans that are off."""
    assert _words(" It's a film.") == ["It", "'", "s", "a", "film", "."]
    assert _words("我喜欢BERT模型。") == ["我", "喜", "欢", "BERT", "模", "型", "。"]
    assert _words("") == []


def test_a_segmenter_is_followed():
    """Prevents its words from being found at the wrong place."""
    assert word_spans("我喜欢我", lambda text: ["我", "喜欢", "我"]) == [(0, 1), (1, 3), (3, 4)]
    with pytest.raises(ValueError, match="use a segmenter that changes none"):
        word_spans("a film", lambda text: ["a", "movie"])


def test_a_segmenter_is_loaded_by_its_name():
    """Prevents a misspelt name from ending in a traceback."""
    assert load_segmenter("textwrap:wrap")("a film") == ["a film"]
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        load_segmenter("nowhere:lcut")
    with pytest.raises(ValueError, match="module:function"):
        load_segmenter("textwrap:nothing")


def test_words_are_of_letters_in_any_script():
    """Prevents numbers from being replaced, and words with vowel signs from being taken for something else."""
    assert all(map(is_word, ["film", "Straße", "हिन्दी", "我"]))
    assert not any(map(is_word, ["", "3", "b2b", ".", "don't"]))
