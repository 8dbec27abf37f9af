"""Rows of one file."""

import json
import os

import pytest
from datasets import Dataset

from hf_tinybert.data.data_files import FORMATS, read_data_file

ROWS = [{"text": "NA", "label": 0}, {"text": "größer, “quoted”", "label": 1}, {"text": "line\u2028inside", "label": 0}]


def write(file, rows):
    frame = Dataset.from_list(rows)
    match file.suffix.lower():
        case ".jsonl":
            frame.to_json(file, force_ascii=False)
        case ".json":
            file.write_text(json.dumps(rows, indent=1), encoding="utf-8")
        case ".csv":
            frame.to_csv(file)
        case ".tsv":
            frame.to_csv(file, sep="\t")
        case ".parquet":
            frame.to_parquet(file)


@pytest.mark.parametrize("ending", sorted({*FORMATS, ".JSONL"} - {".txt"}))
def test_every_format_gives_the_same_rows(tmp_path, ending):
    """Prevents a format in which a text is changed, such as "NA" into a missing one."""
    write(tmp_path / f"rows{ending}", ROWS)
    assert read_data_file(tmp_path / f"rows{ending}").to_list() == ROWS


def test_a_text_file_has_a_text_per_line(tmp_path):
    """Prevents lines that are joined, cut at other separators or lost."""
    (tmp_path / "rows.txt").write_bytes("one\r\n\ntwo\u2028 and\nthree".encode())
    assert read_data_file(tmp_path / "rows.txt")["text"][:] == ["one", "", "two\u2028 and", "three"]


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".txt"])
def test_other_encodings_are_refused_with_the_place_of_the_first_wrong_byte(tmp_path, ending):
    """Prevents texts with wrong letters, and an error that does not say where."""
    before = '{"text": "é"}\n{"text": "ok"}\n{"text": "'.encode()
    (tmp_path / f"rows{ending}").write_bytes(before + b"\xe9t\xe9\n")
    message = rf"expected UTF-8 text in `.*`, got the byte 0xe9 at offset {len(before)} \(line 3\)"
    with pytest.raises(ValueError, match=message):
        read_data_file(tmp_path / f"rows{ending}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", '{"text": "a"}\n{"text": "b', r"a JSON object in line 2 of `.*rows.jsonl`"),
        ("rows.jsonl", '{"text": "a"}\n{"text": 3}\n', r"expected text in `text` in line 2"),
        ("rows.jsonl", '{"text": "a"}\n\n{"text": "b"}\n', r"line 2 of `.*`, got an empty line"),
        ("rows.jsonl", '{"text": "a"} {"text": "b"}\n', r"line 1 .*Extra data"),
        ("rows.json", '[{"text": "a"},\n {"text": ]', r"a JSON list of rows in `.*rows.json`.*line 2 column 11"),
        ("rows.json", '{"text": "a"}\n{"text": "b', r"a JSON object in line 2 of `.*rows.json`"),
        ("rows.jsonl", 'null\n{"text": "a"}\n', r"a JSON object in line 1 of `.*`, got null"),
        ("rows.json", '[null, {"text": "a"}]', r"a JSON list of rows in `.*rows.json`, got `null` as its first"),
        ("rows.csv", 'text,label\na,0\n"b,1\n', r"expected csv rows in `.*rows.csv`, got none that can be read"),
        ("rows.csv", "text,label\na,0\nb,1,2\n", r"expected csv rows .*Expected 2 fields in line 3, saw 3"),
        ("rows.csv", "text,label\n", r"expected csv rows in `.*rows.csv`, got none that can be read"),
        (
            "rows.csv",
            "text;label\na, b;0\nb;1\n",
            r"expected commas .*rows.csv`, got the header `text;label` with semi",
        ),
        ("rows.tsv", "text,label\na,0\n", r"expected tabs .*rows.tsv`, got the header `text,label` with commas"),
        ("rows.parquet", "text", r"expected parquet rows in `.*rows.parquet`, got none that can be read"),
        ("rows.txt", "", r"expected rows in `.*rows.txt`, got an empty file"),
    ],
)
def test_a_damaged_file_is_refused_by_name_and_line(tmp_path, name, content, message):
    """Prevents an error that does not say what to mend, and rows that vanish unsaid."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_data_file(tmp_path / name)


def test_an_empty_end_and_a_missing_last_line_break_lose_nothing(tmp_path):
    """Prevents a sound file from being refused for how it ends."""
    for end in ("", "\n", "\n\n  \n"):
        (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n{"text": "b"}' + end, encoding="utf-8")
        assert read_data_file(tmp_path / "rows.jsonl")["text"][:] == ["a", "b"]


@pytest.mark.parametrize(("name", "header"), [("rows.csv", "text; cleaned"), ("rows.tsv", "text, cleaned")])
def test_one_column_whose_name_has_a_sign_is_read(tmp_path, name, header):
    """Prevents a sound table of one column from being refused for the punctuation of its name."""
    (tmp_path / name).write_text(f"{header}\na film\n")
    assert read_data_file(tmp_path / name).to_list() == [{header: "a film"}]


def test_a_name_with_signs_of_a_pattern_is_that_file_alone(tmp_path):
    """Prevents the rows of `a1.csv` in the place of those of `a[1].csv`, and a sound file that is called damaged."""
    for name, text in (("a[1].csv", "own"), ("a1.csv", "other"), ("a[1].jsonl", '{"text": "own"}'), ("b*.txt", "own")):
        (tmp_path / name).write_text(text + "\n" if name.endswith(("jsonl", "txt")) else f"text\n{text}\n")
    (tmp_path / "b2.txt").write_text("other\n")
    for name in ("a[1].csv", "a[1].jsonl", "b*.txt"):
        assert read_data_file(tmp_path / name)["text"][:] == ["own"]


def test_rows_with_more_cells_than_the_header_are_said(tmp_path, caplog):
    """Prevents columns that are all shifted by one, unsaid."""
    (tmp_path / "rows.csv").write_text("text,label\nfirst,a film,good\nsecond,a game,bad\n")
    assert read_data_file(tmp_path / "rows.csv").to_list() == [
        {"text": "a film", "label": "good"},
        {"text": "a game", "label": "bad"},
    ]
    assert "have more cells than its header" in caplog.text


@pytest.mark.parametrize("ending", [".txt", ".csv", ".jsonl"])
def test_a_byte_order_mark_is_no_letter(tmp_path, ending):
    """Prevents a first word that no vocabulary has, from files that editors on Windows write."""
    text = {".txt": "film\n", ".csv": "text\nfilm\n", ".jsonl": '{"text": "film"}\n'}[ending]
    (tmp_path / f"rows{ending}").write_text(text, encoding="utf-8-sig")
    assert read_data_file(tmp_path / f"rows{ending}")[:] == {"text": ["film"]}


def test_rows_between_two_stray_quotation_marks_of_a_tsv_stay_rows(tmp_path):
    """Prevents four rows that become one, with the label of the last, in files of tabs without quotation."""
    (tmp_path / "rows.tsv").write_text('text\tlabel\n"Heat\tpos\nfoo\tneg\nbar\tneg\n"Up" again\tpos\n')
    assert read_data_file(tmp_path / "rows.tsv")[:] == {
        "text": ['"Heat', "foo", "bar", '"Up" again'],
        "label": ["pos", "neg", "neg", "pos"],
    }


@pytest.mark.parametrize(("name", "separator"), [("rows.csv", ","), ("rows.tsv", "\t")])
def test_two_columns_of_one_name_are_refused(tmp_path, name, separator):
    """Prevents a second `text` that becomes `text.1` and is read by nothing."""
    (tmp_path / name).write_text(separator.join(["text", "label", "text"]) + "\n" + separator.join("abc") + "\n")
    with pytest.raises(ValueError, match=f"^expected a name of its own for each column of `.*{name}`, got `text`"):
        read_data_file(tmp_path / name)


def test_letters_behind_the_closing_quotation_mark_of_a_csv_are_refused(tmp_path):
    """Prevents a text that loses its quotation marks without a word."""
    (tmp_path / "rows.csv").write_text('text,label\nfoo,neg\n"Up" again,pos\n')
    with pytest.raises(ValueError, match=r"closing quotation mark of a cell in line 3 of `.*rows.csv`"):
        read_data_file(tmp_path / "rows.csv")


@pytest.mark.parametrize("ending", sorted(FORMATS))
def test_a_file_in_the_place_of_another_of_its_size_and_time_is_read(tmp_path, ending):
    """Prevents rows of a file that is no more, which the library knows again by path, size and time of change."""
    file = tmp_path / f"rows{ending}"
    found = []
    for text in ("a film", "a game"):
        if ending == ".txt":
            file.write_text(f"{text}\n" * 3)
        else:
            write(file, [{"text": text}] * 3)
        os.utime(file, (1_000_000, 1_000_000))
        found.append(read_data_file(file)["text"][:])
    assert found == [["a film"] * 3, ["a game"] * 3]
