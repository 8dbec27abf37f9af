"""Tests of nearest words."""

import numpy as np
import pytest

from hf_tinybert.data.augmentation import word_vectors
from hf_tinybert.data.augmentation.word_vectors import WordVectors

WORDS = ["film", "movie", "game", "law"]
MATRIX = np.array([[1, 0], [2, 0.2], [0, 1], [-1, 0]], dtype=np.float32)


def test_the_nearest_are_those_of_the_largest_cosine():
    """Prevents long vectors from being near to everything."""
    found = WordVectors(WORDS, MATRIX, source="a test").neighbours(["film", "Game", "nowhere"], 3)
    assert found == {"film": ["film", "movie", "game"], "Game": ["game", "movie", "film"]}


def test_blocks_give_what_sorting_all_gives(monkeypatch):
    """Prevents words from getting the neighbours of other words where there are several blocks."""
    monkeypatch.setattr(word_vectors, "_SIMILARITIES_AT_ONCE", 100)
    matrix = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    words = [f"w{row}" for row in range(40)]
    directions = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    order = np.argsort(-(directions @ directions.T), axis=1)[:, :6]
    found = WordVectors(words, matrix, source="a test").neighbours(words, 6)
    assert found == {words[row]: [words[column] for column in order[row]] for row in range(40)}


def test_a_word_without_a_vector_is_the_mean_of_its_pieces():
    """Prevents words of several pieces from having no neighbours in a model's embeddings."""
    pieces = {"gamelaw": [2, 2, 3], "nothing": []}
    vectors = WordVectors(WORDS, MATRIX, source="a test", pieces=pieces.__getitem__, piece_matrix=MATRIX)
    assert vectors.neighbours(["gamelaw", "nothing"], 1) == {"gamelaw": ["game"]}


def test_a_zero_vector_is_near_to_none():
    """Prevents a word without a direction from getting arbitrary neighbours."""
    assert WordVectors(["a", "b"], np.eye(2)[[0, 0]] * [[0], [1]], source="a test").neighbours(["a"], 1) == {}


@pytest.mark.parametrize(
    "matrix", [MATRIX[:3], MATRIX[0], MATRIX.astype(int), np.where(MATRIX == 2, np.nan, MATRIX)], ids=str
)
def test_a_matrix_that_does_not_fit_is_refused(matrix):
    """Prevents vectors from belonging to other words."""
    with pytest.raises(ValueError, match="a test"):
        WordVectors(WORDS, matrix, source="a test")
