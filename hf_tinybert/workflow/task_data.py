"""Rows made ready for a run: one label space with the model, cut to the number asked for, encoded."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from hf_tinybert.data.column_values import column_values
from hf_tinybert.data.kinds.windows import IGNORED
from hf_tinybert.data.label_space import first_rows
from hf_tinybert.data.packages import packaged_bbc_news
from hf_tinybert.data.sources import TaskData, load_task_data
from hf_tinybert.data.tasks import KINDS, Task, TaskKind, TaskSettings
from hf_tinybert.idle_settings import check_not_idle, given_settings
from hf_tinybert.models.configuration_tinybert import encoder_fields
from hf_tinybert.workflow.run_arguments import DataSettings

BBC_NEWS = "bbc-news"
"""Names the articles of the `quickstart` extra where data is asked for."""

# Tokens at once. Sources: BERT's fine-tuning of SQuAD (384) and of the shorter tasks (128); a document takes all.
_USUAL_LENGTH = 128
_LONGER: Mapping[TaskKind, int] = {TaskKind.QUESTION_ANSWERING: 384, TaskKind.EXTRACTIVE_SUMMARIZATION: 512}
# BERT's SQuAD code lets windows of 384 tokens share 128 of the text
_SHARED_PART = 3
_OF_ONE_KIND = {
    "masked_share": TaskKind.MASKED_LM,
    "summary_sentences": TaskKind.EXTRACTIVE_SUMMARIZATION,
}
_NO_NAME = re.compile(r"LABEL_\d+")  # as transformers calls classes without names


@dataclass(frozen=True)
class PreparedData:
    """A task and its rows.

    Attributes:
        task: what the rows are.
        rows: raw, `train`, `validation` and `test`.
        encoded: as the model reads them, by split; what was not asked for is not there.
        cut: splits that were cut out of `train`, because the data has none of that name.
    """

    task: Task
    rows: DatasetDict
    encoded: dict[str, Dataset]
    cut: tuple[str, ...] = ()

    @property
    def has_gold(self) -> bool:
        """Whether the validation rows can be scored."""
        return can_be_scored(self.rows["validation"], self.task)

    def scored(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Those of some splits whose rows can be scored."""
        return tuple(name for name in splits if can_be_scored(self.rows[name], self.task))

    @property
    def best_metric(self) -> str:
        """What decides which epoch is best: the main metric, or the loss where there is nothing to score."""
        return self.task.main_metric if self.has_gold else "loss"


def can_be_scored(rows: Dataset, task: Task) -> bool:
    """Whether rows have the gold answers that the task's metrics compare with."""
    if any(name not in rows.column_names for name in task.definition.label_columns):
        return False
    return task.kind is not TaskKind.SENTENCE_EMBEDDING or "text_pair" in rows.column_names


def read_data(
    name: str,
    kind: str | None,
    columns: Mapping[str, str],
    seed: int,
    *,
    scored: str | None = None,
    needs_gold: bool = True,
) -> TaskData:
    """The data set of a name, `bbc-news` among them; the arguments are those of `load_task_data`.

    Raises:
        ValueError: see `load_task_data`.
        FileNotFoundError: no such data.
    """
    if name == BBC_NEWS and not Path(name).exists():
        articles = packaged_bbc_news()
        labels = tuple(articles["train"].features["label"].names)
        return TaskData(TaskKind.TEXT_CLASSIFICATION, articles, labels, first_rows(articles, "label", labels))
    known = None if kind is None else task_kind(kind)
    return load_task_data(
        name, known, columns=dict(columns) or None, seed=seed, scored=scored, needs_gold=needs_gold or known is None
    )


