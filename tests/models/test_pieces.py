"""Tests of what pieces a tokenizer has and what each needs."""

import pytest
import tokenizers
from transformers import PreTrainedTokenizerFast

from hf_tinybert.models.pieces import PieceKind, read_pieces, without_vocabulary

KINDS = [str(kind) for kind in PieceKind]


@pytest.mark.parametrize("kind", KINDS)
def test_the_pieces_are_those_of_the_tokenizer(trained_tokenizers, kind):
    """Prevents ids of another order, and added tokens that are forgotten."""
    inventory = read_pieces(trained_tokenizers[kind])
    assert inventory.kind == kind
    assert inventory.ids == trained_tokenizers[kind].get_vocab()


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_always_stay(trained_tokenizers, kind):
    """Prevents a vocabulary without the tokens that frame, pad and mask a text."""
    tokenizer = trained_tokenizers[kind]
    assert set(tokenizer.all_special_tokens) <= read_pieces(tokenizer).always


def test_a_word_piece_needs_its_characters_where_they_stand(trained_tokenizers):
    """Prevents `##x` at the begin of a word and `x` in its middle: left-out words would become unknown."""
    inventory = read_pieces(trained_tokenizers["WordPiece"])
    assert {"wi", "##est"} <= inventory.ids.keys()
    assert inventory.with_needs("wi") == {"wi", "w", "##i"}
    assert inventory.with_needs("##est") == {"##est", "##e", "##s", "##t"}
    assert inventory.with_needs("[UNK]") == {"[UNK]"}


def test_a_joined_piece_needs_all_that_it_is_joined_from(trained_tokenizers):
    """Prevents a piece that can never be made because a step on the way to it is missing."""
    tokenizer = trained_tokenizers["BPE"]
    inventory = read_pieces(tokenizer)
    joined = [piece for piece in inventory.ids if len(piece) > 3 and piece not in inventory.always]
    assert len(joined) > 50
    for piece in joined:
        joins = inventory.joins(piece)
        assert len(joins) == len(piece) - 1 and "".join(joins[-1]) == piece
        assert {one for join in joins for one in join} <= inventory.with_needs(piece) | inventory.characters
        assert inventory.with_needs(piece) <= inventory.ids.keys()


def test_the_bytes_of_bpe_always_stay(trained_tokenizers):
    """Prevents a byte-level vocabulary that meets an unknown byte."""
    single = {piece for piece in read_pieces(trained_tokenizers["BPE"]).always if len(piece) == 1}
    assert len(single) == 256


def test_the_lowest_score_of_unigram_stays(trained_tokenizers):
    """Prevents another penalty of unknown characters, under which covered texts are cut otherwise."""
    inventory = read_pieces(trained_tokenizers["Unigram"])
    scores = dict(inventory.content["model"]["vocab"])
    assert min(scores, key=scores.get) in inventory.always


def test_a_byte_fallback_keeps_its_bytes():
    """Prevents rare characters that were written in bytes from becoming unknown."""
    vocabulary = [("<unk>", 0.0), *((f"<0x{byte:02X}>", -9.0) for byte in range(256)), ("film", -1.0), ("f", -2.0)]
    backend = tokenizers.Tokenizer(tokenizers.models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    always = read_pieces(PreTrainedTokenizerFast(tokenizer_object=backend)).always
    assert len({piece for piece in always if piece.startswith("<0x")}) == 256
    assert "film" not in always


def test_how_texts_are_read_does_not_depend_on_the_pieces(trained_tokenizers):
    """Prevents a trimmed tokenizer from being taken for one that reads otherwise, and the reverse."""
    content = read_pieces(trained_tokenizers["BPE"]).content
    fewer = {**content, "model": {**content["model"], "vocab": {}, "merges": []}}
    assert without_vocabulary(fewer) == without_vocabulary(content)
    assert without_vocabulary({**content, "normalizer": {"type": "Lowercase"}}) != without_vocabulary(content)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (tokenizers.models.WordLevel({"a": 0, "?": 1}, unk_token="?"), "got WordLevel; because .* no parts"),
        (tokenizers.models.BPE({"a": 0, "b": 1}, [], dropout=0.1), "dropout of 0.1"),
        (tokenizers.models.BPE({"a": 0}, [], end_of_word_suffix="</w>"), "`end_of_word_suffix`"),
        (tokenizers.models.BPE({"a": 0}, []), "BPE over characters"),
    ],
)
def test_other_ways_of_cutting_are_refused(model, message):
    """Prevents a smaller vocabulary that silently cuts covered texts otherwise."""
    with pytest.raises(ValueError, match=message):
        read_pieces(PreTrainedTokenizerFast(tokenizer_object=tokenizers.Tokenizer(model)))


def test_a_tokenizer_without_tokenizer_json_is_refused():
    """Prevents an attribute error of a slow tokenizer."""
    with pytest.raises(ValueError, match="expected a fast tokenizer, got `object`"):
        read_pieces(object())
