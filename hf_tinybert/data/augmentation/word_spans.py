"""Where the words of a text stand, in any script."""

import importlib
import re
import unicodedata
from collections.abc import Callable, Sequence

from tokenizers.pre_tokenizers import BertPreTokenizer

__all__ = ["Segmenter", "is_word", "load_segmenter", "word_spans"]

Segmenter = Callable[[str], Sequence[str]]
"""A text to its words in order; what stands between them may be left out."""

_SPLITTER = BertPreTokenizer()
# Ideographs and kana are written without spaces; BERT reads each ideograph as a word of its own.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]")


def word_spans(text: str, segmenter: Segmenter | None = None) -> list[tuple[int, int]]:
    """Gives the characters of every word: runs between white space and punctuation, Chinese and kana one by one.

    Args:
        text: any.
        segmenter: finds the words in the place of these rules, for languages that write no spaces.

    Returns:
        (start, end) of each word in order, the end exclusive.

    Raises:
        ValueError: If the segmenter gives a word that does not stand in the text.
    """
    if segmenter is not None:
        return _found(text, segmenter(text))
    spans: list[tuple[int, int]] = []
    for _, (start, end) in _SPLITTER.pre_tokenize_str(text):
        begin = start
        for match in _UNSPACED.finditer(text, start, end):
            if begin < match.start():
                spans.append((begin, match.start()))
            spans.append(match.span())
            begin = match.end()
        if begin < end:
            spans.append((begin, end))
    return spans


def is_word(text: str) -> bool:
    """Whether a text is one word of letters, the only ones that are replaced.

    Source: TinyBERT's published code, which leaves numbers, punctuation and mixtures alone; there letters are a to z.
    """
    categories = [unicodedata.category(character)[0] for character in text]
    return bool(categories) and categories[0] == "L" and set(categories) <= {"L", "M"}  # vowel signs are marks


def load_segmenter(name: str) -> Segmenter:
    """Gives a function by its name, `module:function`, such as `jieba:lcut`.

    Raises:
        ModuleNotFoundError: If the module is not installed.
        ValueError: If there is no such function.
    """
    module, _, function = name.partition(":")
    try:
        found = vars(importlib.import_module(module)).get(function)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"expected a segmenter `{name}`, got no module `{error.name}`; because it is not installed; install it.",
            name=error.name,
        ) from error
    if not callable(found):
        raise ValueError(
            f"expected a segmenter as `module:function`, got `{name}`; because `{module}` has no function "
            f"`{function}`; correct the name, as in `jieba:lcut`."
        )
    segmenter: Segmenter = found
    return segmenter


def _found(text: str, words: Sequence[str]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    position = 0
    for word in words:
        start = text.find(word, position)
        if start < 0:
            raise ValueError(
                f"expected words of the text from the segmenter, got {word!r}, which does not stand in {text[:60]!r} "
                "in this place; because words are replaced where they stand; use a segmenter that changes none."
            )
        position = start + len(word)
        if word.strip():
            spans.append((start, position))
    return spans
