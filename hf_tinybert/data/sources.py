"""Any classification data set, from a folder, a file or the hub, in one form."""

import json
import logging
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, Value, concatenate_datasets, load_dataset, load_from_disk
from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError

from hf_tinybert.data.columns import choose_columns, select_columns
from hf_tinybert.data.deduplication import normalise_text
from hf_tinybert.data.label_space import encode_labels
from hf_tinybert.data.splits import stratified_split

__all__ = ["load_source"]

logger = logging.getLogger(__name__)

_LABEL_FILE = "labels.json"
# File ending -> builder of the `datasets` library, its options. Without `keep_default_na` the text "NA" stays a text.
_READERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".jsonl": ("json", {}),
    ".json": ("json", {}),
    ".csv": ("csv", {"keep_default_na": False}),
    ".tsv": ("csv", {"keep_default_na": False, "sep": "\t"}),
    ".parquet": ("parquet", {}),
}
_SPLIT_NAMES = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
# Held out of `train` for each split that is missing. Beyond 10,000 rows a share is known to half a point anyway.
_HELD_OUT_SHARE = 0.1
_HELD_OUT_ROWS = 10_000


def load_source(
    name: str | Path, text_column: str | Sequence[str] | None = None, label_column: str | None = None, seed: int = 0
) -> DatasetDict:
    """Loads a data set for text classification and checks it before anything is spent on it.

    Args:
        name: A folder made by `save_to_disk`; a folder of JSONL, JSON, CSV, TSV or Parquet files named after their
            splits (`train.jsonl`, `dev.csv`, `test-00000.parquet`); one such file; or a data set on the hub, as
            `owner/name` or `owner/name:configuration`. A `labels.json` beside the files (a list, or a map from id to
            name) names integer labels.
        text_column: Text column, or two of them for a task on pairs; found by its name if None.
        label_column: Label column; found by its name if None.
        seed: Seed for cutting missing splits out of `train`.

    Returns:
        `train`, `validation` and `test` with the columns `text`, `text_pair` (pair tasks only) and `label`
        (ClassLabel). A missing `validation` or `test` is cut out of `train`: a tenth of its rows each, stratified,
        only texts that occur once, always the same for the same rows and seed.

    Raises:
        FileNotFoundError: If there is no such folder, file or data set.
        ValueError: If the data cannot be read, is empty, has one class only, lacks columns or labels, or its splits
            disagree on the labels.
    """
    raw = _read(name)
    for split_name, split in raw.items():
        if split.num_rows == 0:
            raise ValueError(
                f"expected rows in split `{split_name}` of `{name}`, got none; because nothing can be learnt or "
                "scored on an empty split; bring its rows or remove it."
            )
    if "train" not in raw:
        raise ValueError(
            f"expected a `train` split in `{name}`, got {list(raw)}; because the student learns from it; rename the "
            "split, or name the one file to learn from."
        )
    columns = choose_columns(raw["train"].features, text_column, label_column)
    dataset = encode_labels(select_columns(raw, columns), _read_label_names(Path(name)))
    dataset = _cut_missing_splits(_with_strings(dataset), seed)
    _warn_of_doubtful_texts(dataset)
    return DatasetDict({split_name: dataset[split_name] for split_name in ("train", "validation", "test")})


def _read(name: str | Path) -> DatasetDict:
    """Reads what `name` means, under our names for the splits."""
    path = Path(name)
    if not path.exists():
        return _named_splits(_read_from_hub(str(name)))
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        return _named_splits(_read_saved(path))
    files = _data_files(path)
    return DatasetDict({split: concatenate_datasets([_read_file(f) for f in group]) for split, group in files.items()})


def _named_splits(loaded: DatasetDict | Dataset) -> DatasetDict:
    splits = loaded if isinstance(loaded, DatasetDict) else DatasetDict(train=loaded)
    left_out = [name for name in splits if name not in _SPLIT_NAMES]
    if left_out:
        logger.warning("The splits %s are left out; only %s are read.", left_out, sorted(_SPLIT_NAMES))
    return DatasetDict({_SPLIT_NAMES[name]: split for name, split in splits.items() if name in _SPLIT_NAMES})


def _read_saved(path: Path) -> DatasetDict | Dataset:
    try:
        return load_from_disk(str(path))
    except (IndexError, OSError, ValueError) as error:
        # A split saved without rows is among these: the library cannot read it back (IndexError).
        raise ValueError(
            f"expected a data set made by `save_to_disk` in `{path}`, got none that can be read ({error}); because a "
            "file is missing or damaged, or a split has no rows; save it again."
        ) from error


def _read_from_hub(name: str) -> DatasetDict:
    repository, _, configuration = name.partition(":")
    try:
        return load_dataset(repository, configuration or None)
    except (DatasetNotFoundError, ConnectionError, FileNotFoundError, ValueError) as error:
        raise FileNotFoundError(
            f"expected a folder, a file or a data set on the hub, got `{name}`; because there is no such path here "
            f"and the hub gave no such data set or configuration ({error}); check the spelling (`owner/name` or "
            "`owner/name:configuration`), the connection and HF_HUB_OFFLINE."
        ) from error


