"""Tests of where the words of an augmentation come from."""

import pytest

from hf_tinybert.workflow.word_settings import WordSettings


def test_the_paper_s_numbers_are_the_defaults():
    """Prevents another augmentation than the paper's where nothing was said."""
    replacement = WordSettings().replacement_of(copies=3, seed=7)
    assert (replacement.probability, replacement.candidates, replacement.copies, replacement.seed) == (0.4, 15, 3, 7)


@pytest.mark.parametrize(
    "wrong",
    [
        {"probability": 0.0},
        {"probability": "much"},
        {"candidates": 0},
        {"candidates": 2.5},
        {"batch_size": 0},
        {"vectors": "none"},
        {"beside_original": False},
        {"batch_size": 8},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(wrong):
    """Prevents a misspelt number from being found after hours."""
    with pytest.raises(ValueError, match="expected"):
        WordSettings(**wrong)
