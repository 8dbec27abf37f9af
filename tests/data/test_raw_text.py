"""Documents of raw text."""

import json
from itertools import islice

import pytest
from datasets import Dataset, IterableDataset
from datasets.exceptions import DatasetNotFoundError

from hf_tinybert.data.raw_text import check_sources, describe_sources, each_once, read_documents


def write(file, text):
    file.write_text(text, encoding="utf-8")
    return str(file)


def write_rows(file, rows):
    return write(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def test_empty_lines_end_a_document_of_a_text_file(tmp_path):
    """Prevents a line for a document, and paragraphs that run into each other."""
    file = write(tmp_path / "books.txt", "\n\none\ntwo \n\n   \nthree\u2028four\n\n\nfive")
    assert list(read_documents([file])) == ["one\ntwo ", "three\u2028four", "five"]


@pytest.mark.parametrize("ending", [".jsonl", ".JSON", ".csv", ".tsv", ".parquet"])
def test_a_row_is_a_document_in_every_other_format(tmp_path, ending):
    """Prevents rows that are cut at empty lines, joined, or read from the label."""
    file, rows = tmp_path / f"rows{ending}", [{"text": "one\n\ntwo", "label": 3}, {"text": "NA", "label": 4}]
    match ending:
        case ".jsonl":
            write_rows(file, rows)
        case ".JSON":
            write(file, json.dumps(rows))
        case ".parquet":
            Dataset.from_list(rows).to_parquet(file)
        case _:
            Dataset.from_list(rows).to_csv(file, sep="\t" if ending == ".tsv" else ",")
    assert list(read_documents([str(file)])) == ["one\n\ntwo", "NA"]


def test_sources_come_one_after_the_other_each_with_its_own_columns(tmp_path):
    """Prevents a source without the first named column from being left out."""
    rows = [{"question": f"q{index}", "context": f"c{index}", "id": f"i{index}"} for index in range(2)]
    files = [
        write_rows(tmp_path / "pairs.jsonl", rows),
        write(tmp_path / "plain.txt", "plain"),
        write_rows(tmp_path / "words.jsonl", [{"tokens": ["a", "film"], "tags": [0, 1]}]),
        write_rows(tmp_path / "only.jsonl", [{"body": "the only texts", "stars": 3}]),
    ]
    found = list(read_documents(files, ("context", "question", "tokens")))
    assert found == ["c0", "q0", "c1", "q1", "plain", "a film", "the only texts"]


def test_columns_that_no_source_has_are_refused(tmp_path):
    """Prevents a misspelt column for which the only texts of a source are read, and one of plain text."""
    plain, rows = write(tmp_path / "plain.txt", "plain"), write_rows(tmp_path / "rows.jsonl", [{"body": "texts"}])
    check_sources([plain, rows])
    check_sources([plain, rows], ("body",))
    check_sources([plain, rows], ("title", "body"))  # of each source those that it has
    for sources, columns, named in (([rows], ("bodi",), "`bodi`"), ([plain], ("body", "a"), "`body` or `a`")):
        with pytest.raises(ValueError, match=f"expected {named} among the columns of `.*`, got none of them"):
            check_sources(sources, columns)


def test_empty_documents_are_left_out(tmp_path):
    """Prevents separators without a document between them."""
    rows = [{"text": value} for value in ("one", "", None, "  \n", "\0\0", "\u200b", "two")]
    assert list(read_documents([write_rows(tmp_path / "rows.jsonl", rows)])) == ["one", "two"]
    assert list(read_documents([write(tmp_path / "rows.txt", "one\n\u200b\ntwo\n\n\0\n")])) == ["one", "two"]


def test_rows_without_a_text_are_warned_of(tmp_path, caplog):
    """Prevents half of a corpus from being left out, whose rows have their texts in another column."""
    rows = [{"text" if index % 2 else "body": f"text {index}"} for index in range(10)]
    file = write_rows(tmp_path / "rows.jsonl", rows)
    assert len(list(read_documents([file], warns=False))) == 5 and not caplog.text
    assert len(list(read_documents([file]))) == 5
    assert "5 of 10 rows of" in caplog.text and "have no text in `text`" in caplog.text
    caplog.clear()
    assert len(list(read_documents([file], ("text", "body")))) == 10 and not caplog.text


def test_another_column_than_the_one_that_was_named_is_told(tmp_path, caplog):
    """Prevents a column that one of the files calls otherwise from passing, because that has only one of texts."""
    file = write_rows(tmp_path / "rows.jsonl", [{"title": "one", "id": 1}])
    check_sources([file])
    assert not caplog.text
    check_sources([file, write_rows(tmp_path / "others.jsonl", [{"name": "two"}])], ("name",))
    assert "rows.jsonl` has none of the columns `name`: its only column of texts, `title`, is read" in caplog.text
    assert caplog.text.count("has none") == 1


def test_documents_are_the_same_wherever_they_lie_in_a_long_file(tmp_path, monkeypatch):
    """Prevents documents lost or doubled where the rows that are read at once end."""
    monkeypatch.setattr("hf_tinybert.data.raw_text._ROWS", 3)
    wanted = [f"document {index}\nsecond line" for index in range(10)]
    rows = write_rows(tmp_path / "rows.jsonl", [{"text": text} for text in wanted])
    for source in (rows, write(tmp_path / "plain.txt", "\n\n".join(wanted))):
        assert list(read_documents([source])) == wanted


def test_a_data_set_of_the_hub_is_streamed(monkeypatch):
    """Prevents a download of what is larger than the disk, and a lost configuration."""
    asked = []

    def rows():
        for index in range(10**9):
            yield {"text": f"document {index}"}

    def load(*names, **options):
        asked.append((names, options))
        return IterableDataset.from_generator(rows)

    monkeypatch.setattr("hf_tinybert.data.raw_text.load_dataset", load)
    monkeypatch.setattr("hf_tinybert.data.raw_text._ROWS", 2)
    assert list(islice(read_documents(["owner/books:english"]), 3)) == [f"document {index}" for index in range(3)]
    assert asked == [(("owner/books", "english"), {"split": "train", "streaming": True})]


def test_documents_that_come_again_are_left_out():
    """Prevents boilerplate from being trained on a thousand times."""
    assert list(each_once(["a", "b", "a", "c", "b", "a"])) == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["nowhere.txt", "owner/nowhere", "owner/nowhere:english"])
