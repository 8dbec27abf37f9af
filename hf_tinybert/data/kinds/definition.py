"""What a kind of task is: the head that answers it and the functions that take rows to the model and back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

Collator = Callable[[list[dict[str, Any]]], dict[str, Any]]
Logits = np.ndarray | tuple[np.ndarray, ...]
Prediction = dict[str, Any]
ROW_NUMBER = "row_number"


class TaskKind(StrEnum):
    """The kinds of task, by the names they have on the Hub where they have one there."""

    TEXT_CLASSIFICATION = "text-classification"
    PAIR_CLASSIFICATION = "pair-classification"
    MULTI_LABEL_CLASSIFICATION = "multi-label-classification"
    REGRESSION = "regression"
    TOKEN_CLASSIFICATION = "token-classification"
    QUESTION_ANSWERING = "question-answering"
    MULTIPLE_CHOICE = "multiple-choice"
    MASKED_LM = "masked-lm"
    EXTRACTIVE_SUMMARIZATION = "extractive-summarization"
    SENTENCE_EMBEDDING = "sentence-embedding"


@dataclass(frozen=True)
class TaskSettings:
    """One task on one kind of data; with a model folder it is all that evaluation and prediction need.

    Attributes:
        kind: of the task.
        labels: class or tag names in the order of their ids; empty where the kind has none.
        max_length: tokens that the model reads at once, special tokens included.
        stride: tokens that neighbouring windows of one long text share; for kinds that cut texts into windows.
        summary_sentences: sentences of an extractive summary.
        masked_share: share of the tokens that masked LM hides.
        unanswerable: whether a question may have no answer in its context, as in SQuAD 2.0.
        similarity: of two texts, from their embeddings: `cosine`, `dot`, `euclidean` or `manhattan`.
    """

    kind: TaskKind
    labels: tuple[str, ...] = ()
    max_length: int = 128
    stride: int = 0
    summary_sentences: int = 1
    masked_share: float = 0.15
    unanswerable: bool = False
    similarity: str = "cosine"


@dataclass(frozen=True)
class KindDefinition:
    """One row of the table of kinds.

    Raw rows carry the standard columns of the kind, as `load_task_data` gives them. Encoded rows carry what the model
    reads, its labels where the raw rows have them, and `row_number`, the position of the raw row they come from: a
    long text gives several encoded rows, a pair of sentences two. They are not padded.

    Attributes:
        head: end of the class name of its models, such as `ForSequenceClassification`.
        problem_type: `config.problem_type` of its models.
        columns: standard columns that every raw row has, labels left out.
        label_columns: standard columns that hold gold answers; a row to predict may lack them.
        metrics: names as on the Hub, all of which `score` gives; the first one decides which model is best.
        encode: raw rows to encoded rows.
        collator: makes batches of encoded rows; gets the tokenizer, the settings and a seed (for random masks).
        decode: the model's predictions for encoded rows, back to one prediction per raw row, JSON values only.
            Arguments: logits as the stock Trainer gathers them (padded at the end of every axis but the first),
            encoded rows, raw rows, settings.
        score: predictions against the gold answers of the raw rows they belong to; values as the Hub's metrics give
            them.
        reduce_logits: `preprocess_logits_for_metrics` of the stock Trainer, where whole logits would not fit in
            memory; None keeps them.
        windows: whether long texts are cut into windows that share `stride` tokens.
        choose_metrics: the metrics of a task where its label names decide about them; else it has `metrics`.
        fix_masks: draws what the collator would draw at random, once and by a seed, so that every evaluation of these
            encoded rows is of the same; seed None draws nothing. None where nothing is random.
        in_words: predictions whose tokens are ids to predictions of words; None where there are no ids in them.
        without_model: by name, predictions that need no model, which those of a model must be seen beside: what is had
            for nothing, and the most that the kind's answers can reach. Empty where there are none that tell anything.
    """

    head: str
    problem_type: str | None
    columns: tuple[str, ...]
    label_columns: tuple[str, ...]
    metrics: tuple[str, ...]
    encode: Callable[[Dataset, PreTrainedTokenizerBase, TaskSettings], Dataset]
    collator: Callable[[PreTrainedTokenizerBase, TaskSettings, int], Collator]
    decode: Callable[[Logits, Dataset, Dataset, TaskSettings], list[Prediction]]
    score: Callable[[Sequence[Prediction], Dataset, TaskSettings], dict[str, float]]
    reduce_logits: Callable[[Any, Any], Any] | None = None
    windows: bool = False
    choose_metrics: Callable[[TaskSettings], tuple[str, ...]] | None = None
    fix_masks: Callable[[Dataset, PreTrainedTokenizerBase, TaskSettings, int | None], Dataset] | None = None
    in_words: Callable[[Sequence[Prediction], PreTrainedTokenizerBase], list[Prediction]] | None = None
    without_model: Mapping[str, Callable[[Dataset, TaskSettings], list[Prediction]]] = field(default_factory=dict)

    @property
    def model_settings(self) -> Mapping[str, Any]:
        """Fields of a model's configuration that the kind decides."""
        return {} if self.problem_type is None else {"problem_type": self.problem_type}


__all__ = [
    "ROW_NUMBER",
    "Collator",
    "KindDefinition",
    "Logits",
    "Prediction",
    "TaskKind",
    "TaskSettings",
]
