"""A long text in parts, so that tokenising it takes the memory of a part.

A tokenizer keeps some 150 bytes for each character of a text that it reads at once: a file of a gigabyte that is one
document would take more than most machines have.
"""

from collections.abc import Iterator

__all__ = ["LONGEST_PART", "text_parts"]

LONGEST_PART = 1 << 17
"""Characters that are tokenised at once of one text."""

_SEARCHED = 1 << 14  # of them the last ones, for a place to cut at


def text_parts(text: str, longest: int = LONGEST_PART) -> Iterator[str]:
    """Gives a text in parts that make it again when they are put together; a short one as it is.

    It is cut before a space between two letters or digits, where every tokenizer of words begins a new piece, so that
    the tokens of the parts are those of the text. Where there is none, as in a script that writes no spaces, it is
    cut at the last white space, or where it is too long: there a piece may be cut in two, once in so many characters.

    Args:
        text: any.
        longest: characters of a part.
    """
    start = 0
    while len(text) - start > longest:
        end = _cut(text, start + longest - min(_SEARCHED, longest // 2), start + longest)
        yield text[start:end]
        start = end
    yield text[start:]


def _cut(text: str, first: int, last: int) -> int:
    """Where a part ends: after `first`, and at `last` at the latest."""
    space = last
    while (space := text.rfind(" ", first + 1, space)) >= 0:
        if text[space - 1].isalnum() and text[space + 1].isalnum():
            return space
    return next((place for place in range(last, first, -1) if text[place].isspace()), last)