def _data_files(path: Path) -> dict[str, list[Path]]:
    """Gives the data files of each split."""
    candidates = [path] if path.is_file() else sorted(path.iterdir())
    files = [file for file in candidates if file.suffix.lower() in _READERS and file.name != _LABEL_FILE]
    by_split: dict[str, list[Path]] = {}
    for file in files:
        split = re.match(rf"({'|'.join(_SPLIT_NAMES)})(?![a-z])", file.stem.lower())
        if split is not None:
            by_split.setdefault(_SPLIT_NAMES[split.group(1)], []).append(file)
    if len(files) == 1:
        return {"train": files}
    if not by_split:
        raise ValueError(
            f"expected files named after their splits, like train.jsonl, in `{path}`, got "
            f"{[file.name for file in candidates][:10]}; because the ending ({', '.join(_READERS)}) tells the format "
            "and the name the split; rename the files, or name the one file to learn from."
        )
    return by_split


def _read_file(file: Path) -> Dataset:
    builder, options = _READERS[file.suffix.lower()]
    if file.stat().st_size == 0:
        raise ValueError(f"expected rows in `{file}`, got an empty file; because it holds no data; bring its rows.")
    try:
        return load_dataset(builder, data_files=str(file), split="train", **options)
    except (DatasetGenerationError, ValueError) as error:
        raise ValueError(
            f"expected {builder} rows in `{file}`, got none that can be read ({error.__cause__ or error}); because "
            "it holds no rows, is damaged or of another format; mend the file or its ending."
        ) from error


def _read_label_names(path: Path) -> dict[int, str] | None:
    file = (path if path.is_dir() else path.parent) / _LABEL_FILE
    if not path.exists() or not file.is_file():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        entries = content.items() if isinstance(content, dict) else enumerate(content)
        names = {int(key): str(name) for key, name in entries}
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"expected a list of names or a map from id to name in `{file}`, got what cannot be read so ({error}); "
            "because it names the integer labels; mend or remove the file."
        ) from error
    if sorted(names) != list(range(len(names))) or len(set(names.values())) != len(names):
        raise ValueError(
            f"expected different names for the ids 0 to {len(names) - 1} in `{file}`, got {names}; because class ids "
            "count from 0 without gaps; mend the file."
        )
    return names


def _with_strings(dataset: DatasetDict) -> DatasetDict:
    """Makes missing texts empty ones, which a tokenizer can read, and large_string (from CSV) string."""
    columns = [name for name in ("text", "text_pair") if name in dataset["train"].column_names]
    for column in columns:
        dataset = dataset.cast_column(column, Value("string"))
    if not any(None in split[column][:] for split in dataset.values() for column in columns):
        return dataset
    return dataset.map(lambda row: {column: row[column] or "" for column in columns}, desc="Filling missing texts")


def _cut_missing_splits(dataset: DatasetDict, seed: int) -> DatasetDict:
    missing = [name for name in ("validation", "test") if name not in dataset]
    if not missing:
        return dataset
    train = dataset["train"]
    texts = _whole_texts(train)
    occurrences = Counter(texts)
    # A text that occurs twice stays in train with all its copies: it must not be learnt and scored.
    single = [row for row, text in enumerate(texts) if occurrences[text] == 1]
    classes = train.features["label"].num_classes
    size = min(max(round(_HELD_OUT_SHARE * train.num_rows), classes), _HELD_OUT_ROWS)
    labels = train["label"][:]
    split = stratified_split([labels[row] for row in single], {name: size for name in missing}, seed=seed)
    held_out = {name: [single[position] for position in split[name]] for name in missing}
    taken = {row for rows in held_out.values() for row in rows}
    logger.info("No %s in the data: %d of %d rows of `train` are cut out for each.", missing, size, train.num_rows)
    remaining = train.select([row for row in range(train.num_rows) if row not in taken])
    return DatasetDict(
        {**dataset, "train": remaining, **{name: train.select(rows) for name, rows in held_out.items()}}
    )


def _warn_of_doubtful_texts(dataset: DatasetDict) -> None:
    learnt = set(_whole_texts(dataset["train"]))
    for name, split in dataset.items():
        texts = _whole_texts(split)
        empty = sum(not text.strip() for text in texts)
        if empty:
            logger.warning("%d of %d texts in `%s` are empty and kept; remove these rows.", empty, len(texts), name)
        repeated = sum(text in learnt for text in texts)
        if name != "train" and repeated:
            message = "%d of %d texts in `%s` stand in `train` too and raise its score; remove them from `train`."
            logger.warning(message, repeated, len(texts), name)


def _whole_texts(split: Dataset) -> list[str]:
    texts = split["text"][:]
    if "text_pair" not in split.column_names:
        return [normalise_text(text) for text in texts]
    pairs = split["text_pair"][:]
    return [f"{normalise_text(text)}\n{normalise_text(pair)}" for text, pair in zip(texts, pairs, strict=True)]
