"""Any data set for any kind of task, from a folder, a file or the hub, in one form."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict, Features, Value
from numpy.typing import NDArray

from hf_tinybert.data.blank_texts import are_blank
from hf_tinybert.data.columns import Columns, check_types, choose_columns, normalise_asked
from hf_tinybert.data.gold_rows import is_answered, without_hidden_splits
from hf_tinybert.data.held_out import cut_missing_splits, warn_of_repeated_rows
from hf_tinybert.data.kind_inference import infer_kind, warn_of_classes_as_numbers
from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.data.label_space import encode_labels, first_rows, is_labelled
from hf_tinybert.data.raw_splits import read_label_names, read_splits
from hf_tinybert.data.row_checks import check_rows, warn_of_broken_entities
from hf_tinybert.data.standard_columns import standardise

__all__ = ["TaskData", "load_rows", "load_task_data"]

logger = logging.getLogger(__name__)

_CLASS_COLUMNS = {
    TaskKind.TEXT_CLASSIFICATION: "label",
    TaskKind.PAIR_CLASSIFICATION: "label",
    TaskKind.MULTI_LABEL_CLASSIFICATION: "labels",
    TaskKind.TOKEN_CLASSIFICATION: "tags",
}
_OTHER_GOLD = {
    TaskKind.REGRESSION: "score",
    TaskKind.SENTENCE_EMBEDDING: "score",
    TaskKind.MULTIPLE_CHOICE: "label",
    TaskKind.QUESTION_ANSWERING: "answers",
    TaskKind.EXTRACTIVE_SUMMARIZATION: "summaries",
}


@dataclass(frozen=True)
class TaskData:
    """A data set made ready for a kind of task.

    Attributes:
        kind: Of the task.
        splits: `train`, `validation` and `test` with the standard columns of the kind, or the one that is scored.
        labels: Class or tag names in the order of their ids; empty where the kind, or every split, has none.
        label_rows: Split and row, from 0, in which each label comes first, as the data has them; without labels that
            no row has, such as the `I-` of a type that may come.
        cut: Splits that were cut out of `train`, because the data has none of that name.
        train_numbers: Of each row of `train` its number there as the data has it, from 0, `(rows,)`; None where all
            rows are in their place.
    """

    kind: TaskKind
    splits: DatasetDict
    labels: tuple[str, ...]
    label_rows: Mapping[str, tuple[str, int]]
    cut: tuple[str, ...] = ()
    train_numbers: NDArray[np.int64] | None = field(default=None, compare=False)


def load_task_data(
    name: str | Path,
    kind: TaskKind | None = None,
    *,
    columns: Mapping[str, str | Sequence[str]] | None = None,
    seed: int = 0,
    scored: str | None = None,
    needs_gold: bool = True,
) -> TaskData:
    """Loads a data set and checks every row before anything is spent on it.

    Args:
        name: A folder made by `save_to_disk`; a folder of JSONL, JSON, CSV, TSV, Parquet or text files named after
            their splits (`train.jsonl`, `dev.csv`, `test-00000.parquet`); one such file; or a data set on the hub, as
            `owner/name` or `owner/name:configuration`. A `labels.json` beside the files (a list, or a map from id to
            name) names integer labels.
        kind: Of the task; told by the columns if None.
        columns: Standard column -> its name in the data, as {"text": "body", "label": "intent"}; several names, in a
            list or with commas between them, for `labels` (columns of 0 and 1), `choices`, and the `text` of multiple
            choice. What is not named is found.
        seed: Seed for cutting missing splits out of `train`.
        scored: A split to score a trained model on. It may come without a `train`, also as the only file of a folder,
            or as a file, that is named after it.
        needs_gold: Whether `train` needs gold answers. Without them a student learns from its teacher alone; then a
            split lacks the gold column where the data lacks it or hides all answers. Such data does not tell its kind.

    Returns:
        The kind, its splits and its label names. A missing `validation` or `test` is cut out of `train`, see
        `cut_missing_splits`. Class columns are ClassLabel; a split whose gold answers are hidden is left out with a
        warning, and one cut out of `train` in its place.

    Raises:
        FileNotFoundError: If there is no such folder, file or data set.
        ValueError: If the data cannot be read, is empty, has one class only, lacks columns or answers, its splits
            disagree on the labels, its columns leave the kind open, or a row is wrong (see `check_rows`).
    """
    raw = read_splits(name, only_file=scored)
    if "train" not in raw and scored in raw:
        raw = DatasetDict({scored: raw[scored]})
    first = "train" if "train" in raw else scored
    if first is None or first not in raw:
        raise ValueError(
            f"expected a `train` split in `{name}`, got {list(raw)}; because the student learns from it; rename the "
            "split, or name the one file to learn from."
        )
    features = raw[first].features if needs_gold else _features_of_all(raw, first)
    asked = normalise_asked(columns, features)
    guessed = kind is None
    if kind is None:
        kind = infer_kind(features, asked)
        logger.info("The columns %s are read as %s.", list(features), kind)
    gold = _CLASS_COLUMNS.get(kind, _OTHER_GOLD.get(kind, ""))
    chosen = choose_columns(features, kind, asked, gold=() if needs_gold else (gold,))
    for split_name, split in raw.items():
        check_types(split.features, split_name, kind, chosen)
    if needs_gold or _has_gold(raw[first], kind, chosen, gold):
        dataset = DatasetDict({own: standardise(split, own, kind, chosen) for own, split in raw.items()})
    else:
        dataset = _with_answers_that_are_there(raw, kind, chosen, gold)
    read = _rows_read(dataset[first], kind)
    dataset = _checked(dataset, kind)
    if guessed and kind is TaskKind.REGRESSION:
        warn_of_classes_as_numbers(dataset[first], chosen["score"][0])
    labels: tuple[str, ...] = ()
    if kind in _CLASS_COLUMNS:
        dataset, labels = _with_ids(dataset, gold, read_label_names(name))
    label_rows = first_rows(dataset, gold, labels)
    if kind is TaskKind.TOKEN_CLASSIFICATION:
        warn_of_broken_entities(dataset)
    if first != "train":
        return TaskData(kind, dataset, labels, label_rows)
    whole, stayed = cut_missing_splits(dataset, kind, seed)
    warn_of_repeated_rows(whole, kind)
    splits = DatasetDict({split_name: whole[split_name] for split_name in ("train", "validation", "test")})
    cut = tuple(split_name for split_name in splits if split_name not in dataset)
    return TaskData(kind, splits, labels, label_rows, cut, read[stayed])


def _features_of_all(raw: DatasetDict, first: str) -> Features:
    """Columns of all splits, with the types of the first one that does not lack all values."""
    features: dict[str, Any] = dict(raw[first].features)
    for split in raw.values():
        missing = {name for name in split.features if features.get(name, Value("null")) == Value("null")}
        features |= {name: split.features[name] for name in missing}
    return Features(features)


def _has_gold(split: Dataset, kind: TaskKind, chosen: Columns, gold: str) -> bool:
    """Whether a split as it was read has the gold column, and not all of its answers are hidden."""
    if gold not in chosen or not set(chosen[gold]) <= set(split.column_names):
        return False
    read = {name: own for name, own in chosen.items() if name in (gold, "choices")}  # by which the right one is told
    answers = standardise(split, "", kind, read)
    return (is_labelled if kind in _CLASS_COLUMNS else is_answered)(answers, gold)


def _with_answers_that_are_there(raw: DatasetDict, kind: TaskKind, chosen: Columns, gold: str) -> DatasetDict:
    """Splits with the standard columns, less the gold one where the data lacks it or hides all answers."""
    splits = {}
    for name, split in raw.items():
        there = _has_gold(split, kind, chosen, gold)
        splits[name] = standardise(
            split, name, kind, {own: one for own, one in chosen.items() if there or own != gold}
        )
    without = [name for name, split in splits.items() if gold and gold not in split.column_names]
    if without and kind is not TaskKind.SENTENCE_EMBEDDING:  # which learns no scores
        logger.warning(
            "The splits %s have no `%s`: a student learns from its teacher alone on them, and they are not scored. If "
            "the answers stand in another column, name it.", without, gold,
        )  # fmt: skip
    return DatasetDict(splits)


def _with_ids(
    dataset: DatasetDict, column: str, names_by_id: Mapping[int, str] | None
) -> tuple[DatasetDict, tuple[str, ...]]:
    """The splits with their class columns as ids, and the names of the ids; those without the column as they are."""
    bare = {name: split for name, split in dataset.items() if column not in split.column_names}
    labelled = DatasetDict({name: split for name, split in dataset.items() if name not in bare})
    if not labelled:
        return dataset, ()
    encoded = encode_labels(labelled, names_by_id, column)
    feature = next(iter(encoded.values())).features[column]
    return DatasetDict({**bare, **encoded}), tuple((feature if column == "label" else feature.feature).names)


def load_rows(
    name: str | Path,
    kind: TaskKind,
    *,
    columns: Mapping[str, str | Sequence[str]] | None = None,
    split: str = "train",
) -> Dataset:
    """Loads the rows of one split without their gold answers, in the order of the data.

    Args:
        name: As for `load_task_data`.
        kind: Of the task.
        columns: As for `load_task_data`; gold columns are not read.
        split: `train`, `validation` or `test`; one file is `train`.

    Returns:
        The standard columns of the kind, less the gold one.

    Raises:
        FileNotFoundError: If there is no such folder, file or data set.
        ValueError: If the data cannot be read, has no such split, lacks columns, or a row has nothing to read.
    """
    raw = read_splits(name)
    if split not in raw:
        raise ValueError(
            f"expected the split `{split}` in `{name}`, got {list(raw)}; because its rows are asked for; name another."
        )
    gold = {_CLASS_COLUMNS.get(kind, _OTHER_GOLD.get(kind, ""))}
    features = raw[split].features
    chosen = choose_columns(features, kind, normalise_asked(columns, features), gold=sorted(gold))
    rows = standardise(raw[split], split, kind, {own: names for own, names in chosen.items() if own not in gold})
    return _checked(DatasetDict({split: rows}), kind)[split]


def _checked(dataset: DatasetDict, kind: TaskKind) -> DatasetDict:
    """The splits whose gold answers are there, every row of them checked."""
    if kind is TaskKind.MASKED_LM:
        dataset = DatasetDict({name: _without_blank_texts(split, name) for name, split in dataset.items()})
    gold = _OTHER_GOLD.get(kind)
    bare = {name: split for name, split in dataset.items() if gold not in split.column_names}
    if gold is not None and len(bare) < len(dataset):
        answered = DatasetDict({name: split for name, split in dataset.items() if name not in bare})
        dataset = DatasetDict({**bare, **without_hidden_splits(answered, gold)})
    for name, split in dataset.items():
        check_rows(split, name, kind)
    return dataset


def _without_blank_texts(split: Dataset, split_name: str) -> Dataset:
    """Raw text without its blank lines, which stand between its paragraphs and are none."""
    read = _rows_read(split, TaskKind.MASKED_LM)
    if len(read) == len(split):
        return split
    logger.warning("%d of %d texts in `%s` are blank and left out.", len(split) - len(read), len(split), split_name)
    return split.select(read)


def _rows_read(split: Dataset, kind: TaskKind) -> NDArray[np.int64]:
    """Which rows of a split are read: of raw text those that are not blank, unless all are, which is refused."""
    if kind is not TaskKind.MASKED_LM:
        return np.arange(len(split))
    blank = are_blank(split.with_format("arrow")[:]["text"])
    return np.arange(len(split)) if blank.all() else (~blank).nonzero()[0]
