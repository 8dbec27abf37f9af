"""One file of rows, in any format that is read, checked before it is parsed."""

import glob
import hashlib
import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from datasets import Dataset, Features, Value, load_dataset
from datasets.exceptions import DatasetGenerationError

from hf_tinybert.data.cell_types import with_cell_types
from hf_tinybert.data.json_lines import check_json_lines
from hf_tinybert.data.quotation_marks import quoting_of
from hf_tinybert.data.table_header import check_header
from hf_tinybert.data.text_encoding import check_encoding

__all__ = ["FORMATS", "file_sha256", "read_data_file"]

logger = logging.getLogger(__name__)

# A column of two types is an error that names its line, not a column of JSON texts.
_JSON = ("json", {"on_mixed_types": None, "parse_agent_traces": False})
FORMATS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    ".jsonl": _JSON,
    ".json": _JSON,
    # Without `keep_default_na` the text "NA" stays a text.
    ".csv": ("csv", {"keep_default_na": False}),
    ".tsv": ("csv", {"keep_default_na": False, "sep": "\t"}),
    ".parquet": ("parquet", {}),
    ".txt": ("text", {"encoding": "utf-8-sig"}),  # other readers leave a byte order mark out by themselves
}
"""File ending -> builder of the `datasets` library and its options."""

_BEGINNING = 1 << 12  # characters


def read_data_file(file: Path) -> Dataset:
    """Reads the rows of a file, on disk as the `datasets` library keeps them.

    Args:
        file: With one of the endings in `FORMATS`: JSON lines, a JSON list, CSV, TSV, Parquet, or a text per line.

    Returns:
        All rows, in the order of the file.

    Raises:
        ValueError: If the file is empty, is not UTF-8, is damaged (a broken line is named), or holds no rows; of a
            table also what `quoting_of`, `check_header` and `with_cell_types` refuse.
    """
    builder, options = FORMATS[file.suffix.lower()]
    if file.stat().st_size == 0:
        raise ValueError(f"expected rows in `{file}`, got an empty file; because it holds no data; bring its rows.")
    if builder != "parquet":
        check_encoding(file)
    if builder == "csv":
        separator = options.get("sep", ",")
        _check_separator(file, separator)
        quoting = quoting_of(file, separator)
        check_header(file, separator, quoting)
        options = {**options, "quoting": quoting}
    is_lines = file.suffix.lower() == ".jsonl"
    if builder == "json" and not _begins_with_rows(file):
        _explain_json(file, is_lines)
    try:
        rows = _csv_rows(file, options) if builder == "csv" else _rows(builder, file, options)
    except (DatasetGenerationError, TypeError, ValueError) as error:
        if builder == "json":
            _explain_json(file, is_lines)
        found = str(error.__cause__ or error).strip()
        raise ValueError(
            f"expected {builder} rows in `{file}`, got none that can be read ({found}); because it holds no rows, is "
            "damaged or of another format; mend the file or its ending."
        ) from error
    if builder == "csv":
        return _with_cell_types(rows, file)
    # Two objects in a line, or an empty line, pass the library's reader.
    if is_lines and rows.num_rows != _count_lines(file):
        check_json_lines(file)
    return rows


def file_sha256(file: Path) -> str:
    """Gives the hash of a file's content, 64 hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _rows(builder: str, file: Path, options: Mapping[str, Any]) -> Dataset:
    # The library takes `[1]` and `*` in a name for a pattern. It knows files again by path, size and time of change;
    # where it keeps their rows the name of a configuration tells apart, which is their content here.
    name, files = file_sha256(file)[:32], glob.escape(str(file))
    return load_dataset(builder, name, data_files=files, split="train", **options)


def _csv_rows(file: Path, options: Mapping[str, Any]) -> Dataset:
    """Cells are read as texts: the library tells types by some thousand rows at a time, and makes a 1 of `01`."""
    head = pd.read_csv(file, nrows=1, dtype=object, **options)
    if not isinstance(head.index, pd.RangeIndex):
        logger.warning(
            "The rows of `%s` have more cells than its header: the first are taken for names of rows, and the header "
            "for that of the last %d.", file, len(head.columns),
        )  # fmt: skip
    features = Features({name: Value("string") for name in head.columns})
    return _rows("csv", file, {**options, "features": features})


def _with_cell_types(rows: Dataset, file: Path) -> Dataset:
    try:
        return with_cell_types(rows)
    except ValueError as error:
        raise ValueError(f"`{file}`: {error}") from error


def _check_separator(file: Path, separator: str) -> None:
    """Refuses a table whose header is one cell that another separator would divide, as spreadsheets write them."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        line = stream.readline(_BEGINNING).strip()
    names = {",": "commas", "\t": "tabs", ";": "semicolons"}
    other = next((one for one in names if one in line and f"{one} " not in line), None)
    if separator not in line and other is not None:
        raise ValueError(
            f"expected {names[separator]} between the cells of `{file}`, got the header `{line}` with {names[other]}; "
            f"because it would be one column; save the file with {names[separator]}, or with another ending"
        )


def _begins_with_rows(file: Path) -> bool:
    """Whether a file of JSON begins as rows do; `null` in their place ends the process in the library's reader."""
    with file.open(encoding="utf-8-sig") as stream:
        beginning = stream.read(_BEGINNING).lstrip()
    return not beginning or re.match(r"\{|\[(?!\s*null)", beginning) is not None


def _explain_json(file: Path, is_lines: bool) -> None:
    """Raises what is wrong with a file of JSON by its line, where that can be found."""
    text = "" if is_lines else file.read_text(encoding="utf-8-sig")
    if not text.lstrip().startswith("["):
        check_json_lines(file)
        return
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"expected a JSON list of rows in `{file}`, got what cannot be read so ({error}); because it is damaged; "
            "mend the file."
        ) from error
    if rows[:1] == [None]:
        raise ValueError(
            f"expected a JSON list of rows in `{file}`, got `null` as its first; because a row has named columns; "
            "mend the file."
        )


def _count_lines(file: Path) -> int:
    """Lines of a text; the end of the last one may be missing, and empty ones at the end count as none."""
    with file.open("rb") as stream:
        last = number = 0
        for number, line in enumerate(stream, start=1):
            if line.strip():
                last = number
    return last
