"""Data for any kind of task, from a folder, a file or the hub, in one form and checked."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset, DatasetDict

from hf_tinybert.data.columns import choose_columns, infer_kind
from hf_tinybert.data.deduplication import normalise_text
from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.data.label_space import encode_label_lists, encode_labels
from hf_tinybert.data.raw_splits import read_label_names, read_splits
from hf_tinybert.data.row_checks import check_rows
from hf_tinybert.data.splits import grouped_split, stratified_split
from hf_tinybert.data.standard_rows import standard_rows

__all__ = ["TaskData", "load_task_data"]

logger = logging.getLogger(__name__)

_CLASSES = frozenset({TaskKind.TEXT_CLASSIFICATION, TaskKind.PAIR_CLASSIFICATION})
_LABEL_LISTS = {TaskKind.MULTI_LABEL_CLASSIFICATION: "labels", TaskKind.TOKEN_CLASSIFICATION: "tags"}
# Held out of `train` for each split that is missing. Beyond 10,000 rows a share is known to half a point anyway.
_HELD_OUT_SHARE = 0.1
_HELD_OUT_ROWS = 10_000


@dataclass(frozen=True)
class TaskData:
    """Rows of one kind of task.

    Attributes:
        kind: Of the task.
        splits: `train`, `validation` and `test` with the standard columns of the kind.
        labels: Class or tag names in the order of their ids; empty where the kind has none.
    """

    kind: TaskKind
    splits: DatasetDict
    labels: tuple[str, ...] = ()


def load_task_data(
    name: str | Path, kind: TaskKind | None = None, *, columns: Mapping[str, str] | None = None, seed: int = 0
) -> TaskData:
    """Loads the data of a task and checks it before anything is spent on it.

    Args:
        name: A folder made by `save_to_disk`; a folder of JSONL, JSON, CSV, TSV, Parquet or text files named after
            their splits (`train.jsonl`, `dev.csv`, `test-00000.parquet`); one such file; or a data set on the hub, as
            `owner/name` or `owner/name:configuration`. A `labels.json` beside the files (a list, or a map from id to
            name) names integer labels.
        kind: Of the task; what the columns show if None.
        columns: Standard column -> its name in the data, where it cannot be found by its name.
        seed: Seed for cutting missing splits out of `train`.

    Returns:
        The kind, its splits and its label names. A missing `validation` or `test` is cut out of `train`: a tenth of
        its rows each, stratified by class, only texts that occur once; of the other kinds rows of one text stay
        together. The same rows and seed always give the same splits.

    Raises:
        FileNotFoundError: If there is no such folder, file or data set.
        ValueError: If the data cannot be read, is empty, shows no kind, lacks columns or labels, its splits disagree
            on the labels, or a row is wrong (see `check_rows`).
    """
    raw = read_splits(name)
    if "train" not in raw:
        raise ValueError(
            f"expected a `train` split in `{name}`, got {list(raw)}; because the student learns from it; rename the "
            "split, or name the one file to learn from."
        )
    features = raw["train"].features
    kind = infer_kind(features, columns) if kind is None else kind
    dataset = standard_rows(raw, kind, choose_columns(features, kind, columns))
    dataset, labels = _with_labels(dataset, kind, read_label_names(name))
    check_rows(dataset, kind)
    dataset = _cut_missing_splits(dataset, kind, seed)
    _warn_of_learnt_texts(dataset, kind)
    splits = DatasetDict({split_name: dataset[split_name] for split_name in ("train", "validation", "test")})
    return TaskData(kind, splits, labels)


def _with_labels(
    dataset: DatasetDict, kind: TaskKind, names_by_id: Mapping[int, str] | None
) -> tuple[DatasetDict, tuple[str, ...]]:
    if kind in _CLASSES:
        dataset = encode_labels(dataset, names_by_id)
        return dataset, tuple(dataset["train"].features["label"].names)
    column = _LABEL_LISTS.get(kind)
    if column is None:
        return dataset, ()
    dataset = encode_label_lists(dataset, column, names_by_id)
    return dataset, tuple(dataset["train"].features[column].feature.names)


def _cut_missing_splits(dataset: DatasetDict, kind: TaskKind, seed: int) -> DatasetDict:
    missing = [name for name in ("validation", "test") if name not in dataset]
    if not missing:
        return dataset
    train = dataset["train"]
    classes = train.features["label"].num_classes if kind in _CLASSES else 1
    size = min(max(round(_HELD_OUT_SHARE * train.num_rows), classes), _HELD_OUT_ROWS)
    sizes = dict.fromkeys(missing, size)
    split = _stratified(train, sizes, seed) if kind in _CLASSES else grouped_split(_texts(train), sizes, seed=seed)
    taken = {row for name in missing for row in split[name]}
    logger.info("No %s in the data: %d of %d rows of `train` are cut out for each.", missing, size, train.num_rows)
    remaining = train.select([row for row in range(train.num_rows) if row not in taken])
    return DatasetDict({**dataset, "train": remaining, **{name: train.select(split[name]) for name in missing}})


def _stratified(train: Dataset, sizes: Mapping[str, int], seed: int) -> dict[str, list[int]]:
    texts = _texts(train)
    occurrences = Counter(texts)
    # A text that occurs twice stays in train with all its copies: it must not be learnt and scored.
    single = [row for row, text in enumerate(texts) if occurrences[text] == 1]
    labels = train["label"][:]
    split = stratified_split([labels[row] for row in single], sizes, seed=seed)
    return {name: [single[position] for position in rows] for name, rows in split.items()}


def _warn_of_learnt_texts(dataset: DatasetDict, kind: TaskKind) -> None:
    learnt = set(_texts(dataset["train"]))
    for name, split in dataset.items():
        texts = _texts(split)
        repeated = sum(text in learnt for text in texts)
        if name != "train" and repeated:
            message = "%d of %d texts in `%s` stand in `train` too and raise its score; remove them from `train`."
            logger.warning(message, repeated, len(texts), name)


def _texts(split: Dataset) -> list[str]:
    """What a row is read from, normalised; of a question its context, which must not be learnt and asked about."""
    columns = split.column_names
    if "context" in columns:
        return [normalise_text(text) for text in split["context"][:]]
    if "tokens" in columns:
        return [normalise_text(" ".join(tokens)) for tokens in split["tokens"][:]]
    if "choices" in columns:
        pairs = zip(split["text"][:], split["choices"][:], strict=True)
        return [normalise_text("\n".join([text, *choices])) for text, choices in pairs]
    texts = split["document" if "document" in columns else "text"][:]
    if "text_pair" not in columns:
        return [normalise_text(text) for text in texts]
    pairs = zip(texts, split["text_pair"][:], strict=True)
    return [f"{normalise_text(text)}\n{normalise_text(pair)}" for text, pair in pairs]
