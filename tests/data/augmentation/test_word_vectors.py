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
    assert found["film"] == ["movie", "game", "law"] and found["Game"][0] == "movie" and len(found) == 2


def test_a_word_is_no_neighbour_of_its_own():
    """Prevents words from being replaced by themselves, less often than asked: the published code leaves it out."""
    vectors = WordVectors(WORDS, MATRIX, source="a test")
    assert all(word.lower() not in known for word, known in vectors.neighbours([*WORDS, "Film"], 9).items())
    assert WordVectors(["film"], MATRIX[:1], source="a test").neighbours(["film"], 3) == {"film": []}


@pytest.mark.parametrize("size", [7, 40, 300])
def test_blocks_and_groups_give_what_sorting_all_gives(size, monkeypatch):
    """Prevents neighbours of other words, or some of them lost, where there are several blocks or groups."""
    monkeypatch.setattr(word_vectors, "_SIMILARITIES_AT_ONCE", 1000)
    monkeypatch.setattr(word_vectors, "_GROUP", 16)
    matrix = np.random.default_rng(0).normal(size=(size, 5)).astype(np.float32)
    words = [f"w{row}" for row in range(size)]
    directions = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    order = np.argsort(-(directions @ directions.T) + 9 * np.eye(size), axis=1)[:, :6]
    found = WordVectors(words, matrix, source="a test").neighbours(words, 6)
    assert found == {words[row]: [words[column] for column in order[row]] for row in range(size)}


def test_neighbours_do_not_depend_on_who_else_is_asked():
    """Prevents other rows in another process: products of other shapes round otherwise."""
    matrix = np.repeat(np.random.default_rng(0).normal(size=(60, 30)), 5, axis=0).astype(np.float32)  # equal ones
    words = [f"w{row}" for row in range(300)]
    vectors = WordVectors(words, matrix, source="a test")
    together = vectors.neighbours(words, 15)
    assert together == {word: vectors.neighbours([word], 15)[word] for word in words}


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
