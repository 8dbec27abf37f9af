"""One label space for all splits: class names in a fixed order, ids from 0."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, DatasetDict, LargeList, List, Value

from hf_tinybert.data.metrics.entities import OUTSIDE, is_iob2
from hf_tinybert.data.standard_columns import replace_column

__all__ = ["encode_labels", "first_rows", "iob2_names", "is_labelled"]

logger = logging.getLogger(__name__)

_SHOWN = 5
_WORDS = {1: "one label", 2: "two classes"}


def encode_labels(
    dataset: DatasetDict, names_by_id: Mapping[int, str] | None = None, column: str = "label"
) -> DatasetDict:
    """Makes a column of every split a ClassLabel, or lists of it, with the names and the order of `train`.

    Without a `train` they are those of all splits. Names come from the ClassLabel that it already has, else from
    `names_by_id`, else from the labels themselves: strings sorted, numbers in ascending order, IOB2 tags by
    `iob2_names`. A split without any label (all missing or -1, as the hub publishes hidden test sets) is left out with
    a warning, because it can neither train nor score.

    Args:
        dataset: Splits with a column of strings, integers, booleans or ClassLabel, or of lists of them.
        names_by_id: Class name of each integer label, where the data comes with such a list.
        column: `label`, `labels` or `tags`.

    Returns:
        The same splits, less those without labels.

    Raises:
        ValueError: If labels are missing, unknown to `train`, of another type, or all the same.
    """
    found = {name: _read(split, name, column, names_by_id or {}) for name, split in dataset.items()}
    unlabelled = [name for name, labels in found.items() if len(labels.missing) and labels.missing.all()]
    first = "train" if "train" in dataset else next(iter(dataset))
    if first in unlabelled:
        raise ValueError(
            f"expected labels in `{first}`, got none in `{column}`; because a model learns from labelled rows, or is "
            "scored on them; name another column."
        )
    if unlabelled:
        logger.warning("The splits %s have no labels and are left out; they can neither train nor score.", unlabelled)
    own = [found["train"]] if "train" in dataset else [found[name] for name in dataset if name not in unlabelled]
    names = _class_names(dataset[first].features[column], own, names_by_id or {})
    id_of = {name: position for position, name in enumerate(names)}
    encoded = {}
    for name, split in dataset.items():
        if name not in unlabelled:
            # One label may be there or not; of classes and tags one is no choice.
            _check_labels(name, found[name], id_of, least=1 if column == "labels" else 2)
            encoded[name] = _with_ids(split, column, found[name], id_of, ClassLabel(names=names))
    return DatasetDict(encoded)


def is_labelled(split: Dataset, column: str) -> bool:
    """Whether a row of a split has a label: one that is neither missing nor, of integers, -1 as all others.

    Args:
        split: Rows with the column.
        column: `label`, `labels` or `tags`.
    """
    return not _read(split, "", column, {}).missing.all()


def first_rows(dataset: DatasetDict, column: str, labels: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Gives the split and the row, from 0, in which each label comes first.

    Args:
        dataset: Splits; those that have the column as `encode_labels` makes it are looked at.
        column: `label`, `labels` or `tags`.
        labels: Names in the order of their ids; none where the column holds no classes.
    """
    places: dict[str, tuple[str, int]] = {}
    for split_name, split in dataset.items():
        if labels and column in split.column_names:
            values = split.with_format("arrow")[:][column].combine_chunks()
            rows = np.arange(len(values))
            if not pa.types.is_integer(values.type):
                rows = np.repeat(rows, pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False))
                values = values.flatten()
            ids, first = np.unique(values.to_numpy(zero_copy_only=False), return_index=True)
            for position, place in zip(ids, first, strict=True):
                places.setdefault(labels[position], (split_name, int(rows[place])))
    return places


def iob2_names(tags: Sequence[str]) -> list[str]:
    """Gives a whole IOB2 label set in a fixed order: `O`, then type by type `B-` and `I-`.

    A type of which only first words were seen gets its `I-` too, because longer entities of it may come.

    Args:
        tags: An IOB2 label set in any order.
    """
    types = sorted({tag[2:] for tag in tags if tag != OUTSIDE})
    return [OUTSIDE, *(f"{mark}-{kind}" for kind in types for mark in "BI")]


@dataclass(frozen=True)
class _Labels:
    """The labels of a split, list by list one after another.

    Attributes:
        names: different class names, None for a missing label.
        codes: position in `names` of every label, (labels,).
        rows: row of every label, (labels,).
        lengths: labels per row, (rows,); None where every row has one.
        missing: whether a row has no label at all, (rows,).
        are_numbers: whether the names are numbers, and sorted as such.
    """

    names: list[str | None]
    codes: np.ndarray
    rows: np.ndarray
    lengths: np.ndarray | None
    missing: np.ndarray
    are_numbers: bool

    def names_seen(self) -> list[str]:
        return [name for name in self.names if name is not None]


