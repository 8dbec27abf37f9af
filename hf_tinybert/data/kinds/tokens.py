"""Token classification: a tag for every word, and the entities that IOB2 tags mark."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.column_values import column_values
from hf_tinybert.data.kinds.definition import (
    ROW_NUMBER,
    Collator,
    KindDefinition,
    Logits,
    Prediction,
    TaskSettings,
)
from hf_tinybert.data.kinds.gold import required
from hf_tinybert.data.kinds.windows import NOT_READ, WindowCollator, token_logits
from hf_tinybert.data.kinds.words import WORD_NUMBERS, encode_words, gold_tags
from hf_tinybert.data.length_grouping import row_lengths
from hf_tinybert.data.metrics.accuracy import Accuracy
from hf_tinybert.data.metrics.entities import OUTSIDE, Seqeval, find_entities, is_iob2
from hf_tinybert.data.metrics.f1 import F1

__all__ = ["TOKEN_CLASSIFICATION", "best_tags", "decode_tags", "score_tags", "tag_metrics"]

_UNKNOWN = -1  # in the place of a tag, where logits are no numbers


def best_tags(logits: Tensor | tuple[Tensor, ...], labels: Tensor | None) -> tuple[Tensor, Tensor]:
    """Gives of the logits of all tags the best one; fits `Trainer(preprocess_logits_for_metrics=...)`.

    Args:
        logits: `(windows, longest, tags)`; of several outputs the first.
        labels: not read.

    Returns:
        The best tag of each token, int64 `(windows, longest)`, -1 where a logit is not finite; and the number of tags,
        int64 `(windows,)`.
    """
    whole = logits[0] if isinstance(logits, tuple) else logits
    best = whole.argmax(-1).masked_fill(~whole.isfinite().all(-1), _UNKNOWN)
    return best, torch.full_like(best[:, 0], whole.shape[-1])


def decode_tags(logits: Logits, encoded: Dataset, rows: Dataset, settings: TaskSettings) -> list[Prediction]:
    """Gives the tag of every word, and the entities where the tags are IOB2.

    Args:
        logits: (windows, longest, tags), padded at the end, or what `best_tags` gives of them.
        encoded: of `encode_words`.
        rows: raw rows that they come from.
        settings: tag names.

    Returns:
        `tokens`, `tags` and, for IOB2 tags, `entities` of each row; `start` and `end` are word positions, the end
        exclusive. A word that the tokenizer turned into nothing is `O`, or what most words of its row are.

    Raises:
        ValueError: The logits are not those of the encoded rows.
    """
    best = _best(logits, encoded, settings.labels)
    tags: list[list[str | None]] = [[None] * length for length in row_lengths(rows, "tokens") or ()]
    for number, words, ids in zip(encoded[ROW_NUMBER][:], column_values(encoded, WORD_NUMBERS), best, strict=True):
        for position in np.flatnonzero(np.asarray(words) != NOT_READ):
            tags[number][words[position]] = settings.labels[ids[position]]
    with_entities = is_iob2(settings.labels)
    return [
        _prediction(list(tokens), _filled(row_tags, settings.labels), with_entities)
        for tokens, row_tags in zip(column_values(rows, "tokens"), tags, strict=True)
    ]


def score_tags(predictions: Sequence[Prediction], rows: Dataset, settings: TaskSettings) -> dict[str, float]:
    """Gives entity-level scores for IOB2 tags, and scores of single words for others.

    Args:
        predictions: of `decode_tags`.
        rows: raw rows with `tags`.
        settings: tag names.

    Returns:
        IOB2: `f1`, `precision`, `recall` over entities whose limits and type are right, `accuracy` over words; else
        `accuracy` and `f1` (mean over the tags) over words. In [0, 1].
    """
    true = required(gold_tags(rows, settings.labels), rows, "tags")
    predicted = [prediction["tags"] for prediction in predictions]
    if is_iob2(settings.labels):
        named = [[settings.labels[tag] for tag in tags] for tags in true]
        scores = Seqeval(keep_in_memory=True).compute(predictions=predicted, references=named)
        return {name: float(scores[f"overall_{name}"]) for name in ("f1", "precision", "recall", "accuracy")}
    ids = {name: index for index, name in enumerate(settings.labels)}
    columns = {
        "predictions": [ids[tag] for tags in predicted for tag in tags],
        "references": [tag for tags in true for tag in tags],
    }
    accuracy = Accuracy(keep_in_memory=True).compute(**columns)
    return {**accuracy, **F1(keep_in_memory=True).compute(**columns, average="macro")}


def tag_metrics(settings: TaskSettings) -> tuple[str, ...]:
    """Gives the names of what `score_tags` gives for these tags, the main one first."""
    return ("f1", "precision", "recall", "accuracy") if is_iob2(settings.labels) else ("accuracy", "f1")


def _collator(tokenizer: PreTrainedTokenizerBase, settings: TaskSettings, seed: int) -> Collator:
    return WindowCollator(tokenizer, [WORD_NUMBERS])


def _best(logits: Logits, encoded: Dataset, labels: Sequence[str]) -> NDArray[np.int64]:
    """The best tag of every token, (windows, longest)."""
    first, *others = logits if isinstance(logits, tuple) else (logits,)
    found, counts = np.asarray(first), set[int]()
    if is_reduced := found.ndim == 2 and len(others) == 1:
        counts, found = set(others[0].tolist()), np.where(found == _UNKNOWN, np.nan, found)
    token_logits(found, encoded, row_lengths(encoded) or ())
    shape = (*found.shape, *counts)
    if len(shape) != 3 or shape[2] != len(labels):
        raise ValueError(
            f"expected logits (windows, tokens, {len(labels)}), got the shape {shape}; because there are "
            f"{len(labels)} tags {list(labels)}; use a model that was made for them."
        )
    return found.astype(np.int64) if is_reduced else found.argmax(axis=2)


def _filled(tags: Sequence[str | None], labels: Sequence[str]) -> list[str]:
    """Tags with `O`, or else the most frequent one, where a word has none."""
    frequent = Counter(tag for tag in tags if tag is not None).most_common(1)
    rest = OUTSIDE if OUTSIDE in labels or not frequent else frequent[0][0]
    rest = rest if rest in labels else labels[0]
    return [rest if tag is None else tag for tag in tags]


def _prediction(tokens: list[str], tags: list[str], with_entities: bool) -> Prediction:
    prediction: Prediction = {"tokens": tokens, "tags": tags}
    if with_entities:
        prediction["entities"] = [
            {"type": kind, "text": " ".join(tokens[start:end]), "start": start, "end": end}
            for kind, start, end in find_entities(tags)
        ]
    return prediction


TOKEN_CLASSIFICATION = KindDefinition(
    head="ForTokenClassification",
    problem_type=None,
    columns=("tokens",),
    label_columns=("tags",),
    metrics=("f1", "precision", "recall", "accuracy"),
    encode=encode_words,
    collator=_collator,
    decode=decode_tags,
    score=score_tags,
    reduce_logits=best_tags,
    windows=True,
    choose_metrics=tag_metrics,
)
