"""A vector per text, close to those of texts that mean the same."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from transformers import BatchEncoding, PreTrainedTokenizerBase

from hf_tinybert.data.gathered_logits import logits_of_rows, rounded
from hf_tinybert.data.kinds.definition import ROW_NUMBER, KindDefinition, Logits, Prediction, TaskSettings
from hf_tinybert.data.kinds.encoded_rows import encode_rows
from hf_tinybert.data.kinds.gold import gold_values, required
from hf_tinybert.data.kinds.texts import check_columns, check_max_length, check_strings, text_collator
from hf_tinybert.data.metrics import Pearsonr, Spearmanr

__all__ = ["SENTENCE_EMBEDDING"]

_Vector = NDArray[np.float64]


def _encode(rows: Dataset, tokenizer: PreTrainedTokenizerBase, settings: TaskSettings) -> Dataset:
    """Both texts of a pair as rows of their own, one after the other, because neither sees the other."""
    check_columns(rows, ("text",))
    check_max_length(settings.max_length, tokenizer, pairs=False)
    return encode_rows(
        rows,
        _encode_batch,
        "Tokenising",
        tokenizer=tokenizer,
        max_length=settings.max_length,
    )


def _encode_batch(
    batch: dict[str, list[Any]], numbers: list[int], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> dict[str, Any]:
    check_strings(batch["text"], numbers, "text")
    texts: list[str] = []
    row_numbers: list[int] = []
    pairs = batch.get("text_pair", [None] * len(numbers))
    for number, text, other in zip(numbers, batch["text"], pairs, strict=True):
        own = [text] if other is None else [text, other]
        check_strings(own, [number] * len(own), "text_pair")
        texts += own
        row_numbers += [number] * len(own)
    encoded: BatchEncoding = tokenizer(texts, truncation=True, max_length=max_length, padding=False)
    return {**encoded, ROW_NUMBER: row_numbers}


def _decode(logits: Logits, encoded: Dataset, rows: Dataset, settings: TaskSettings) -> list[Prediction]:
    numbers = encoded[ROW_NUMBER][:]
    vectors: list[list[_Vector]] = [[] for _ in range(len(rows))]
    for number, vector in zip(sorted(numbers), logits_of_rows(logits, numbers, None), strict=True):
        vectors[number].append(vector)
    similarity = _SIMILARITIES.get(settings.similarity)
    if similarity is None:
        raise ValueError(
            f"expected `similarity` of {', '.join(_SIMILARITIES)}, got `{settings.similarity}`; because texts are "
            "compared in one of these ways; correct it in the `task.json` of the model"
        )
    return [_prediction(similarity, *own) for own in vectors]


def _prediction(
    similarity: Callable[[_Vector, _Vector], float], vector: _Vector, other: _Vector | None = None
) -> Prediction:
    prediction: Prediction = {"embedding": [rounded(value) for value in vector]}
    if other is None:
        return prediction
    return {
        **prediction,
        "embedding_pair": [rounded(value) for value in other],
        "similarity": rounded(similarity(vector, other)),
    }


def _cosine(vector: _Vector, other: _Vector) -> float:
    lengths = float(np.linalg.norm(vector) * np.linalg.norm(other))
    return float(vector @ other) / lengths if lengths else 0.0  # a vector of zeros has no direction


# Names and signs as in sentence-transformers: the higher, the more alike.
_SIMILARITIES: Mapping[str, Callable[[_Vector, _Vector], float]] = {
    "cosine": _cosine,
    "dot": lambda vector, other: float(vector @ other),
    "euclidean": lambda vector, other: -float(np.linalg.norm(vector - other)),
    "manhattan": lambda vector, other: -float(np.abs(vector - other).sum()),
}


def _score(predictions: Sequence[Prediction], rows: Dataset, settings: TaskSettings) -> dict[str, float]:
    alone = [number for number, prediction in enumerate(predictions) if "similarity" not in prediction]
    if alone:
        raise ValueError(
            f"expected a `text_pair` in every row to score, got none in row {alone[0] + 1:,} and {len(alone)} rows in "
            "all; because the similarity of two texts is what is scored; bring pairs, or predict only."
        )
    pairs = {
        "predictions": [prediction["similarity"] for prediction in predictions],
        "references": required(gold_values(rows, "score"), rows, "score"),
    }
    return {
        **Spearmanr(keep_in_memory=True).compute(**pairs),
        **Pearsonr(keep_in_memory=True).compute(**pairs),
    }


SENTENCE_EMBEDDING = KindDefinition(
    head="ForSentenceEmbedding",
    problem_type=None,
    columns=("text",),
    label_columns=("score",),
    metrics=("spearmanr", "pearsonr"),
    encode=_encode,
    collator=text_collator,
    decode=_decode,
    score=_score,
)
