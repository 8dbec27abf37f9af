"""Tests of tokenizers with fewer pieces."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import tokenizers
from transformers import AutoTokenizer, BertTokenizer, XLMRobertaTokenizer

from hf_tinybert.models.piece_choice import PieceChoice, choose_pieces
from hf_tinybert.models.pieces import PieceKind, read_pieces
from hf_tinybert.models.tokenizer_trimming import trim_tokenizer

KINDS = [str(kind) for kind in PieceKind]


def _kept(tokenizer, corpus, **choice):
    encoded = tokenizer(corpus, add_special_tokens=False)["input_ids"]
    counts = np.bincount([one for ids in encoded for one in ids], minlength=len(tokenizer))
    return choose_pieces(read_pieces(tokenizer), counts, PieceChoice(**choice))


@pytest.mark.parametrize("coverage", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("kind", KINDS)
def test_a_text_of_kept_pieces_is_cut_as_before(trained_tokenizers, corpus, kind, coverage):
    """Prevents a table whose rows are not those that the model was trained on: no error, only worse answers."""
    tokenizer = trained_tokenizers[kind]
    kept = _kept(tokenizer, corpus, coverage=coverage)
    trimmed = trim_tokenizer(tokenizer, kept)
    assert len(trimmed) == len(kept) < len(tokenizer)
    words = sorted({word for text in corpus for word in text.split()})
    covered = 0
    for text in [*words, *(f"{first} {second}" for first, second in pairwise(words))]:
        before, after = tokenizer(text)["input_ids"], trimmed(text)["input_ids"]
        if set(before) <= set(kept):
            covered += 1
            assert [kept[one] for one in after] == before
    assert covered >= 20


@pytest.mark.parametrize("kind", KINDS)
def test_a_left_out_word_falls_apart_and_is_not_unknown(trained_tokenizers, corpus, kind):
    """Prevents text that the whole vocabulary reads from becoming unknown although its characters are known."""
    tokenizer = trained_tokenizers[kind]
    kept = _kept(tokenizer, corpus, coverage=0.6)
    trimmed = trim_tokenizer(tokenizer, kept)
    known = {piece.removeprefix("##") for piece in trimmed.get_vocab()}
    fell_apart = Counter()
    for word in {word for text in corpus for word in text.split()}:
        before, after = tokenizer.tokenize(word), trimmed.tokenize(word)
        characters = {one for piece in before for one in piece.removeprefix("##")}
        if tokenizer.unk_token not in before and characters <= known:
            fell_apart[len(after) > len(before)] += 1
            assert trimmed.unk_token not in after
    assert fell_apart[True] > 20


def test_with_all_characters_nothing_new_is_unknown(trained_tokenizers, corpus):
    """Prevents the option from leaving out a character in one of its two places."""
    tokenizer = trained_tokenizers["WordPiece"]
    trimmed = trim_tokenizer(tokenizer, _kept(tokenizer, corpus[:3], coverage=0.5, all_characters=True))
    for text in corpus:
        assert ("[UNK]" in trimmed.tokenize(text)) == ("[UNK]" in tokenizer.tokenize(text))


@pytest.mark.parametrize("kind", KINDS)
def test_frames_padding_and_pairs_carry_the_new_ids(trained_tokenizers, corpus, kind):
    """Prevents [SEP] from being written under its old id, which is another piece now or none."""
    tokenizer = trained_tokenizers[kind]
    kept = _kept(tokenizer, corpus, coverage=0.99)
    trimmed = trim_tokenizer(tokenizer, kept)
    assert trimmed.special_tokens_map == tokenizer.special_tokens_map
    covered = [text for text in corpus if set(tokenizer(text)["input_ids"]) <= set(kept)][:6]
    before = tokenizer(covered[:3], covered[3:], padding=True)
    after = trimmed(covered[:3], covered[3:], padding=True)
    assert [[kept[one] for one in ids] for ids in after["input_ids"]] == before["input_ids"]
    assert {name: after[name] for name in after if name != "input_ids"} == {
        name: before[name] for name in before if name != "input_ids"
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_one_loads_as_it_was_and_the_whole_one_is_unchanged(trained_tokenizers, corpus, tmp_path, kind):
    """Prevents a tokenizer that reads otherwise once it lies in a folder, or one that is trimmed in place."""
    tokenizer = trained_tokenizers[kind]
    size = len(tokenizer)
    trimmed = trim_tokenizer(tokenizer, _kept(tokenizer, corpus, coverage=0.9))
    trimmed.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert type(loaded) is type(tokenizer) and loaded.get_vocab() == trimmed.get_vocab()
    assert loaded(corpus)["input_ids"] == trimmed(corpus)["input_ids"]
    assert len(tokenizer) == size


def test_padding_that_the_file_sets_gets_the_new_id(trained_tokenizers, corpus):
    """Prevents a file that pads by a piece that is no longer there."""
    tokenizer = BertTokenizer(vocab=trained_tokenizers["WordPiece"].get_vocab())
    kept = _kept(tokenizer, corpus, coverage=0.9)
    tokenizer.backend_tokenizer.enable_padding(pad_id=tokenizer.mask_token_id, pad_token="[MASK]", length=12)
    trimmed = trim_tokenizer(tokenizer, kept)
    padding = trimmed.backend_tokenizer.padding
    assert (padding["pad_token"], padding["pad_id"]) == ("[MASK]", kept.index(tokenizer.mask_token_id))


def test_a_class_that_rebuilds_its_vocabulary_is_refused(trained_tokenizers, corpus):
    """Prevents XLM-RoBERTa's class, for which the unknown token is number 3, from getting another piece."""
    content = read_pieces(trained_tokenizers["Unigram"]).content["model"]["vocab"]
    moved = [tuple(entry) for entry in (content[0], content[1], content[2], ["unused", -20.0], *content[3:])]
    backend = tokenizers.Tokenizer(tokenizers.models.Unigram(moved, unk_id=4))
    tokenizer = XLMRobertaTokenizer(vocab=moved)
    tokenizer.backend_tokenizer.model = backend.model
    with pytest.raises(ValueError, match="because its class rebuilds the vocabulary"):
        trim_tokenizer(tokenizer, [0, 1, 2, *range(3, len(moved) - 3)])


