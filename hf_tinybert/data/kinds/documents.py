"""Extractive summarisation: which sentences of a document to keep."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.column_values import column_values
from hf_tinybert.data.gathered_logits import rounded
from hf_tinybert.data.kinds.definition import (
    ROW_NUMBER,
    Collator,
    KindDefinition,
    Logits,
    Prediction,
    TaskSettings,
)
from hf_tinybert.data.kinds.gold import gold_values, required
from hf_tinybert.data.kinds.sentence_windows import SENTENCE_NUMBERS, encode_documents
from hf_tinybert.data.kinds.windows import NOT_READ, WindowCollator, token_logits
from hf_tinybert.data.length_grouping import row_lengths
from hf_tinybert.data.metrics.rouge import Rouge
from hf_tinybert.data.oracle import oracle_sentences
from hf_tinybert.data.sentences import join_sentences, split_sentences

__all__ = [
    "EXTRACTIVE_SUMMARIZATION",
    "decode_summaries",
    "lead_summaries",
    "oracle_summaries",
    "score_summaries",
]

_METRICS = ("rougeL", "rouge1", "rouge2")


def decode_summaries(logits: Logits, encoded: Dataset, rows: Dataset, settings: TaskSettings) -> list[Prediction]:
    """Gives the sentences with the highest scores, in the order of the document.

    Args:
        logits: (windows, longest, 2), skip and keep, padded at the end.
        encoded: of `encode_documents`.
        rows: raw rows that they come from.
        settings: sentences of a summary.

    Returns:
        `summary`, `sentences` (positions of those it holds) and `scores` (probability of keep of every sentence by the
        mean of its tokens' logits; mean over the windows that hold it).

    Raises:
        ValueError: The logits are not those of the encoded rows.
    """
    found = token_logits(logits[0] if isinstance(logits, tuple) else logits, encoded, row_lengths(encoded) or ())
    if found.ndim != 3 or found.shape[2] != 2:
        raise ValueError(
            f"expected logits (windows, tokens, 2), got the shape {found.shape}; because a sentence is skipped or "
            "kept; use a model for extractive summarisation."
        )
    documents = [split_sentences(document) for document in column_values(rows, "document")]
    totals = [np.zeros(len(spans)) for spans in documents]
    windows = [np.zeros(len(spans)) for spans in documents]
    sentence_numbers = column_values(encoded, SENTENCE_NUMBERS)
    for number, numbers, scores in zip(encoded[ROW_NUMBER][:], sentence_numbers, found, strict=True):
        sentences, kept = _window_scores(np.asarray(numbers), scores[: len(numbers)])
        totals[number][sentences] += kept
        windows[number][sentences] += 1
    predictions = []
    for document, total, times in zip(column_values(rows, "document"), totals, windows, strict=True):
        scores = total / times
        best = np.argsort(-scores, kind="stable")[: settings.summary_sentences]
        prediction = _summary(document, sorted(int(position) for position in best))
        predictions.append({**prediction, "scores": [rounded(score) for score in scores]})
    return predictions


def _window_scores(numbers: NDArray[Any], logits: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The sentences of a window, `(sentences,)`, and the probability of keep of each."""
    read = numbers != NOT_READ
    sentences, place, tokens = np.unique(numbers[read], return_inverse=True, return_counts=True)
    difference = (logits[..., 0].astype(np.float64) - logits[..., 1])[read]
    with np.errstate(over="ignore"):  # softmax of two logits: the share of the second
        return sentences, 1.0 / (1.0 + np.exp(np.bincount(place, weights=difference) / tokens))


def score_summaries(predictions: Sequence[Prediction], rows: Dataset, settings: TaskSettings) -> dict[str, float]:
    """Gives `rougeL`, `rouge1` and `rouge2` (F1 of stems, best over the summaries of a row), in [0, 1]."""
    true = required(gold_values(rows, "summaries"), rows, "summaries")
    scores = Rouge(keep_in_memory=True).compute(
        predictions=[prediction["summary"] for prediction in predictions],
        references=true,
        rouge_types=list(_METRICS),
        use_stemmer=True,
    )
    return {name: float(scores[name]) for name in _METRICS}


def lead_summaries(rows: Dataset, count: int) -> list[Prediction]:
    """Gives the first sentences of each document: what a summary has to beat.

    Args:
        rows: with `document`.
        count: sentences of a summary.

    Returns:
        `summary` and `sentences`, as `score_summaries` reads them.
    """
    return [
        _summary(document, list(range(min(count, len(split_sentences(document))))))
        for document in column_values(rows, "document")
    ]


def oracle_summaries(rows: Dataset, count: int) -> list[Prediction]:
    """Gives the sentences that agree best with the reference summaries: what a summary of sentences can reach.

    Args:
        rows: with `document` and `summaries`.
        count: sentences of a summary at most.

    Returns:
        `summary` and `sentences`, as `score_summaries` reads them.

    Raises:
        ValueError: Rows have no reference summaries.
    """
    true = required(gold_values(rows, "summaries"), rows, "summaries")
    summaries = []
    for document, references in zip(column_values(rows, "document"), true, strict=True):
        sentences = [document[start:end] for start, end in split_sentences(document)]
        summaries.append(_summary(document, oracle_sentences(sentences, references, count)))
    return summaries


def _collator(tokenizer: PreTrainedTokenizerBase, settings: TaskSettings, seed: int) -> Collator:
    return WindowCollator(tokenizer, [SENTENCE_NUMBERS])


def _lead(rows: Dataset, settings: TaskSettings) -> list[Prediction]:
    return lead_summaries(rows, settings.summary_sentences)


def _oracle(rows: Dataset, settings: TaskSettings) -> list[Prediction]:
    return oracle_summaries(rows, settings.summary_sentences)


def _summary(document: str, positions: list[int]) -> Prediction:
    spans = split_sentences(document)
    texts = [document[slice(*spans[position])] for position in positions]
    return {"summary": join_sentences(texts), "sentences": positions}


EXTRACTIVE_SUMMARIZATION = KindDefinition(
    head="ForExtractiveSummarization",
    problem_type=None,
    columns=("document",),
    label_columns=("summaries",),
    metrics=_METRICS,
    encode=encode_documents,
    collator=_collator,
    decode=decode_summaries,
    score=score_summaries,
    windows=True,
    without_model={"lead": _lead, "oracle": _oracle},
)
