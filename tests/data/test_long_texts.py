"""Tests of long texts in parts."""

import random

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from hf_tinybert.data.long_texts import text_parts

WORDS = ["film", "naïve", "don't", "3.14", "e-mail", "(e.g.)", "Überfluß", "東京", "half-hearted", "the", "a", "U.S."]


@pytest.fixture(scope="module")
def long_text():
    """Some 20,000 characters with double spaces, line ends and quotes between the words."""
    drawn = random.Random(0)
    between = [" "] * 9 + ["  ", "\n", "\n\n", ", ", " -- ", ' "', ".\t"]
    return "".join(drawn.choice(WORDS) + drawn.choice(between) for _ in range(3000))


def tokenizer_of(kind, text):
    """A small tokenizer of a kind, trained on a text."""
    if kind == "WordPiece":
        backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        backend.normalizer, backend.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=["[UNK]"])
    elif kind == "byte-level BPE":
        backend = Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet)
    else:
        backend = Tokenizer(models.Unigram())
        backend.normalizer, backend.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=120, unk_token="[UNK]", special_tokens=["[UNK]"])
    backend.train_from_iterator([text], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")


@pytest.mark.parametrize("kind", ["WordPiece", "byte-level BPE", "Unigram"])
def test_the_parts_have_the_tokens_of_the_text(long_text, kind):
    """Prevents a word that is cut in two, and a space that becomes a piece of its own."""
    tokenizer = tokenizer_of(kind, long_text)
    parts = list(text_parts(long_text, 200))
    assert len(parts) > 90 and max(map(len, parts)) <= 200
    found = [token for ids in tokenizer(parts, add_special_tokens=False)["input_ids"] for token in ids]
    assert found == tokenizer(long_text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("text", ["東京" * 500, "film" * 300, "a\n" * 600, " " * 999, "b, " * 400, "", "short"])
def test_the_parts_make_every_text_again(text):
    """Prevents characters that are lost or doubled, and a loop without end, where no word ends."""
    parts = list(text_parts(text, 100))
    assert "".join(parts) == text and max(map(len, parts)) <= 100
    assert all(parts) or parts == [""]


def test_a_short_text_is_one_part():
    """Prevents texts of the usual length from being cut."""
    assert list(text_parts("the film is good " * 1000)) == ["the film is good " * 1000]