def test_tokens_that_a_user_added_stay_whole(trained_tokenizers, corpus):
    """Prevents a name that was added as one token from falling apart."""
    tokenizer = BertTokenizer(vocab=trained_tokenizers["WordPiece"].get_vocab())
    tokenizer.add_tokens(["tinybert"])
    kept = _kept(tokenizer, corpus, coverage=0.9)
    trimmed = trim_tokenizer(tokenizer, kept)
    assert trimmed.tokenize("a tinybert")[-1] == "tinybert"
    assert kept[trimmed.convert_tokens_to_ids("tinybert")] == tokenizer.convert_tokens_to_ids("tinybert")


def test_lost_special_tokens_and_lost_steps_of_a_join_are_refused(trained_tokenizers):
    """Prevents a tokenizer that cannot frame a text, or that can never make a piece that it has."""
    pieces = trained_tokenizers["WordPiece"]
    with pytest.raises(ValueError, match=r"all special tokens, got one without `\[SEP\]`"):
        trim_tokenizer(pieces, [one for one in range(len(pieces) - 3) if one != pieces.sep_token_id])
    joined = trained_tokenizers["BPE"]
    inventory = read_pieces(joined)
    longest = max(inventory.ids, key=lambda piece: len(inventory.joins(piece)))
    kept = sorted(inventory.ids[piece] for piece in {*inventory.always, longest})
    with pytest.raises(ValueError, match="joined from"):
        trim_tokenizer(joined, kept)


@pytest.mark.parametrize("kept", [[1, 0], [0, 0], [0, 100_000]], ids=str)
def test_ids_out_of_order_or_range_are_refused(trained_tokenizers, kept):
    """Prevents rows that stand elsewhere than the tokenizer says."""
    with pytest.raises(ValueError, match="expected rising ids"):
        trim_tokenizer(trained_tokenizers["WordPiece"], kept)
