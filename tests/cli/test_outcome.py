"""Tests of what a verb shows at the end."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from hf_tinybert.cli.outcome import json_text, show_outcome

FIGURES = {"name": "Zürich", "score": 0.5}


def _table(figures):
    table = Table("name")
    table.add_row(figures["name"])
    return table


@pytest.mark.parametrize("as_json", [False, True])
def test_figures_are_a_table_or_json_and_never_both(as_json, capsys):
    """Prevents a program that reads the figures from meeting a table."""
    screen = io.StringIO()
    show_outcome(FIGURES, _table, "Model: here", Console(file=screen), as_json=as_json)
    printed = capsys.readouterr().out
    if as_json:
        assert json.loads(printed) == FIGURES and "Zürich" in printed and not screen.getvalue()
    else:
        assert not printed and "Zürich" in screen.getvalue() and "Model: here" in screen.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_json_fits_the_stream_that_it_is_written_to(encoding):
    """Prevents answers from being lost where standard output lacks a letter, as when Windows writes it into a file."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    text = json_text({"label": "好评"}, stream)
    stream.write(text)
    assert json.loads(text) == {"label": "好评"} and ("好评" in text) == (encoding == "utf-8")


def test_no_line_is_printed_where_nothing_was_written():
    """Prevents `None` below a table."""
    screen = io.StringIO()
    show_outcome(FIGURES, _table, None, Console(file=screen), as_json=False)
    assert "None" not in screen.getvalue()


def test_the_keys_of_the_figures_are_those_that_are_documented(teacher, student, distilled):
    """Prevents programs that are written after a document and miss a key."""
    document = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text(encoding="utf-8")
    figures = {
        "finetune": json.loads(Path(teacher, "figures.json").read_text(encoding="utf-8")),
        "distill": json.loads(distilled(student, "--json").stdout),  # finished: its figures again
    }
    for verb, given in figures.items():
        (row,) = re.findall(rf"^\| `{verb}` \| (.*) \|$", document, re.MULTILINE)
        of_some_runs = (
            {"without_model", "ensemble"} if verb == "distill" else {"without_model"}
        )  # summaries, several teachers
        documented = set(re.findall(r"`(\w+)`", row))
        assert documented == set(given) | of_some_runs
        assert not of_some_runs & set(given)
