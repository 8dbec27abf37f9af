"""Tests of new rows."""

from collections import Counter

import numpy as np
import pytest

from hf_tinybert.data.augmentation import (
    Augmenter,
    MaskedWords,
    PassageReader,
    Replacement,
    WordVectors,
)
from hf_tinybert.data.kinds.definition import TaskKind

ROWS = [{"text": f"{one} {two} .", "text_pair": f"the {two}", "label": 0} for one in ("film", "good", "nowhere")
        for two in ("song", "team", "films")]  # fmt: skip
READER = PassageReader(TaskKind.PAIR_CLASSIFICATION, frozenset({"the"}))
FEW = Replacement(copies=6, candidates=3)


def test_rows_do_not_depend_on_the_batch(vectors, masked_lm, tokenizer):
    """Prevents another batch size, part or interruption from giving other rows."""
    masked = [MaskedWords(masked_lm, tokenizer, batch_size=size) for size in (1, 64)]
    at_once = list(Augmenter(READER, FEW, vectors=vectors, masked_words=masked[1]).new_rows(ROWS))
    parts = Augmenter(READER, FEW, vectors=vectors, masked_words=masked[0])
    assert at_once == [row for first in range(9) for row in parts.new_rows(ROWS[first : first + 1], first)]
    assert {row["source_row"] for row in at_once} <= set(range(9)) and len(at_once) > 20


def test_the_first_copies_are_those_of_fewer(vectors):
    """Prevents more copies from being other copies."""
    few = list(Augmenter(READER, FEW, vectors=vectors).new_rows(ROWS))
    more = list(Augmenter(READER, Replacement(copies=12, candidates=3), vectors=vectors).new_rows(ROWS))
    assert few == [row for row in more if row["copy"] < 6]


def test_another_seed_gives_other_rows(vectors):
    """Prevents the seed from having no effect."""
    made = [list(Augmenter(READER, Replacement(seed=seed), vectors=vectors).new_rows(ROWS)) for seed in (0, 1, 0)]
    assert made[0] == made[2] != made[1]


def test_words_are_replaced_as_often_as_asked_by_all_candidates_alike():
    """Prevents another distribution than the paper's: probability 0.4, then any of the candidates."""
    words = [f"w{letter}" for letter in "abcde"]
    vectors = WordVectors(["film", *words], np.ones((6, 2)), source="a test")
    reader = PassageReader(TaskKind.TEXT_CLASSIFICATION)
    text = " ".join(["film"] * 50)
    replacement = Replacement(copies=400, candidates=5)
    made = [row["text"] for row in Augmenter(reader, replacement, vectors=vectors).new_rows([{"text": text}])]
    shares = Counter(word for text in made for word in text.split())
    total = 50 * len(made)
    assert len(made) == 400
    assert shares["film"] / total == pytest.approx(0.6, abs=0.01)
    assert all(shares[word] / total == pytest.approx(0.4 / 5, abs=0.01) for word in words)


def test_sides_of_a_pair_vary_independently(vectors):
    """Prevents the variants of one side from standing beside one variant of the other, and equal draws for both."""
    rows = [{"text": "film song music", "text_pair": "film song music"}]
    made = list(Augmenter(READER, Replacement(copies=30), vectors=vectors).new_rows(rows))
    sides = [[row[name] for row in made] for name in ("text", "text_pair")]
    assert sides[0] != sides[1] and all(len(set(side)) > 10 for side in sides)


def test_no_row_comes_twice_or_unchanged(vectors):
    """Prevents copies that teach nothing new."""
    rows = [{"text": "film", "text_pair": "the the"}]
    made = list(Augmenter(READER, Replacement(copies=40, candidates=1), vectors=vectors).new_rows(rows))
    assert len(made) == 1 and made[0]["text"] not in ("film", "")


def test_a_word_is_asked_of_the_model_first_and_of_the_vectors_else(vectors, masked_lm, tokenizer):
    """Prevents a mixture of both for one word, and words of several pieces from never changing."""
    augmenter = Augmenter(
        PassageReader(TaskKind.TEXT_CLASSIFICATION),
        Replacement(copies=60, candidates=1, probability=1.0),
        vectors=vectors,
        masked_words=MaskedWords(masked_lm, tokenizer),
    )
    (row,) = augmenter.new_rows([{"text": "film films"}])
    (known,) = MaskedWords(masked_lm, tokenizer).candidates(["film films"], [[(0, 4)]], 1)
    assert row["text"] == f"{known[0][0]} {vectors.neighbours(['films'], 1)['films'][0]}"


@pytest.mark.parametrize(("word", "written"), [("film", "song"), ("Film", "Song"), ("FILM", "SONG")])
def test_capitals_are_kept(word, written):
    """Prevents a name in small letters in cased texts."""
    vectors = WordVectors(["song", "film"], np.ones((2, 2)), source="a test")
    reader = PassageReader(TaskKind.TEXT_CLASSIFICATION)
    made = Augmenter(reader, Replacement(copies=40, candidates=2), vectors=vectors).new_rows([{"text": word}])
    assert written in {row["text"] for row in made}


def test_counts_say_what_could_change(vectors):
    """Prevents an augmentation that changes nothing from going unseen."""
    augmenter = Augmenter(PassageReader(TaskKind.TEXT_CLASSIFICATION), Replacement(copies=40), vectors=vectors)
    list(augmenter.new_rows([{"text": "film unknown 3"}, {"text": "unknown"}]))
    counts = augmenter.counts
    assert (counts["rows"], counts["words"], counts["words_with_candidates"]) == (2, 3, 1)
    assert counts["unchanged_rows"] == 1 and counts["new_rows"] > 0
