"""Tests of the header of a table."""

import csv

import pytest

from hf_tinybert.data.table_header import check_header


@pytest.mark.parametrize(
    ("separator", "header", "places"),
    [
        (",", "text,label,text", "1, 3"),
        ("\t", "label\ttext\ttext", "2, 3"),
        (",", '"text",label,text', "1, 3"),
        (",", "\n\ntext,label,text", "1, 3"),
        (",", "\ufefftext,text,text", "1, 2, 3"),
    ],
)
def test_two_columns_of_one_name_are_refused(tmp_path, separator, header, places):
    """Prevents a column that is passed over without a word."""
    (tmp_path / "rows.csv").write_text(f"{header}\na{separator}b{separator}c\n", encoding="utf-8")
    said = f"for each column of `.*rows.csv`, got `text` for the columns {places}; because only one"
    with pytest.raises(ValueError, match=said):
        check_header(tmp_path / "rows.csv", separator, csv.QUOTE_MINIMAL)


@pytest.mark.parametrize("header", ["text,label", ",text,", "text,Text,text ", '"a,a","a"', ""])
def test_other_headers_pass(tmp_path, header):
    """Prevents sound tables, and those with columns without names, from being refused."""
    (tmp_path / "rows.csv").write_text(f"{header}\n", encoding="utf-8")
    check_header(tmp_path / "rows.csv", ",", csv.QUOTE_MINIMAL)
    (tmp_path / "rows.tsv").write_text('"text\t"text"\n', encoding="utf-8")
    check_header(tmp_path / "rows.tsv", "\t", csv.QUOTE_NONE)
