"""The words of a text that nobody has split."""

from tokenizers.pre_tokenizers import BertPreTokenizer

__all__ = ["split_words"]

_SPLITTER = BertPreTokenizer()


def split_words(text: str) -> list[str]:
    """Splits at white space and around every punctuation mark, as BERT does before its word pieces.

    Args:
        text: any.

    Returns:
        The words in order; none for a text of white space.
    """
    return [word for word, _ in _SPLITTER.pre_tokenize_str(text)]
