"""Rows to predict, one after another: from a text, a file or a stream, each checked, none left out silently."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
import pyarrow.parquet as pq

from hf_tinybert.data.quotation_marks import quoting_of
from hf_tinybert.data.table_header import check_header
from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.data.text_encoding import check_encoding, read_text
from hf_tinybert.workflow.row_columns import LINE, Row, StandardRows

STDIN = "-"
FILE_ENDINGS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
# Of files that are not read; a single word that ends so is the name of one that is not there.
_OTHER_ENDINGS = (".gz", ".bz2", ".xz", ".zst", ".zip", ".xls", ".xlsx", ".arrow")
_OF_SAVED_ROWS = "write a split as JSON lines (`Dataset.to_json`) and name that file, or in Python hand over its rows"
_SHOWN = 60
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read.

    Attributes:
        number: of the row, counted from 1.
        message: what is wrong with it.
    """

    number: int
    message: str


Source = str | Path | TextIO | Mapping[str, Any] | Iterable[str | Mapping[str, Any]]
"""What rows are read from, see `read_rows`."""


def read_rows(source: Source, kind: TaskKind, columns: Mapping[str, str] | None = None) -> Iterator[Row | BadRow]:
    """The rows of a source with the standard columns of a kind; what the kind does not read is left out.

    Args:
        source: a text, a row as a JSON object, a file (JSONL, JSON, CSV, TSV, Parquet, or one text per line in .txt),
            `-` for standard input, an open stream, a row, or several texts or rows, as a `Dataset` or a `DataFrame`
            has them. A stream holds JSONL, or one text per line.
        kind: of the task.
        columns: standard column -> its name in the source, where it cannot be found by its name.

    Returns:
        The rows in order; in the place of one that cannot be read a `BadRow`. Nothing is held but the row at hand.

    Raises:
        FileNotFoundError: the name of a file that does not exist.
        ValueError: a file of an unknown ending, or a column that the kind does not have; while reading, text that is
            not UTF-8.
    """
    return _checked(_raw_rows(source), StandardRows(kind, columns or {}))


def _raw_rows(source: Source) -> Iterator[Row | str]:
    """Rows as they stand in the source; a string where a line is a text, or cannot be parsed."""
    if isinstance(source, str | Path):
        return _decoded(_named_rows(str(source)), None if source == STDIN else Path(source), "standard input")
    if isinstance(source, Mapping):
        return iter([dict(source)])
    if isinstance(source, pd.DataFrame):  # whose iterator gives the names of its columns
        return iter(source.to_dict("records"))
    return _decoded(_line_rows(iter(source)), None, "the stream")


def _decoded(rows: Iterator[Row | str], file: Path | None, name: str) -> Iterator[Row | str]:
    """The rows; bytes that are no text are told by their place in the file, or of a stream by its name."""
    try:
        yield from rows
    except UnicodeDecodeError as error:
        if file is not None:
            check_encoding(file)
        raise ValueError(
            f"expected UTF-8 text in {name}, got the byte 0x{error.object[error.start]:02x}; because other encodings "
            "would give wrong letters; save it as UTF-8"
        ) from error


def _named_rows(source: str) -> Iterator[Row | str]:
    if source == STDIN:
        return _line_rows(sys.stdin)
    path = Path(source)
    ending = path.suffix.lower()
    if not _is_path(source):
        if ending in (*FILE_ENDINGS, *_OTHER_ENDINGS) and not any(character.isspace() for character in source):
            raise FileNotFoundError(
                f"expected a text or a file, got `{source}`; because there is no such file; check its name"
            )
        return _line_rows(iter([source]))
    if ending in (".jsonl", ".txt"):
        return _file_lines(path)
    if ending == ".json":
        return iter(_json_rows(path))
    if ending in _DELIMITERS:
        return _csv_rows(path, _DELIMITERS[ending])
    if ending == ".parquet":
        return _parquet_rows(path)
    what, cure = f"`{source}`", "rename, unpack or convert it, or send its text to standard input (`-`)"
    if path.is_dir():
        saved = any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))
        what, cure = f"the folder `{source}`", _OF_SAVED_ROWS if saved else "name one of its files"
    raise ValueError(
        f"expected a file that ends in {', '.join(FILE_ENDINGS)}, got {what}; because the ending tells the format; "
        f"{cure}"
    )


