"""Tests of the words that may take the place of others."""

import logging

import pytest
from datasets import Dataset

from hf_tinybert.data.augmentation import CandidateFinder, MaskedWords, PassageReader
from hf_tinybert.data.augmentation.candidates import ROWS_AT_ONCE, candidates_of
from hf_tinybert.data.kinds.definition import TaskKind

READER = PassageReader(TaskKind.PAIR_CLASSIFICATION, frozenset({"the"}))
PAIRS = [{"text": f"{one} {two} .", "text_pair": f"the {two}"} for one in ("film", "good", "nowhere")
         for two in ("song", "team", "films")]  # fmt: skip


def test_what_is_kept_of_all_rows_is_what_is_found_of_each(vectors, masked_lm, tokenizer, tmp_path):
    """Prevents the words of one row from taking the place of another's, or a store that loses some."""
    finder = CandidateFinder(3, vectors=vectors, masked_words=MaskedWords(masked_lm, tokenizer))
    rows, done = Dataset.from_list(PAIRS * (ROWS_AT_ONCE // len(PAIRS) + 1)), []
    kept = finder.find_all(rows, READER, done.append)
    kept.save_to_disk(tmp_path / "kept")
    kept = Dataset.load_from_disk(tmp_path / "kept")
    assert len(kept) == sum(done) == len(rows) > done[0]
    numbers = [1, 8, ROWS_AT_ONCE]
    (alone,) = zip(*(finder.find([READER.read(rows[number])]) for number in numbers), strict=True)
    with_words = [
        [{position: words for position, words in passage.items() if words} for passage in row]
        for row in candidates_of(kept, numbers)
    ]
    assert with_words == list(alone) and any(any(row) for row in with_words)


def test_a_source_of_candidates_is_needed():
    """Prevents an augmentation of nothing."""
    with pytest.raises(ValueError, match="got neither"):
        CandidateFinder(15)


def test_rows_that_cannot_change_are_refused_and_few_that_can_warned_of(vectors, caplog):
    """Prevents hours of training on variants that are all the same, in a language that the vectors do not have."""
    reader = PassageReader(TaskKind.TEXT_CLASSIFICATION)
    finder = CandidateFinder(3, vectors=vectors)
    rows = [{"text": "unbekannt"}, {"text": "nirgends"}, {"text": "film"}]
    with pytest.raises(ValueError, match="2 of 2 rows"):
        finder.find_all(Dataset.from_list(rows[:2]), reader)
    with caplog.at_level(logging.WARNING):
        finder.find_all(Dataset.from_list(rows), reader)
    assert "2 of 3 rows" in caplog.text
