"""Any number of labels per text."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import Dataset, List, Value
from scipy.special import expit
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.gathered_logits import logits_of_rows, rounded
from hf_tinybert.data.kinds.definition import ROW_NUMBER, KindDefinition, Logits, Prediction, TaskSettings
from hf_tinybert.data.kinds.gold import class_ids, gold_values, required
from hf_tinybert.data.kinds.texts import encode_texts, text_collator
from hf_tinybert.data.metrics import F1, Accuracy
from hf_tinybert.data.metrics.class_ids import MULTI_LABEL

_THRESHOLD = 0.5


def _encode(rows: Dataset, tokenizer: PreTrainedTokenizerBase, settings: TaskSettings) -> Dataset:
    encoded = encode_texts(rows, tokenizer, settings.max_length)
    ids = _gold_ids(rows, settings)
    if ids is None:
        return encoded
    # floats, because the stock heads compare them with probabilities
    return encoded.add_column("labels", _zeros_and_ones(ids, settings, np.float32), feature=List(Value("float32")))


def _decode(logits: Logits, encoded: Dataset, rows: Dataset, settings: TaskSettings) -> list[Prediction]:
    names = settings.labels
    predictions: list[Prediction] = []
    for scores in expit(logits_of_rows(logits, encoded[ROW_NUMBER][:], len(names))):
        chosen = [name for name, score in zip(names, scores, strict=True) if score >= _THRESHOLD]
        named = {name: rounded(score) for name, score in zip(names, scores, strict=True)}
        predictions.append({"labels": chosen, "scores": named})
    return predictions


def _score(predictions: Sequence[Prediction], rows: Dataset, settings: TaskSettings) -> dict[str, float]:
    position = {name: index for index, name in enumerate(settings.labels)}
    predicted = [[position[name] for name in prediction["labels"]] for prediction in predictions]
    gold = required(_gold_ids(rows, settings), rows, "labels")
    pairs = {
        "predictions": _zeros_and_ones(predicted, settings, np.int64),
        "references": _zeros_and_ones(gold, settings, np.int64),
    }
    f1 = F1(MULTI_LABEL, keep_in_memory=True)
    return {
        **f1.compute(**pairs, average="micro"),
        "f1_macro": f1.compute(**pairs, average="macro")["f1"],
        **Accuracy(MULTI_LABEL, keep_in_memory=True).compute(**pairs),
    }


def _gold_ids(rows: Dataset, settings: TaskSettings) -> list[list[int]] | None:
    values = gold_values(rows, "labels")
    if values is None:
        return None
    return class_ids(values, rows.features["labels"].feature, settings.labels, "labels")


def _zeros_and_ones(ids: Sequence[Sequence[int]], settings: TaskSettings, dtype: type[np.generic]) -> list[list[Any]]:
    marks = np.zeros((len(ids), len(settings.labels)), dtype=dtype)
    for row, present in enumerate(ids):
        marks[row, list(present)] = 1
    rows: list[list[Any]] = marks.tolist()
    return rows


MULTI_LABEL_CLASSIFICATION = KindDefinition(
    head="ForSequenceClassification",
    problem_type="multi_label_classification",
    columns=("text",),
    label_columns=("labels",),
    metrics=("f1", "f1_macro", "accuracy"),
    encode=_encode,
    collator=text_collator,
    decode=_decode,
    score=_score,
)

__all__ = ["MULTI_LABEL_CLASSIFICATION"]
