"""Tests of reading rows: every format, every mistake, nothing left out."""

import csv
import io
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset

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


@pytest.mark.parametrize("name", ["reviews.jsonl", "reviews.jsonl.gz", "data/reviews.xlsx"])
def test_a_mistyped_file_is_not_taken_for_a_text(name):
    """Prevents the name of a file from being classified."""
    with pytest.raises(FileNotFoundError, match=name):
        read_rows(name, TEXT)


def test_a_file_of_an_unknown_ending_is_refused(tmp_path):
    """Prevents a spreadsheet from being read as lines of text."""
    (tmp_path / "rows.xlsx").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"\.parquet"):
        read_rows(tmp_path / "rows.xlsx", TEXT)
    with pytest.raises(ValueError, match="got the folder .* name one of its files"):
        read_rows(tmp_path, TEXT)


def test_a_saved_data_set_is_refused_with_a_way_to_its_rows(tmp_path):
    """Its files are of a format that is not read, so naming one of them leads nowhere."""
    Dataset.from_dict({"text": ["a"]}).save_to_disk(tmp_path / "rows")
    with pytest.raises(ValueError, match="got the folder .*`Dataset.to_json`"):
        read_rows(tmp_path / "rows", TEXT)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{broken", "JSON object"),
        ("[" * 5000, "JSON object"),
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


@pytest.mark.parametrize(("name", "separator"), [("rows.csv", ","), ("rows.tsv", "\t")])
def test_two_columns_of_one_name_are_refused(tmp_path, name, separator):
    """Prevents answers to the second of two texts."""
    (tmp_path / name).write_text(separator.join(["text", "text"]) + "\n" + separator.join("ab") + "\n")
    with pytest.raises(ValueError, match=f"for each column of `.*{name}`, got `text` for the columns 1, 2"):
        list(read_rows(str(tmp_path / name), TEXT))


def test_a_byte_order_mark_before_json_lines_is_no_text():
    """Prevents rows that PowerShell pipes from being answered as texts with braces."""
    assert list(read_rows(io.StringIO('\ufeff{"text": "the film is good"}\n'), TEXT)) == ROWS[:1]


def test_empty_lines_around_json_are_no_rows_and_those_around_texts_are():
    """Prevents a run that fails at its last line, and JSON that is answered as texts for an empty first line."""
    bad, good = read_rows(io.StringIO('\n{"text": "a"}\n\n\n'), TEXT)
    assert isinstance(bad, BadRow) and good == {"text": "a"}
    assert [type(row) for row in read_rows(io.StringIO("\na\n\n"), TEXT)] == [BadRow, dict, BadRow]


def test_a_long_cell_is_read(tmp_path):
    """Prevents a traceback at a document of more than 131,072 characters."""
    (tmp_path / "rows.csv").write_text("text\n" + "a " * 70_000 + "\n")
    (row,) = read_rows(tmp_path / "rows.csv", TEXT)
    assert len(row["text"]) == 140_000


def test_a_quotation_that_does_not_end_is_said(tmp_path):
    """Prevents all rows after a lost quotation mark from being answered as one."""
    (tmp_path / "rows.csv").write_text('text\n"a\nb"\n6" nails\n"lost\nthe film\na goal\n')
    *good, bad = read_rows(tmp_path / "rows.csv", TEXT)
    assert good == [{"text": "a\nb"}, {"text": '6" nails'}]
    assert isinstance(bad, BadRow) and bad.number == 3 and "quotation mark" in bad.message


def test_stray_quotation_marks_of_a_table_with_tabs_are_letters(tmp_path):
    """Prevents rows between two of them from being answered as one, and marks from missing in the answers' texts."""
    (tmp_path / "rows.tsv").write_text('text\tlabel\n"the film\tpos\na goal\tneg\n"the end\tneg\n')
    texts = [row["text"] for row in read_rows(tmp_path / "rows.tsv", TEXT)]
    assert texts == ['"the film', "a goal", '"the end']


@pytest.mark.parametrize("ending", [".csv", ".txt", ".json"])
def test_another_encoding_is_refused_with_the_place_in_the_file(tmp_path, ending):
    """Prevents the message of a codec, without the file, the line and the cure."""
    (tmp_path / f"rows{ending}").write_bytes(b"text\ncaf\xe9\n")
    told = rf"UTF-8 text in `.*rows{ending}`, got the byte 0xe9 at offset 8 \(line 2\).*as UTF-8"
    with pytest.raises(ValueError, match=told):
        list(read_rows(tmp_path / f"rows{ending}", TEXT))


def test_a_column_that_the_kind_does_not_have_is_refused():
    """Prevents a mistyped `--column txt=body` from being passed over."""
    with pytest.raises(ValueError, match="standard columns of text-classification .*got `txt`"):
        read_rows("a goal", TEXT, {"txt": "body"})


def test_rows_of_python_are_sources():
    """Prevents a failure on the rows of a `Dataset`, names of columns as texts, and a number that ends the run."""
    assert list(read_rows(ROWS[0], TEXT)) == ROWS[:1]
    assert list(read_rows(Dataset.from_list(ROWS), TEXT)) == ROWS
    assert list(read_rows(pd.DataFrame(ROWS), TEXT)) == ROWS
    assert list(read_rows([ROWS[0], "a goal today"], TEXT)) == ROWS
    empty, row, number = read_rows(["", ROWS[0], 3], TEXT)
    assert isinstance(empty, BadRow) and row == ROWS[0]
    assert number == BadRow(3, "expected a text or a row, got 3")


@pytest.mark.parametrize("write", [json.dumps, str], ids=["JSON", "Python"])
def test_the_lists_of_a_table_are_lists(tmp_path, write):
    """Prevents brackets and quotation marks from being tagged as words."""
    for kind, row in (
        (TaskKind.TOKEN_CLASSIFICATION, {"tokens": ["it's", "a goal"]}),
        (TaskKind.MULTIPLE_CHOICE, {"text": "a goal", "choices": ["wins", "loses"]}),
        (TaskKind.EXTRACTIVE_SUMMARIZATION, {"document": ["A goal.", "A film."]}),
    ):
        with (tmp_path / "rows.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(row)
            writer.writerow([one if isinstance(one, str) else write(one) for one in row.values()])
        (read,) = read_rows(tmp_path / "rows.csv", kind)
        assert read == ({"document": "A goal. A film."} if "document" in row else row)
