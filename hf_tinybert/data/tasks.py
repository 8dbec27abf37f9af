"""The kinds of task as one table, and a task: a kind with its label names and lengths."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import EvalPrediction, PreTrainedTokenizerBase

from hf_tinybert.data.kinds.answers import QUESTION_ANSWERING, holds_unanswerable
from hf_tinybert.data.kinds.choices import MULTIPLE_CHOICE
from hf_tinybert.data.kinds.classification import PAIR_CLASSIFICATION, TEXT_CLASSIFICATION
from hf_tinybert.data.kinds.definition import (
    Collator,
    KindDefinition,
    Logits,
    Prediction,
    TaskKind,
    TaskSettings,
)
from hf_tinybert.data.kinds.documents import EXTRACTIVE_SUMMARIZATION
from hf_tinybert.data.kinds.embeddings import SENTENCE_EMBEDDING
from hf_tinybert.data.kinds.masked_lm import MASKED_LM
from hf_tinybert.data.kinds.multi_label import MULTI_LABEL_CLASSIFICATION
from hf_tinybert.data.kinds.regression import REGRESSION
from hf_tinybert.data.kinds.tokens import TOKEN_CLASSIFICATION

TASK_FILE = "task.json"

KINDS: Mapping[TaskKind, KindDefinition] = {
    TaskKind.TEXT_CLASSIFICATION: TEXT_CLASSIFICATION,
    TaskKind.PAIR_CLASSIFICATION: PAIR_CLASSIFICATION,
    TaskKind.MULTI_LABEL_CLASSIFICATION: MULTI_LABEL_CLASSIFICATION,
    TaskKind.REGRESSION: REGRESSION,
    TaskKind.TOKEN_CLASSIFICATION: TOKEN_CLASSIFICATION,
    TaskKind.QUESTION_ANSWERING: QUESTION_ANSWERING,
    TaskKind.MULTIPLE_CHOICE: MULTIPLE_CHOICE,
    TaskKind.MASKED_LM: MASKED_LM,
    TaskKind.EXTRACTIVE_SUMMARIZATION: EXTRACTIVE_SUMMARIZATION,
    TaskKind.SENTENCE_EMBEDDING: SENTENCE_EMBEDDING,
}


class Task:
    """A kind of task with its label names and lengths: everything between raw rows and scores but the model.

    Args:
        settings: what it depends on.
    """

    def __init__(self, settings: TaskSettings) -> None:
        self.settings = settings
        self.definition = KINDS[settings.kind]

    @property
    def kind(self) -> TaskKind:
        """Of the task."""
        return self.settings.kind

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that `score` gives, as on the Hub; the main one first."""
        choose = self.definition.choose_metrics
        return choose(self.settings) if choose else self.definition.metrics

    @property
    def main_metric(self) -> str:
        """The metric that decides which model is best; higher is better."""
        return self.metrics[0]

    def model_settings(self) -> dict[str, Any]:
        """Fields of a model's configuration that the task decides: problem type and label names."""
        named = dict(self.definition.model_settings)
        if self.settings.labels:
            named["id2label"] = dict(enumerate(self.settings.labels))
            named["label2id"] = {name: index for index, name in enumerate(self.settings.labels)}
        elif self.kind is TaskKind.REGRESSION:
            named["num_labels"] = 1
        return named

    def encode(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> Dataset:
        """Raw rows (standard columns) to encoded rows, labels included where the rows have them."""
        return self.definition.encode(rows, tokenizer, self.settings)

    def fix_masks(self, encoded: Dataset, tokenizer: PreTrainedTokenizerBase, seed: int | None) -> Dataset:
        """Encoded rows in which nothing is left to chance: every evaluation of them is of the same.

        Args:
            encoded: rows of `encode`.
            tokenizer: that encoded them.
            seed: of hidden tokens, in masked LM; with None nothing is hidden, as in rows to predict.
        """
        fix = self.definition.fix_masks
        return fix(encoded, tokenizer, self.settings, seed) if fix else encoded

    def collator(self, tokenizer: PreTrainedTokenizerBase, seed: int = 0) -> Collator:
        """What makes batches of encoded rows."""
        return self.definition.collator(tokenizer, self.settings, seed)

    def decode(
        self, logits: Logits, encoded: Dataset, rows: Dataset, tokenizer: PreTrainedTokenizerBase | None = None
    ) -> list[Prediction]:
        """One prediction per raw row, from a model's predictions for the encoded rows.

        Args:
            logits: after `reduce_logits` of the kind, if it has that.
            encoded: rows that the model has read.
            rows: raw rows that they come from.
            tokenizer: names predicted tokens, in masked LM; without it they are ids, which is enough for `score`.

        Raises:
            ValueError: the rows do not belong together, or a prediction is not finite.
        """
        predictions = self.definition.decode(logits, encoded, rows, self.settings)
        if len(predictions) != len(rows):
            raise ValueError(
                f"expected a prediction for each of {len(rows)} raw rows, got {len(predictions)}; because the encoded "
                "rows come from others; give the raw rows that were encoded"
            )
        in_words = self.definition.in_words
        return in_words(predictions, tokenizer) if in_words and tokenizer is not None else predictions

    def score(self, predictions: Sequence[Prediction], rows: Dataset) -> dict[str, float]:
        """The metrics of predictions against the gold answers of their raw rows."""
        return self.definition.score(predictions, rows, self.settings)

    def score_without_model(self, rows: Dataset) -> dict[str, dict[str, float]]:
        """The metrics of predictions that need no model, by their names; empty where the kind has none.

        Args:
            rows: raw, with gold answers.

        Raises:
            ValueError: rows have no gold answers.
        """
        return {
            name: self.score(predict(rows, self.settings), rows)
            for name, predict in self.definition.without_model.items()
        }

    def compute_metrics(self, encoded: Dataset, rows: Dataset) -> Callable[[EvalPrediction], dict[str, float]]:
        """For `Trainer(compute_metrics=...)` that evaluates on `encoded`."""
        task = self.of_data({"evaluated": rows})

        def compute(evaluation: EvalPrediction) -> dict[str, float]:
            return task.score(task.decode(evaluation.predictions, encoded, rows), rows)

        return compute

    def of_data(self, splits: Mapping[str, Dataset]) -> "Task":
        """The same task, of whose questions some may stay unanswered where one in the data has no answer.

        Args:
            splits: of the whole data set, raw: what one split is asked must not depend on which one it is.
        """
        if self.kind is not TaskKind.QUESTION_ANSWERING or self.settings.unanswerable:
            return self
        found = any(holds_unanswerable(rows) for rows in splits.values())
        return self.with_settings(unanswerable=True) if found else self

    def save(self, folder: Path) -> None:
        """Write `task.json` beside a model."""
        temporary = folder / f"{TASK_FILE}.partial"
        temporary.write_text(json.dumps(asdict(self.settings), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(temporary, folder / TASK_FILE)

    @classmethod
    def load(cls, folder: Path) -> "Task":
        """Read `task.json` beside a model.

        Raises:
            ValueError: the file is missing or holds something else.
        """
        file = folder / TASK_FILE
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            settings = TaskSettings(
                **{**values, "kind": TaskKind(values["kind"]), "labels": tuple(values.get("labels", ()))}
            )
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"expected the task of a model in `{file}`, got none that can be read ({error}); because it says what "
                "the model answers; name a folder that `hf-tinybert finetune` or `distill` wrote, or give the kind"
            ) from error
        return cls(settings)

    def with_settings(self, **changes: Any) -> "Task":  # noqa: ANN401 (fields of TaskSettings)
        """The same task with other settings."""
        return Task(replace(self.settings, **changes))


__all__ = ["KINDS", "TASK_FILE", "Task", "TaskKind", "TaskSettings"]