def _read(split: Dataset, split_name: str, column: str, names_by_id: Mapping[int, str]) -> _Labels:
    array = split.with_format("arrow")[:][column].combine_chunks()
    feature = split.features[column]
    lengths: np.ndarray | None = None
    values = array
    rows = np.arange(len(array))
    missing = array.is_null().to_numpy(zero_copy_only=False)
    if isinstance(feature, List | LargeList) and column != "label":
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        feature, values, rows = feature.feature, array.flatten(), np.repeat(rows, lengths)
    _check_type(feature, split_name, column)
    encoded = values.dictionary_encode() if not pa.types.is_null(values.type) else pa.nulls(len(values), pa.int32())
    unique = encoded.dictionary.to_pylist() if isinstance(encoded, pa.DictionaryArray) else []
    indices = encoded.indices if isinstance(encoded, pa.DictionaryArray) else encoded
    names = [*_names(unique, feature, names_by_id), None]
    codes = pc.fill_null(indices, len(unique)).to_numpy(zero_copy_only=False)
    absent = np.array([name is None for name in names])[codes]
    if lengths is None:
        missing = absent
    elif len(absent):
        # A row all of whose labels are hidden has none; an empty list is an answer.
        hidden = np.bincount(rows, weights=absent, minlength=len(array))
        missing = missing | ((lengths > 0) & (hidden == lengths))
    are_numbers = isinstance(feature, Value) and feature.dtype.startswith(("int", "uint"))
    return _Labels(names, codes, rows, lengths, missing, are_numbers)


def _check_type(feature: Any, split_name: str, column: str) -> None:  # noqa: ANN401 (a feature of datasets has no type)
    kinds = ("string", "large_string", "bool", "null", "int", "uint")
    if isinstance(feature, ClassLabel) or (isinstance(feature, Value) and feature.dtype.startswith(kinds)):
        return
    several = "" if column == "label" else " or lists of them"
    raise ValueError(
        f"expected class names or class ids{several} in the column `{column}` of split `{split_name}`, got {feature}; "
        "because others are no classes (several classes per text are another kind, `multi-label-classification`); "
        "name another column, or make labels strings or integers."
    )


def _names(values: list[Any], feature: Any, names_by_id: Mapping[int, str]) -> list[str | None]:  # noqa: ANN401
    """Gives the class name of every different value; None where it stands for a missing label."""
    if isinstance(feature, ClassLabel):
        return [None if value < 0 else feature.int2str(value) for value in values]
    if feature.dtype in ("string", "large_string"):
        return [value.strip() or None for value in values]
    if feature.dtype == "bool":
        return [str(value) for value in values]
    missing = None if any(value >= 0 for value in values) else -1
    return [None if value == missing else _name_of_id(value, names_by_id) for value in values]


def _name_of_id(value: int, names_by_id: Mapping[int, str]) -> str:
    if not names_by_id:
        return str(value)
    # The bare number could be the name of another class, as in a list of star ratings.
    return names_by_id.get(value, f"{value} (not in the list of names)")


def _class_names(feature: Any, labels: Sequence[_Labels], names_by_id: Mapping[int, str]) -> list[str]:  # noqa: ANN401
    inner = feature.feature if isinstance(feature, List | LargeList) else feature
    if isinstance(inner, ClassLabel):
        return list(inner.names)
    if names_by_id:
        return [names_by_id[key] for key in sorted(names_by_id)]
    seen = {name for one in labels for name in one.names_seen()}
    if labels[0].lengths is not None and is_iob2(sorted(seen)):
        return iob2_names(sorted(seen))
    return sorted(seen, key=int) if labels[0].are_numbers else sorted(seen)


def _check_labels(split_name: str, labels: _Labels, id_of: Mapping[str, int], least: int) -> None:
    absent = np.array([name is None for name in labels.names])
    without = labels.missing.copy()
    without[labels.rows[absent[labels.codes]]] = True
    if without.any():
        raise ValueError(
            f"expected a label in every row of split `{split_name}`, got {without.sum():,} of {len(without):,} rows "
            f"without one, the first in row {int(without.argmax()) + 1:,} (rows count from 1); because a row without "
            "a label can neither train nor score; label or remove these rows."
        )
    unknown = np.array([name is not None and name not in id_of for name in labels.names])[labels.codes]
    if unknown.any():
        rows = np.unique(labels.rows[unknown])
        found = list(dict.fromkeys(labels.names[code] for code in labels.codes[unknown]))
        raise ValueError(
            f"expected only the labels {_shown(list(id_of))} in split `{split_name}`, got {_shown(found)} in "
            f"{len(rows):,} of {len(without):,} rows, the first in row {rows[0] + 1:,} (rows count from 1); because "
            "the student has an output only for the labels of `train` (or of `labels.json`); correct the labels or "
            "the split."
        )
    seen = sorted({str(labels.names[code]) for code in np.unique(labels.codes)})
    if split_name == "train" and len(seen) < least:
        raise ValueError(
            f"expected at least {_WORDS[least]} in `train`, got only {_shown(seen) or 'empty lists'} in all "
            f"{len(without):,} rows; because there is nothing to tell apart; name another column or bring rows of "
            "other classes."
        )


def _with_ids(split: Dataset, column: str, labels: _Labels, id_of: Mapping[str, int], feature: ClassLabel) -> Dataset:
    ids = np.array([id_of.get(name or "", -1) for name in labels.names], dtype=np.int64)[labels.codes]
    values = pa.array(ids, pa.int64())
    if labels.lengths is None:
        return replace_column(split, column, feature, values)
    offsets = np.concatenate([[0], np.cumsum(labels.lengths)]).astype(np.int32)
    return replace_column(split, column, List(feature), pa.ListArray.from_arrays(offsets, values))


def _shown(names: Sequence[Any]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"`{name}`" for name in names[:_SHOWN]) + more
