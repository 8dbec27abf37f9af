"""Splits that are missing, cut out of `train`, and rows that stand on both sides."""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
from datasets import ClassLabel, Dataset, DatasetDict
from numpy.typing import NDArray

from hf_tinybert.data.column_values import column_values
from hf_tinybert.data.deduplication import normalise_text
from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.data.splits import grouped_split, stratified_split

__all__ = ["cut_missing_splits", "warn_of_repeated_rows"]

logger = logging.getLogger(__name__)

_SPLITS = ("validation", "test")
# Held out of `train` for each split that is missing. Beyond 10,000 rows a share is known to half a point anyway.
_SHARE = 0.1
_MOST_ROWS = 10_000
_SHOWN = 60  # characters of a label
_DIGEST = 16  # bytes that stand for a text, of any length, of which there may be millions


def cut_missing_splits(dataset: DatasetDict, kind: TaskKind, seed: int) -> tuple[DatasetDict, NDArray[np.int64]]:
    """Cuts a missing `validation` or `test` out of `train`: a tenth of its rows each.

    Classes keep their shares, and only rows are held out whose text occurs once. Of the other kinds rows of one text
    stay together, of question answering all questions on a paragraph. The same rows and seed give the same splits.

    Args:
        dataset: Splits with the standard columns of the kind.
        kind: Of the task.
        seed: Of the draw.

    Returns:
        `train`, `validation` and `test`; and which rows of `train` stayed in it, `(rows,)`.

    Raises:
        ValueError: If there are too few rows.
    """
    train = dataset["train"]
    missing = [name for name in _SPLITS if name not in dataset]
    if not missing:
        return dataset, np.arange(train.num_rows)
    classes = kind in (TaskKind.TEXT_CLASSIFICATION, TaskKind.PAIR_CLASSIFICATION)
    by_class = classes and "label" in train.column_names
    labels = train["label"][:] if by_class else [0] * train.num_rows
    size = min(max(round(_SHARE * train.num_rows), len(set(labels))), _MOST_ROWS)
    sizes = dict.fromkeys(missing, size)
    texts = _contents(train, kind)
    occurrences = Counter(texts)
    # A text that occurs twice stays in train with all its copies: it must not be learnt and scored.
    single = [row for row, text in enumerate(texts) if occurrences[text] == 1]
    try:
        if by_class:
            split = stratified_split([labels[row] for row in single], sizes, seed=seed)
            held_out = {name: [single[position] for position in split[name]] for name in missing}
        else:
            held_out = grouped_split(texts, sizes, seed=seed)
            held_out.pop("train")
    except ValueError as error:
        _refuse_labels_that_are_texts(train, by_class)
        few = f"{len(single):,} with a text of their own" if by_class else f"{len(occurrences):,} different texts"
        raise ValueError(
            f"expected {' and '.join(f'`{name}`' for name in missing)} in the data, or rows enough to cut {size:,} "
            f"for each out of `train`, got {train.num_rows:,} rows, {few}; because a model is scored on what it has "
            f"not learnt ({str(error).partition('; ')[0]}); bring more rows, or a file for each split"
        ) from error
    logger.info("No %s in the data: %d of %d rows of `train` are cut out for each.", missing, size, train.num_rows)
    stayed = np.delete(np.arange(train.num_rows), [row for rows in held_out.values() for row in rows])
    cut = {name: train.select(rows) for name, rows in held_out.items()}
    return DatasetDict({**dataset, "train": train.select(stayed), **cut}), stayed


def _refuse_labels_that_are_texts(train: Dataset, by_class: bool) -> None:
    """What cannot be cut may be of swapped columns, which no more rows would mend."""
    labels = set(train["label"][:]) if by_class else set()
    if 2 * len(labels) > train.num_rows:
        feature = train.features["label"]
        shown = str(feature.int2str(min(labels)) if isinstance(feature, ClassLabel) else min(labels))
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
        raise ValueError(
            f"expected labels that come again, got {len(labels):,} different ones in {train.num_rows:,} rows, such as "
            f"`{shown}`; because nothing can be learnt of a label that stands once; bring more rows of each, or, if "
            "texts and labels are swapped, name their columns in `columns`, as {'text': ..., 'label': ...}"
        )


def warn_of_repeated_rows(
    dataset: DatasetDict, kind: TaskKind, *, learnt: Dataset | None = None, name: str = "train"
) -> None:
    """Warns of rows to be scored whose text, or paragraph, is learnt.

    Args:
        dataset: Splits with the standard columns of the kind.
        kind: Of the task.
        learnt: Rows that are learnt; those of `train` if None.
        name: Of these rows.
    """
    contents = set(_contents(dataset["train"] if learnt is None else learnt, kind))
    for scored, split in dataset.items():
        if scored == "train":
            continue
        texts = _contents(split, kind)
        repeated = sum(text in contents for text in texts)
        if repeated:
            message = "%d of %d texts in `%s` stand in `%s` too and raise its score; remove them from `%s`."
            logger.warning(message, repeated, len(texts), scored, name, name)


def _contents(split: Dataset, kind: TaskKind) -> list[bytes]:
    """What a row must not share with one on the other side, as a hash."""
    return [hashlib.blake2b(text.encode(), digest_size=_DIGEST).digest() for text in _whole_texts(split, kind)]


def _whole_texts(split: Dataset, kind: TaskKind) -> Iterator[str]:
    match kind:
        case TaskKind.QUESTION_ANSWERING:
            return map(normalise_text, column_values(split, "context"))
        case TaskKind.EXTRACTIVE_SUMMARIZATION:
            return map(normalise_text, column_values(split, "document"))
        case TaskKind.TOKEN_CLASSIFICATION:
            return (normalise_text(" ".join(tokens)) for tokens in column_values(split, "tokens"))
    texts = map(normalise_text, column_values(split, "text"))
    pairs: Iterable[str]
    if kind is TaskKind.MULTIPLE_CHOICE:
        pairs = (" | ".join(choices) for choices in column_values(split, "choices"))
    elif "text_pair" in split.column_names:
        pairs = column_values(split, "text_pair")
    else:
        return texts
    return (f"{text}\n{normalise_text(pair)}" for text, pair in zip(texts, pairs, strict=True))
