"""Whether quotation marks enclose the cells of a table."""

import csv

import pytest

from hf_tinybert.data.quotation_marks import quoting_of

PLAIN = '"Heat\tpos\nfoo "bar"\tneg\nbaz\tneg\n"Up" again\tpos\n'
SPANNING = '"Heat\tpos\nfoo\tneg\nthe end"\tneg\n'
LOST = 'foo\tneg\n"Heat\tpos\nbar\tneg\n'


@pytest.mark.parametrize("rows", [PLAIN, SPANNING, LOST])
def test_marks_of_a_tsv_whose_lines_are_rows_are_letters(tmp_path, rows):
    """Prevents rows between two stray marks, as in the files of GLUE, from being read as one with one label."""
    (tmp_path / "rows.tsv").write_text(f"text\tlabel\n{rows}")
    assert quoting_of(tmp_path / "rows.tsv", "\t") == csv.QUOTE_NONE


@pytest.mark.parametrize("cell", ['He said "no"', "two\nlines", "a\ttab", 'two\n\nlines and a "quotation"'])
def test_marks_around_cells_of_a_tsv_are_none_of_their_letters(tmp_path, cell):
    """Prevents texts with marks around them and doubled ones within."""
    with (tmp_path / "rows.tsv").open("w", newline="") as stream:
        csv.writer(stream, delimiter="\t").writerows([("text", "label"), (cell, "pos"), ("plain", "neg")])
    assert quoting_of(tmp_path / "rows.tsv", "\t") == csv.QUOTE_MINIMAL


def test_marks_around_lines_of_the_only_column_are_none_of_their_letters(tmp_path):
    """Prevents a text of two lines from becoming two texts, where no tab tells rows from lines."""
    (tmp_path / "rows.tsv").write_text('text\n"two\nlines"\n')
    assert quoting_of(tmp_path / "rows.tsv", "\t") == csv.QUOTE_MINIMAL


@pytest.mark.parametrize(
    ("name", "separator", "rows"),
    [
        ("rows.csv", ",", 'foo,neg\n"Up" again,pos\n'),
        ("rows.csv", ",", 'foo,neg\n"say \\"no\\" to it",pos\n'),
        ("rows.tsv", "\t", 'two"\tneg\n"two\nlines" more\tpos\n'),
    ],
)
def test_letters_behind_a_closing_mark_are_refused_with_their_line(tmp_path, name, separator, rows):
    """Prevents texts that lose their quotation marks, or the rows that stand between two of them."""
    (tmp_path / name).write_text(f"text{separator}label\n{rows}")
    line = 4 if separator == "\t" else 3
    with pytest.raises(ValueError, match=rf"behind the closing quotation mark .* in line {line} of `.*{name}`"):
        quoting_of(tmp_path / name, separator)


def test_marks_within_a_cell_that_has_none_around_it_are_letters(tmp_path):
    """Prevents the refusal of inches and of quotations in the middle of a text."""
    (tmp_path / "rows.csv").write_text('text,label\n6" nails,neg\nhe said "no" again,pos\n"a, b",pos\n\n')
    assert quoting_of(tmp_path / "rows.csv", ",") == csv.QUOTE_MINIMAL