def _is_path(source: str) -> bool:
    try:
        return bool(source) and Path(source).exists()  # an empty text would be this folder
    except OSError:  # too long for a name: a text
        return False


def _file_lines(path: Path) -> Iterator[Row | str]:
    with path.open(encoding="utf-8-sig") as stream:
        yield from _line_rows(stream, jsonl=path.suffix.lower() == ".jsonl")


def _line_rows(lines: Iterable[str | Mapping[str, Any]], *, jsonl: bool | None = None) -> Iterator[Row | str]:
    """A JSON object per line if the first text begins one, else a text per line; a string where a line is neither.

    What is a row already is taken as it is. Empty lines at the end of JSON are none.
    """
    empty = 0
    for number, line in enumerate(lines):
        if not isinstance(line, str):
            yield from [_parsed("") if jsonl else {LINE: ""}] * empty
            empty = 0
            is_row = isinstance(line, Mapping)
            yield dict(line) if is_row else f"expected a text or a row, got {_shortened(repr(line))}"
            continue
        text = line.strip("\r\n")
        if number == 0:
            text = text.removeprefix(_BYTE_ORDER_MARK)
        if jsonl is not False and not text.strip():
            empty += 1
            continue
        if jsonl is None:
            jsonl = text.lstrip().startswith("{")
        yield from [_parsed("") if jsonl else {LINE: ""}] * empty
        empty = 0
        yield _parsed(text) if jsonl else {LINE: text}
    if jsonl is None:
        yield from [{LINE: ""}] * empty


def _parsed(line: str) -> Row | str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"expected a JSON object, got {_shortened(line)} ({error})"
    return row if isinstance(row, dict) else f"expected a JSON object, got {_shortened(line)}"


def _json_rows(path: Path) -> list[Row | str]:
    text = read_text(path)
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise ValueError(f"expected a JSON list of rows in `{path}`, got what cannot be read ({error})") from error
    rows = rows if isinstance(rows, list) else [rows]
    return [row if isinstance(row, dict) else f"expected a JSON object, got {_shortened(str(row))}" for row in rows]


def _csv_rows(path: Path, delimiter: str) -> Iterator[Row | str]:
    quoting = quoting_of(path, delimiter)
    check_header(path, delimiter, quoting)
    taken: list[str] = []  # lines of the row at hand
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(_noted(stream, taken), delimiter=delimiter, quoting=quoting)
        width = len(reader.fieldnames or ())
        taken.clear()
        try:
            for row in reader:
                cells = [value for name, value in row.items() if name is not None and value is not None]
                whole = None not in row and len(cells) == width
                if quoting != csv.QUOTE_NONE and _is_open(taken, delimiter):
                    yield f"expected a quotation mark at the end of {_shortened(taken[0].strip())}, got none"
                else:
                    yield row if whole else f"expected {width} cells, as the header has, got another number"
                taken.clear()
        except csv.Error as error:
            raise ValueError(
                f"expected a table in `{path}`, got what cannot be read in line {reader.line_num:,} ({error}); "
                "because it is damaged; mend the file"
            ) from error


def _noted(lines: Iterable[str], taken: list[str]) -> Iterator[str]:
    for line in lines:
        taken.append(line)
        yield line


def _is_open(lines: list[str], delimiter: str) -> bool:
    """Whether the file ends within the quotation marks of a row, which holds all rows after its beginning then."""
    if sum(line.count('"') for line in lines) % 2 == 0:
        return False
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "end of data" in str(error)
    return False


def _parquet_rows(path: Path) -> Iterator[Row | str]:
    for batch in pq.ParquetFile(path).iter_batches(batch_size=1024):
        yield from batch.to_pylist()


def _checked(rows: Iterable[Row | str], standard: StandardRows) -> Iterator[Row | BadRow]:
    for number, row in enumerate(rows, start=1):
        found = row if isinstance(row, str) else standard.of(row, number)
        yield BadRow(number, found) if isinstance(found, str) else found


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


__all__ = ["FILE_ENDINGS", "STDIN", "BadRow", "Source", "read_rows"]
