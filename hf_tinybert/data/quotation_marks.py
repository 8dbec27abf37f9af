"""Whether quotation marks enclose the cells of a table, or are letters of its texts."""

import csv
from pathlib import Path
from typing import Literal

__all__ = ["quoting_of"]

_LONGEST_CELL = 2**31 - 1  # characters; the reader's own limit is 131,072
_TAB = "\t"
_BEHIND = "expected after"  # what the reader says of letters behind a closing mark


def quoting_of(file: Path, separator: str) -> Literal[0, 3]:
    """Gives the way in which a table is to be read: `csv.QUOTE_MINIMAL`, or `csv.QUOTE_NONE` where marks are letters.

    They are in tables with tabs of which every line is a row, as those of GLUE: read as around cells, two stray marks
    at the beginning of texts would make one row of all between them. From here on the reader of the standard library
    takes cells of any length.

    Args:
        file: UTF-8 text; its first line is the header.
        separator: of the cells.

    Raises:
        ValueError: If there are letters behind the mark that closes a cell; the line is named.
    """
    csv.field_size_limit(_LONGEST_CELL)
    spans, behind = False, 0
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, delimiter=separator, strict=True)
        before = 0
        try:
            for _ in reader:
                spans = spans or reader.line_num > before + 1
                before = reader.line_num
        except csv.Error as error:
            spans, behind = True, reader.line_num if _BEHIND in str(error) else 0
    if spans and separator == _TAB and _lines_are_rows(file):
        return csv.QUOTE_NONE
    if behind:
        raise ValueError(
            f"expected a separator or the end of the row behind the closing quotation mark of a cell in line "
            f"{behind:,} of `{file}`, got letters; because the text would lose its marks, or be joined with the rows "
            'after it; write a mark within a cell twice ("") and the cell between marks, or save JSON lines'
        )
    return csv.QUOTE_MINIMAL


def _lines_are_rows(file: Path) -> bool:
    """Whether every line has as many cells as the header, marks or not; lines of one cell do not tell."""
    with file.open(encoding="utf-8-sig") as stream:
        tabs = stream.readline().count(_TAB)
        return tabs > 0 and all(line.count(_TAB) == tabs for line in stream if line.strip("\r\n"))
