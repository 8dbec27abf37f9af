"""Where the sentences of a text begin and end."""

import re
from collections.abc import Sequence

__all__ = ["join_sentences", "split_sentences"]

# Marks that end a sentence, and the quotes and brackets that may close after them.
_MARKS = frozenset(
    ".!?\u2026\u203c\u2047\u2048\u2049\u3002\uff01\uff1f\uff0e\uff61\u0964\u0965\u061f\u06d4\u0589\u1362"
)
_CLOSING = frozenset("\"'`\u2019\u201d\u00bb\u203a)]}\u300d\u300f\uff09\u3011\u300b\u3009")
# Short forms before a number that the library does not hold.
_BEFORE_NUMBER = re.compile(r"(?:^|[\s(\[])(?:approx|ca|tabs?|vols?|chs?|chap|sect|thm|lem)\.$", re.I)
_LONGEST_FORM = 8  # characters: `approx.` and what stands before it
_NO_SPACE_AFTER = re.compile(r"[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef\u201d\u2019]")
_NO_SPACE_BEFORE = re.compile(r"[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef\u201c\u2018]")


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Gives the characters of every sentence, without white space around it.

    Boundaries come from sentencex, which knows abbreviations, initials, decimals, quotes and the marks of many
    scripts; its English rules cut Chinese and Japanese as its own for them do. Two of its boundaries are taken back:
    inside a line where the sentence has not ended, so that the points of a list in running text stay together, and
    after a short form before a number (`approx. 5`). A blank line always ends a sentence; a single line break only
    where the library sees one, because lines of a text may be wrapped.

    Args:
        text: any.

    Returns:
        (start, end) of each sentence in its order, the end exclusive; none for a text of white space.
    """
    from sentencex import get_sentence_boundaries

    spans: list[tuple[int, int]] = []
    for boundary in get_sentence_boundaries("en", text):
        piece = text[boundary["start_index"] : boundary["end_index"]]
        start = boundary["start_index"] + len(piece) - len(piece.lstrip())
        end = boundary["end_index"] - len(piece) + len(piece.rstrip())
        if start >= end:
            continue
        if spans and _belongs_to(text, spans[-1], start):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


def join_sentences(sentences: Sequence[str]) -> str:
    """Gives one text of sentences: line breaks become spaces, and Chinese and Japanese have none between sentences."""
    joined = ""
    for sentence in sentences:
        words = " ".join(sentence.split())
        together = not joined or (_NO_SPACE_AFTER.match(joined[-1]) and _NO_SPACE_BEFORE.match(words))
        joined += words if together else f" {words}"
    return joined


def _belongs_to(text: str, before: tuple[int, int], start: int) -> bool:
    """Whether the piece that begins at `start` goes on with the sentence before it.

    Only the end of that sentence is looked at: a list without a full stop becomes one sentence, of many pieces.
    """
    begin, end = before
    if any(mark in text[end:start] for mark in "\n\r"):
        return False
    if not _has_ended(text, begin, end):
        return True
    return text[start].isdigit() and _BEFORE_NUMBER.search(text[max(begin, end - _LONGEST_FORM) : end]) is not None


def _has_ended(text: str, begin: int, end: int) -> bool:
    while end > begin and text[end - 1] in _CLOSING:
        end -= 1
    return end > begin and text[end - 1] in _MARKS
