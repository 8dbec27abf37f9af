"""How a vocabulary marks where words begin, or which pieces go on with one."""

from collections.abc import Collection

__all__ = ["BYTES", "CONTINUED", "SENTENCE_PIECE", "word_mark"]

CONTINUED = "##"
"""Before pieces of WordPiece that go on with a word."""

BYTES = "\u0120"
"""Before pieces of byte-level BPE that begin a word: a space, as bytes are written."""

SENTENCE_PIECE = "\u2581"
"""Before pieces of SentencePiece that begin a word."""


def word_mark(vocabulary: Collection[str]) -> str | None:
    """Gives the mark of a vocabulary: the one that most of its pieces begin with.

    Some pieces begin so by chance: RoBERTa's, of byte-level BPE, has `##` from headings of Markdown.

    Args:
        vocabulary: all pieces.

    Returns:
        `CONTINUED`, `BYTES` or `SENTENCE_PIECE`; None where no piece has a mark.
    """
    counts = {mark: sum(piece.startswith(mark) for piece in vocabulary) for mark in (CONTINUED, SENTENCE_PIECE, BYTES)}
    mark = max(counts, key=lambda each: counts[each])
    return mark if counts[mark] else None
