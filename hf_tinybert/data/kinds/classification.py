"""One class per text or per pair of texts."""

from collections.abc import Sequence
from dataclasses import replace

from datasets import ClassLabel, Dataset
from scipy.special import softmax
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.gathered_logits import logits_of_rows, rounded
from hf_tinybert.data.kinds.definition import ROW_NUMBER, KindDefinition, Logits, Prediction, TaskKind, TaskSettings
from hf_tinybert.data.kinds.gold import gold_class_ids, required
from hf_tinybert.data.kinds.texts import check_columns, encode_texts, text_collator
from hf_tinybert.data.metrics import F1, Accuracy, MatthewsCorrelation

_COLUMNS = {TaskKind.TEXT_CLASSIFICATION: ("text",), TaskKind.PAIR_CLASSIFICATION: ("text", "text_pair")}


def _encode(rows: Dataset, tokenizer: PreTrainedTokenizerBase, settings: TaskSettings) -> Dataset:
    check_columns(rows, _COLUMNS[settings.kind])
    encoded = encode_texts(rows, tokenizer, settings.max_length)
    ids = gold_class_ids(rows, "label", settings.labels)
    if ids is None:
        return encoded
    return encoded.add_column("labels", ids, feature=ClassLabel(names=list(settings.labels)))


def _decode(logits: Logits, encoded: Dataset, rows: Dataset, settings: TaskSettings) -> list[Prediction]:
    names = settings.labels
    predictions: list[Prediction] = []
    for scores in softmax(logits_of_rows(logits, encoded[ROW_NUMBER][:], len(names)), axis=-1):
        best = int(scores.argmax())
        named = {name: rounded(score) for name, score in zip(names, scores, strict=True)}
        predictions.append({"label": names[best], "score": rounded(scores[best]), "scores": named})
    return predictions


def _score(predictions: Sequence[Prediction], rows: Dataset, settings: TaskSettings) -> dict[str, float]:
    ids = {name: position for position, name in enumerate(settings.labels)}
    pairs = {
        "predictions": [ids[prediction["label"]] for prediction in predictions],
        "references": required(gold_class_ids(rows, "label", settings.labels), rows, "label"),
    }
    return {
        **Accuracy(keep_in_memory=True).compute(**pairs),
        **F1(keep_in_memory=True).compute(**pairs, average="macro"),
        **MatthewsCorrelation(keep_in_memory=True).compute(**pairs),
    }


TEXT_CLASSIFICATION = KindDefinition(
    head="ForSequenceClassification",
    problem_type="single_label_classification",
    columns=_COLUMNS[TaskKind.TEXT_CLASSIFICATION],
    label_columns=("label",),
    metrics=("accuracy", "f1", "matthews_correlation"),
    encode=_encode,
    collator=text_collator,
    decode=_decode,
    score=_score,
)
PAIR_CLASSIFICATION = replace(TEXT_CLASSIFICATION, columns=_COLUMNS[TaskKind.PAIR_CLASSIFICATION])

__all__ = ["PAIR_CLASSIFICATION", "TEXT_CLASSIFICATION"]