def test_what_is_nowhere_is_named(name):
    """Prevents a traceback of the hub's client for a typing error."""
    with pytest.raises(FileNotFoundError, match=f"expected a file or a data set on the hub, got `{name}`"):
        check_sources([name])


def test_a_configuration_that_the_hub_does_not_have_is_named(monkeypatch):
    """Prevents a traceback that does not say which of many sources it is of."""

    def load(*names, **options):
        raise DatasetNotFoundError("no such thing")

    monkeypatch.setattr("hf_tinybert.data.raw_text.load_dataset", load)
    with pytest.raises(FileNotFoundError, match=r"`owner/books:dutch`.*no such thing"):
        check_sources(["owner/books:dutch"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "rows.txt",
            "gr\u00f6\u00dfer\n".encode("latin-1"),
            r"UTF-8 text in `.*rows.txt`, got the byte 0xf6 at offset 2",
        ),
        ("rows.jsonl", b'{"text": "ok"}\n{"text": "\xe9"}\n', r"the byte 0xe9 at offset 25 \(line 2\)"),
        ("rows.txt", b"", r"expected rows in `.*`, got an empty file"),
        ("rows.pdf", b"text", r"endings .*\.txt.*, got the file `.*rows.pdf`.* unpack"),
        ("rows.jsonl", b'{"title": "a", "body": "b"}\n', r"columns `text` in `.*`, got `title`, `body`; .* name them"),
        ("rows.jsonl", b'{"label": 1}\n', r"columns `text` in `.*`, got `label`"),
        ("rows.jsonl", b'{"text": 1}\n', r"lists of words in the column `text` of `.*rows.jsonl`, got 1"),
        ("rows.jsonl", b'{"text": [1, 2]}\n', r"lists of words in the column `text` of `.*rows.jsonl`, got \[1, 2\]"),
    ],
)
def test_what_cannot_be_read_is_refused_before_the_first_document(tmp_path, name, content, message):
    """Prevents hours of tokenising that end at the last of many files."""
    (tmp_path / name).write_bytes(content)
    good = write(tmp_path / "good.txt", "a film")
    with pytest.raises(ValueError, match=message):
        check_sources([good, str(tmp_path / name)])


def test_a_folder_is_refused(tmp_path):
    """Prevents the lines of its files from being taken for documents, as the `datasets` library reads a folder."""
    write(tmp_path / "good.txt", "a film")
    with pytest.raises(ValueError, match="got the folder .* name its files"):
        check_sources([str(tmp_path)])


def test_files_are_known_again_by_what_they_hold(tmp_path):
    """Prevents blocks of a file's old content from being taken for those of its new one."""
    first, second = (write(tmp_path / name, "a film") for name in ("one.txt", "two.txt"))
    before = describe_sources([first, second, "owner/books"])
    assert before[0] == before[1] and before[2] == "owner/books"
    write(tmp_path / "two.txt", "a song")
    assert describe_sources([second]) != before[1:2]
