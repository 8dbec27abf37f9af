"""Tests of which pieces a corpus needs."""

import numpy as np
import pytest

from hf_tinybert.models.piece_choice import PieceChoice, choose_pieces
from hf_tinybert.models.pieces import read_pieces


@pytest.fixture
def inventory(trained_tokenizers):
    return read_pieces(trained_tokenizers["WordPiece"])


@pytest.fixture
def counts(inventory):
    """Three pieces of several characters: 60, 30 and 10 times."""
    counted = np.zeros(len(inventory.ids), dtype=np.int64)
    for piece, count in (("wi", 60), ("##est", 30), ("new", 10)):
        counted[inventory.ids[piece]] = count
    return counted


def _pieces(inventory, kept):
    names = {index: piece for piece, index in inventory.ids.items()}
    return {names[index] for index in kept}


def test_without_limits_all_pieces_of_the_corpus_stay(inventory, counts):
    """Prevents rare pieces from being dropped unasked, and pieces that no text holds from staying."""
    kept = choose_pieces(inventory, counts, PieceChoice())
    wanted = inventory.always.union(*(inventory.with_needs(piece) for piece in ("wi", "##est", "new")))
    assert _pieces(inventory, kept) == wanted
    assert list(kept) == sorted(kept)


@pytest.mark.parametrize(
    ("choice", "kept", "left_out"),
    [
        (PieceChoice(coverage=0.6), {"wi"}, {"##est", "new"}),
        (PieceChoice(coverage=0.61), {"wi", "##est"}, {"new"}),
        (PieceChoice(coverage=0.9), {"wi", "##est"}, {"new"}),
        (PieceChoice(min_count=30), {"wi", "##est"}, {"new"}),
        (PieceChoice(min_count=31), {"wi"}, {"##est", "new"}),
        (PieceChoice(coverage=0.9, min_count=31), {"wi"}, {"##est"}),
    ],
)
def test_limits_are_met_exactly_and_all_at_once(inventory, counts, choice, kept, left_out):
    """Prevents a piece too many or too few at the edge of a limit."""
    pieces = _pieces(inventory, choose_pieces(inventory, counts, choice))
    assert kept <= pieces and not left_out & pieces


def test_the_size_counts_special_tokens_and_needed_characters(inventory, counts):
    """Prevents a table larger than asked for."""
    least = len(inventory.always)
    for size in range(least + 3, least + 12):  # of less nothing fits, see below
        assert len(choose_pieces(inventory, counts, PieceChoice(size=size))) <= size
    with_first = choose_pieces(inventory, counts, PieceChoice(size=least + 3))
    assert _pieces(inventory, with_first) == inventory.always | {"wi", "w", "##i"}


def test_listed_pieces_and_ids_of_the_model_stay_however_rare(inventory, counts):
    """Prevents a word that somebody asked for, or a model's padding row, from being lost."""
    kept = choose_pieces(inventory, counts, PieceChoice(coverage=0.1), also=["##ism"], required_ids=[1])
    assert {"##ism", "##i", "##s", "##m", "[unused0]"} <= _pieces(inventory, kept)


def test_all_characters_can_stay(inventory, counts):
    """Prevents words of letters that the corpus lacks from becoming unknown where that is not wanted."""
    some = _pieces(inventory, choose_pieces(inventory, counts, PieceChoice()))
    everything = _pieces(inventory, choose_pieces(inventory, counts, PieceChoice(all_characters=True)))
    assert inventory.characters <= everything and not inventory.characters <= some


def test_a_vocabulary_that_would_lose_special_tokens_is_refused(inventory, counts):
    """Prevents a model without padding."""
    with pytest.raises(ValueError, match="expected `size` of at least .* special tokens"):
        choose_pieces(inventory, counts, PieceChoice(size=3))


def test_unknown_pieces_and_choices_without_effect_are_refused(inventory, counts):
    """Prevents a list of words in another spelling from being ignored, and a copy called smaller."""
    with pytest.raises(ValueError, match="expected pieces of the vocabulary, got `Ġfilm`"):
        choose_pieces(inventory, counts, PieceChoice(), also=["Ġfilm"])
    with pytest.raises(ValueError, match="a choice that leaves pieces out, got all"):
        choose_pieces(inventory, counts, PieceChoice(), also=list(inventory.ids))


@pytest.mark.parametrize("wrong", [{"coverage": 0}, {"coverage": 1.1}, {"min_count": 0}, {"size": 0}], ids=str)
def test_limits_out_of_range_are_refused(wrong):
    """Prevents 99.9 from being read as a share."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PieceChoice(**wrong)


@pytest.mark.parametrize("choice", [PieceChoice(min_count=10**6), PieceChoice(size=5)])
def test_a_choice_of_special_tokens_alone_is_refused(inventory, counts, choice):
    """Prevents a model that reads every word as unknown, and texts of another script that seem covered."""
    with pytest.raises(ValueError, match="expected a choice that keeps pieces of the corpus, got none of"):
        choose_pieces(inventory, counts, choice)
    unknown = np.zeros_like(counts)
    unknown[inventory.ids["[UNK]"]] = 100
    with pytest.raises(ValueError, match="got none of 0 tokens"):
        choose_pieces(inventory, unknown, PieceChoice())
