"""Tests of reading rows: every format, every mistake, nothing left out."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.workflow.row_reader import BadRow, read_rows

TEXT = TaskKind.TEXT_CLASSIFICATION
ROWS = [{"text": "the film is good"}, {"text": "a goal today"}]


def _written(tmp_path, ending):
    file = tmp_path / f"rows{ending}"
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), file)
    elif ending == ".json":
        file.write_text(json.dumps(ROWS))
    elif ending == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif ending == ".txt":
        file.write_text("\n".join(row["text"] for row in ROWS))
    else:
        separator = "," if ending == ".csv" else "\t"
        file.write_text(f"number{separator}text\n1{separator}the film is good\n2{separator}a goal today\n")
    return file


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt"])
def test_every_format_gives_the_same_rows(tmp_path, ending):
    """Prevents a format that loses rows, order or types."""
    assert list(read_rows(_written(tmp_path, ending), TEXT)) == ROWS


def test_a_text_a_json_row_a_stream_and_several_texts_are_sources():
    """Prevents a source that is taken for another one."""
    assert list(read_rows("the film is good", TEXT)) == ROWS[:1]
    assert list(read_rows('{"text": "a goal today", "label": "sport"}', TEXT)) == ROWS[1:]
    assert list(read_rows(io.StringIO("the film is good\na goal today\n"), TEXT)) == ROWS
    assert list(read_rows([row["text"] for row in ROWS], TEXT)) == ROWS


def test_standard_input_is_a_dash(monkeypatch):
    """Prevents a dash that is classified as a text."""
    monkeypatch.setattr("sys.stdin", io.StringIO('{"text": "a goal today"}\n'))
    assert list(read_rows("-", TEXT)) == ROWS[1:]


def test_an_empty_text_is_called_empty():
    """Prevents an empty text taken for the working directory, whose name has no ending."""
    (row,) = read_rows("", TEXT)
    assert row == BadRow(1, "expected a text, got an empty one")


def test_a_mistyped_file_is_not_taken_for_a_text():
    """Prevents the name of a file from being classified."""
    with pytest.raises(FileNotFoundError, match="reviews.jsonl"):
        read_rows("reviews.jsonl", TEXT)


def test_a_file_of_an_unknown_ending_is_refused(tmp_path):
    """Prevents a spreadsheet from being read as lines of text."""
    (tmp_path / "rows.xlsx").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"\.parquet"):
        read_rows(tmp_path / "rows.xlsx", TEXT)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{broken", "JSON object"),
        ('["a", "list"]', "JSON object"),
        ('{"body": "a goal"}', "`text`"),
        ('{"text": 7}', "got 7"),
        ('{"text": null}', "got None"),
        ('{"text": "  "}', "empty"),
        ("", "JSON object"),
    ],
)
def test_a_bad_line_keeps_its_place_and_says_what_is_wrong(line, said):
    """Prevents answers that stand beside the wrong rows."""
    first, bad, last = read_rows(io.StringIO('{"text": "a"}\n' + line + '\n{"text": "b"}\n'), TEXT)
    assert isinstance(bad, BadRow) and bad.number == 2 and said in bad.message
    assert first == {"text": "a"} and last == {"text": "b"}


def test_a_row_of_a_table_with_too_many_cells_is_bad(tmp_path):
    """Prevents a comma in an unquoted text from cutting it."""
    (tmp_path / "rows.csv").write_text("text\na goal, today\nthe film\n")
    bad, good = read_rows(tmp_path / "rows.csv", TEXT)
    assert isinstance(bad, BadRow) and good == {"text": "the film"}
