"""Tokens of a vocabulary that are whole words."""

import re

from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.augmentation.word_spans import is_word
from hf_tinybert.data.word_marks import BYTES, CONTINUED, SENTENCE_PIECE, word_mark

__all__ = ["whole_words"]

_IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+")


def whole_words(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """Gives the tokens that can stand for a word of a text: of letters only, no pieces, no special tokens.

    Args:
        tokenizer: WordPiece, byte-level BPE or SentencePiece.

    Returns:
        Token id -> word, in the order of the ids. Chinese and kana need no mark of a beginning.
    """
    special = set(tokenizer.all_special_tokens)
    vocabulary = sorted((index, token) for token, index in tokenizer.get_vocab().items() if token not in special)
    tokens = [token for _, token in vocabulary]
    mark = word_mark(tokens)
    if mark == CONTINUED:
        words = ["" if token.startswith(CONTINUED) else token for token in tokens]
    elif mark == SENTENCE_PIECE:
        words = [_of_marked(token) for token in tokens]
    elif mark == BYTES:
        decoded = tokenizer.batch_decode([[index] for index, _ in vocabulary])
        words = [
            text.strip() if token.startswith(BYTES) or _IDEOGRAPHS.fullmatch(text) else ""
            for token, text in zip(tokens, decoded, strict=True)
        ]
    else:
        words = tokens
    return {index: word for (index, _), word in zip(vocabulary, words, strict=True) if is_word(word)}


def _of_marked(token: str) -> str:
    if token.startswith(SENTENCE_PIECE):
        return token[1:]
    return token if _IDEOGRAPHS.fullmatch(token) else ""
