"""Tests of a corpus as a tokenizer cuts it."""

import pytest
from transformers import BertTokenizer

from hf_tinybert.models.tokenizer_trimming import trim_tokenizer
from hf_tinybert.workflow.corpus_pieces import compare_pieces, count_pieces
from tests.conftest import SPECIAL_TOKENS, WORDS

TEXTS = ["the film is good", "the film", "zebra film"]
KEPT = tuple(range(12))  # special tokens, and words up to `team`


def test_pieces_are_counted_without_the_frame_of_a_text(tokenizer):
    """Prevents [CLS] and [SEP] from being the most frequent pieces, and a share of the corpus that nobody reads."""
    counted = count_pieces(TEXTS * 400, tokenizer)  # more than are read at once
    ids = tokenizer.get_vocab()
    assert counted.documents == 1200 and counted.tokens == 8 * 400
    assert counted.counts[ids["film"]] == 1200 and counted.counts[ids["[UNK]"]] == 400
    assert counted.counts[ids["[CLS]"]] == 0
    assert counted.share([ids["film"], ids["the"]]) == 5 / 8


def test_a_long_text_is_counted_in_parts(tokenizer, monkeypatch):
    """Prevents a file of one document from taking more memory than the machine has, and its parts from being lost."""
    whole = count_pieces([*TEXTS, " ".join(TEXTS * 50)], tokenizer)
    monkeypatch.setattr("hf_tinybert.data.long_texts.text_parts.__defaults__", (40,))
    parted = count_pieces([*TEXTS, " ".join(TEXTS * 50)], tokenizer)
    assert parted.documents == whole.documents and (parted.counts == whole.counts).all()


def test_texts_without_a_token_are_refused(tokenizer):
    """Prevents a model of special tokens alone."""
    with pytest.raises(ValueError, match="expected texts to count pieces in, got 0 documents"):
        count_pieces([], tokenizer)


def test_what_becomes_of_the_texts_is_told(tokenizer):
    """Prevents lost words that no figure shows."""
    told = compare_pieces(TEXTS, tokenizer, trim_tokenizer(tokenizer, KEPT), KEPT)
    assert told == {"documents": 3, "same": 2, "tokens": 8, "tokens_after": 8, "unknown": 1, "unknown_after": 3}


def test_a_tokenizer_that_cuts_covered_texts_otherwise_is_refused(tokenizer, tmp_path):
    """Prevents a class that rebuilds its vocabulary, or a library that cuts otherwise, from passing unseen."""
    wrong = [*SPECIAL_TOKENS, *WORDS[:7]]
    wrong[5], wrong[7] = wrong[7], wrong[5]
    (tmp_path / "vocab.txt").write_text("\n".join(wrong), encoding="utf-8")
    with pytest.raises(ValueError, match="cut as before, got other pieces for 'the film'"):
        compare_pieces(["the film"], tokenizer, BertTokenizer(vocab=str(tmp_path / "vocab.txt")), KEPT)
