"""Tests of the draws of an augmentation."""

import pytest

from hf_tinybert.data.augmentation import Passage, Replacement

PASSAGE = Passage("text", None, "film Song", ((0, 4), (5, 9)))
CANDIDATES = {0: ["game", "team"], 1: ["music", "opera"]}
ALWAYS = Replacement(probability=1.0)


def test_every_number_of_the_key_decides_the_draws_and_nothing_else_does():
    """Prevents equal variants in every epoch, of every row or text, and variants that a second run has not."""
    keys = [(0, 0), (0, 1), (1, 0), (0, 0, 1, 0), (0, 0, 1, 1), (0, 0, 2, 0)]
    drawn = [str(ALWAYS.draw(PASSAGE, CANDIDATES, key, copies=30)) for key in keys]
    assert len(set(drawn)) == len(keys)
    assert drawn == [str(ALWAYS.draw(PASSAGE, CANDIDATES, key, copies=30)) for key in keys]
    assert Replacement(probability=1.0, seed=1).draw(PASSAGE, CANDIDATES, (0, 0), 30) != ALWAYS.draw(
        PASSAGE, CANDIDATES, (0, 0), 30
    )


def test_fewer_copies_are_the_first_of_more():
    """Prevents another number of copies from being other copies."""
    assert ALWAYS.draw(PASSAGE, CANDIDATES, (0,), 3) == ALWAYS.draw(PASSAGE, CANDIDATES, (0,), 9)[:3]


def test_words_without_candidates_stay_and_capitals_are_kept():
    """Prevents an index into nothing, and names in small letters."""
    (replaced,) = ALWAYS.draw(PASSAGE, {0: [], 1: ["music"]}, (0,), 1)
    assert replaced == {1: "Music"}


@pytest.mark.parametrize(
    "wrong", [{"copies": 0}, {"candidates": 0}, {"probability": 0.0}, {"probability": 1.1}], ids=str
)
def test_ranges_are_checked(wrong):
    """Prevents a misspelt number from being found after hours."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Replacement(**wrong)