def task_kind(name: str) -> TaskKind:
    """The kind of a name.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in list(TaskKind):
        raise ValueError(f"expected a kind out of {', '.join(sorted(TaskKind))}, got `{name}`")
    return TaskKind(name)


def prepare_data(
    settings: DataSettings,
    tokenizer: PreTrainedTokenizerBase,
    config: PreTrainedConfig,
    known: Task | None = None,
    *,
    needs_gold: bool = True,
) -> PreparedData:
    """Read, check, cut and encode the data of a run.

    Args:
        settings: of the run.
        tokenizer: of the model.
        config: of the model, for its longest input.
        known: the task of a model that was trained before: its labels in its order, and its lengths where the
            settings give none.
        needs_gold: whether rows need gold answers; those to learn from a teacher do not, where their kind is known.

    Raises:
        ValueError: unusable data, labels that the model does not have, or lengths that it cannot read.
    """
    kind = settings.kind if known is None else str(known.kind)
    if known is not None and settings.kind not in (None, kind):
        raise ValueError(
            f"expected data of the kind `{kind}`, got `--kind {settings.kind}`; because the model was trained for it; "
            "leave the kind out"
        )
    data = read_data(settings.data, kind, settings.columns, settings.seed, needs_gold=needs_gold)
    if known is not None:
        check_labels(data, known)
    task = Task(_task_settings(settings, data, longest_input(tokenizer, config), known)).of_data(data.splits)
    limits = {"train": settings.train_rows, "validation": settings.validation_rows}
    rows = DatasetDict({name: sample(split, limits.get(name), settings.seed) for name, split in data.splits.items()})
    encoded = {name: task.encode(rows[name], tokenizer) for name in ("train", "validation")}
    encoded["validation"] = task.fix_masks(encoded["validation"], tokenizer, settings.seed)
    if task.kind is TaskKind.MASKED_LM:
        _check_hidden(encoded["validation"])
    return PreparedData(task, rows, encoded, data.cut)


def check_labels(data: TaskData, task: Task) -> None:
    """Refuse rows with labels that a model does not have; those in another order are found by their names.

    Args:
        data: of the rows.
        task: of the model.

    Raises:
        ValueError: the model has no output for a label, or says no names.
    """
    own = task.settings.labels
    unknown = [name for name in data.labels if name in data.label_rows and name not in own]
    if unknown and own and all(_NO_NAME.fullmatch(name) for name in own):
        raise ValueError(
            f"expected the names of the model's {len(own)} classes, got {own[0]} and so on; because labels of the "
            f"data, such as `{unknown[0]}`, are found by their names; write `id2label` into its `config.json`, of an "
            "adapter into one beside it"
        )
    if unknown and own:
        raise ValueError(
            f"expected only labels out of {', '.join(f'`{name}`' for name in own[:20])}, got "
            f"{', '.join(_placed(name, *data.label_rows[name]) for name in unknown[:5])} (rows count from 1); because "
            "the model has an output for those alone; correct the labels, or fine-tune a model on this data"
        )


def _placed(label: str, split: str, row: int) -> str:
    return f"`{label}`, first in row {row + 1:,} of `{split}`"


def longest_input(tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig) -> int:
    """Tokens that a model has positions for; those of RoBERTa's family begin after the padding's.

    A model without a table of positions, such as T5, reads what its tokenizer says.
    """
    positions = encoder_fields(config).get("max_position_embeddings", tokenizer.model_max_length)
    return min(int(positions), int(tokenizer.model_max_length))


def usual_lengths(kind: TaskKind, longest: int, *, max_length: int | None = None) -> tuple[int, int]:
    """The `max_length` and the `stride` of a task where nobody says others, tokens.

    Args:
        kind: of the task.
        longest: tokens that the model has positions for.
        max_length: that was asked for, for its stride.
    """
    length = max_length or min(_LONGER.get(kind, _USUAL_LENGTH), longest)
    return length, length // _SHARED_PART if KINDS[kind].windows else 0


def sample(rows: Dataset, most: int | None, seed: int) -> Dataset:
    """So many rows at most, drawn by the seed, in the order of the data."""
    if most is None or most >= len(rows):
        return rows
    return rows.select(drawn(len(rows), most, seed))


def drawn(count: int, most: int, seed: int) -> list[int]:
    """Which of `count` rows `sample` takes."""
    return sorted(np.random.default_rng(seed).permutation(count)[:most].tolist())


def _task_settings(settings: DataSettings, data: TaskData, longest: int, known: Task | None) -> TaskSettings:
    if settings.max_length is not None and settings.max_length > longest:
        raise ValueError(
            f"expected `max_length` of at most {longest}, got {settings.max_length}; because the model has no "
            "positions for more tokens; longer texts are cut, or read in windows, as their kind is"
        )
    if settings.stride is not None and not KINDS[data.kind].windows:
        raise ValueError(
            f"expected no `stride` for {data.kind}, got {settings.stride}; because its texts are cut at `max_length`, "
            "not read in windows that share tokens; leave it out"
        )
    for name, kind in _OF_ONE_KIND.items():
        if data.kind is not kind:
            check_not_idle(settings, [name], f"rows of the kind {kind}", "no other kind reads it", str(data.kind))
    if known is not None:
        given = {"max_length": settings.max_length, "stride": settings.stride}
        changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        changed |= {name: getattr(settings, name) for name in given_settings(settings, _OF_ONE_KIND)}
        return replace(known.settings, **changed)
    length, stride = usual_lengths(data.kind, longest, max_length=settings.max_length)
    return TaskSettings(
        kind=data.kind,
        labels=data.labels,
        max_length=length,
        stride=stride if settings.stride is None else settings.stride,
        summary_sentences=settings.summary_sentences,
        masked_share=settings.masked_share,
    )


def _check_hidden(validation: Dataset) -> None:
    """Refuse texts of which no evaluation has anything to compare, before the first one ends the training."""
    if not any(label != IGNORED for labels in column_values(validation, "labels") for label in labels):
        raise ValueError(
            f"expected tokens to hide in the texts of `validation`, got none in {len(validation)} rows; because what "
            "the model says is compared with them: texts with masks of their own keep these, and unknown tokens are "
            "not hidden; give texts of words that the tokenizer knows"
        )


__all__ = [
    "BBC_NEWS",
    "PreparedData",
    "can_be_scored",
    "check_labels",
    "drawn",
    "longest_input",
    "prepare_data",
    "read_data",
    "sample",
    "task_kind",
    "usual_lengths",
]
