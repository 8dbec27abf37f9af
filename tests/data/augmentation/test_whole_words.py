"""Tests of tokens that are words."""

import pytest
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from hf_tinybert.data.augmentation.whole_words import whole_words


def _tokenizer(tokens, decoder=None):
    backend = Tokenizer(WordLevel({token: index for index, token in enumerate(["<unk>", *tokens])}, "<unk>"))
    if decoder is not None:
        backend.decoder = decoder
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")


def test_pieces_punctuation_and_special_tokens_are_none(tokenizer):
    """Prevents `##ly` or `[MASK]` from standing in a text."""
    words = whole_words(tokenizer)
    assert words[tokenizer.convert_tokens_to_ids("film")] == "film"
    assert not {"##s", "##ly", ".", "[MASK]", "[UNK]"} & set(words.values()) and len(words) == 32


@pytest.mark.parametrize(
    ("mark", "decoder"), [("\u0120", ByteLevel()), ("\u2581", None)], ids=["byte-level", "SentencePiece"]
)
def test_other_vocabularies_mark_where_words_begin(mark, decoder):
    """Prevents the marks from standing in texts, and ends of words from standing alone."""
    words = whole_words(_tokenizer([f"{mark}film", "ing", f"{mark}3"], decoder))
    assert words == {1: "film"}
    # as in RoBERTa's vocabulary, which has seen headings of Markdown: no WordPiece
    words = whole_words(_tokenizer([f"{mark}film", "ing", "##", f"{mark}3"], decoder))
    assert words == {1: "film"}
