"""A data set as it is: from a folder, a file or the hub, under our names for its splits."""

import json
import logging
import re
from pathlib import Path

from datasets import Dataset, DatasetDict, concatenate_datasets, load_dataset, load_from_disk
from datasets.exceptions import DatasetNotFoundError

from hf_tinybert.data.data_files import FORMATS, read_data_file

__all__ = ["local_files", "read_label_names", "read_splits"]

logger = logging.getLogger(__name__)

_LABEL_FILE, _STATE_FILE = "labels.json", "state.json"
_SPLIT_NAMES = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}

_SPLIT_NAME = re.compile(rf"({'|'.join(_SPLIT_NAMES)})(?![a-z])")
_HUB_FOLDER = "data"  # holds the files of a data set on the Hub, and so of its copy


def read_splits(name: str | Path, *, only_file: str | None = None) -> DatasetDict:
    """Reads what a name means, with all columns.

    Args:
        name: A folder made by `save_to_disk`; a folder of JSONL, JSON, CSV, TSV, Parquet or text files named after
            their splits (`train.jsonl`, `dev.csv`, `test-00000.parquet`), in it or in its `data`, as in a copy of a
            data set on the hub; one such file; or a data set on the hub, as `owner/name` or
            `owner/name:configuration`.
        only_file: The split that an only file is if it is named after it; else it is `train` whatever its name.

    Returns:
        The splits that are there out of `train`, `validation` and `test`; a file or a single data set is `train`.

    Raises:
        FileNotFoundError: If there is no such folder, file or data set.
        ValueError: If the data cannot be read or a split has no rows.
    """
    splits = _read(name, only_file)
    for split_name, split in splits.items():
        if split.num_rows == 0:
            raise ValueError(
                f"expected rows in split `{split_name}` of `{name}`, got none; because nothing can be learnt or "
                "scored on an empty split; bring its rows or remove it."
            )
    return splits


def read_label_names(name: str | Path) -> dict[int, str] | None:
    """Reads the class names of integer labels from the `labels.json` beside the data files.

    Args:
        name: As for `read_splits`.

    Returns:
        Class name of each id; None where there is no such file.

    Raises:
        ValueError: If the file holds something else than a list of names or a map from id to name.
    """
    path = Path(name)
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


def local_files(name: str | Path) -> list[Path]:
    """Gives the files on this machine that `read_splits` and `read_label_names` read.

    Args:
        name: As for `read_splits`.

    Returns:
        In the order of their names; none of a data set on the hub, or of what cannot be read.
    """
    path = Path(name)
    labels = (path if path.is_dir() else path.parent) / _LABEL_FILE
    try:
        if not path.is_dir():
            files = [path] if path.is_file() else []
        elif _is_saved(path):
            files = [state.parent / file for state in path.rglob(_STATE_FILE) for file in _saved_files(state)]
        else:
            files = [file for own in _data_files(path, None).values() for file in own]
    except (KeyError, OSError, TypeError, ValueError):
        return []
    found = [file for file in files if file.is_file()]
    return sorted({*found, labels}) if found and labels.is_file() else sorted(found)


def _is_saved(path: Path) -> bool:
    return (path / "dataset_dict.json").is_file() or (path / _STATE_FILE).is_file()


def _saved_files(state: Path) -> list[str]:
    """The files of a split that `save_to_disk` has written; caches of the library lie beside them."""
    return [file["filename"] for file in json.loads(state.read_text(encoding="utf-8"))["_data_files"]]


def _read(name: str | Path, only_file: str | None) -> DatasetDict:
    path = Path(name)
    if not path.exists():
        return _named_splits(_read_from_hub(str(name)))
    if _is_saved(path):
        return _named_splits(_read_saved(path))
    by_split = _data_files(path, only_file)
    for split, files in by_split.items():
        _warn_of_files_beside_each_other(split, files)
    return DatasetDict({split: _joined(files) for split, files in by_split.items()})


def _joined(files: list[Path]) -> Dataset:
    parts = [read_data_file(file) for file in files]
    try:
        return concatenate_datasets(parts)
    except (TypeError, ValueError) as error:
        columns = "; ".join(f"`{file.name}` {dict(part.features)}" for file, part in zip(files, parts, strict=True))
        raise ValueError(
            f"expected the same columns and types in all files of a split, got {columns} ({error}); because their "
            "rows are joined in the order of their names; make them alike."
        ) from error


def _named_splits(loaded: DatasetDict | Dataset) -> DatasetDict:
    splits = loaded if isinstance(loaded, DatasetDict) else DatasetDict(train=loaded)
    named: dict[str, str] = {}
    for name in splits:
        if name in _SPLIT_NAMES:
            named.setdefault(_SPLIT_NAMES[name], name)
    left_out = [name for name in splits if name not in named.values()]
    if left_out:
        logger.warning("The splits %s are left out; %s are read.", left_out, list(named.values()) or "no others")
    return DatasetDict({own: splits[name] for own, name in named.items()})


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


def _data_files(path: Path, only_file: str | None) -> dict[str, list[Path]]:
    """Gives the data files of each split."""
    if path.is_file() and path.suffix.lower() not in FORMATS:
        raise ValueError(
            f"expected a file that ends in {', '.join(FORMATS)}, got `{path}`; because the ending tells the format; "
            "rename, unpack or convert it."
        )
    if path.is_dir() and (path / _HUB_FOLDER).is_dir() and not any(map(_names_a_split, path.iterdir())):
        path = path / _HUB_FOLDER
    candidates = [path] if path.is_file() else sorted(path.iterdir())
    files = [file for file in candidates if file.suffix.lower() in FORMATS and file.name != _LABEL_FILE]
    by_split: dict[str, list[Path]] = {}
    for file in files:
        split = _SPLIT_NAME.match(file.stem.lower())
        if split is not None:
            by_split.setdefault(_SPLIT_NAMES[split.group(1)], []).append(file)
    # A licence or a note is a text file too, and is no data unless it is named.
    only = files if path.is_file() else [file for file in files if file.suffix.lower() != ".txt"]
    if len(only) == 1 and sum(map(len, by_split.values())) <= 1:
        return {only_file if only_file in by_split else "train": only}
    if not by_split:
        raise ValueError(
            f"expected files named after their splits, like train.jsonl, in `{path}`, got "
            f"{[file.name for file in candidates][:10]}; because the ending ({', '.join(FORMATS)}) tells the format "
            "and the name the split; rename the files, or name the one file to learn from."
        )
    return by_split


def _names_a_split(file: Path) -> bool:
    return file.suffix.lower() in FORMATS and _SPLIT_NAME.match(file.stem.lower()) is not None


def _warn_of_files_beside_each_other(split: str, files: list[Path]) -> None:
    """Says which files of a split are no shards, whose names differ in their numbers alone: they may be copies."""
    if len({re.sub(r"\d+", "0", file.name.lower()) for file in files}) > 1:
        names = ", ".join(f"`{file.name}`" for file in files)
        message = "`%s` is read from %d files together: %s; rows that stand in several come as often. Keep one."
        logger.warning(message, split, len(files), names)
