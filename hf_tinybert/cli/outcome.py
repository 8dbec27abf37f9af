"""What a verb shows at the end: its figures as a table for people, or as JSON for machines."""

import codecs
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import typer
from rich.console import Console, RenderableType


def show_outcome(
    figures: dict[str, Any],
    table: Callable[[dict[str, Any]], RenderableType],
    written: str | None,
    console: Console,
    *,
    as_json: bool,
) -> None:
    """Prints figures.

    Args:
        figures: of the run, JSON values.
        table: what a person sees of them.
        written: line that says where the results lie, in rich markup; None for none.
        console: for people.
        as_json: whether the figures go to standard output as JSON, in the place of table and line.
    """
    if as_json:
        tell(figures)
        return
    console.print(table(figures))
    if written is not None:
        console.print(written, highlight=False, soft_wrap=True)  # a path is copied in one piece


def tell(figures: Mapping[str, Any]) -> None:
    """One JSON object on standard output: all that a machine reads of a verb."""
    typer.echo(json_text(figures, sys.stdout, indent=2))


def json_text(value: Any, stream: TextIO, *, indent: int | None = None) -> str:  # noqa: ANN401 (any JSON value)
    """A value as JSON; letters that the stream may lack are escaped, as in a redirected output on Windows.

    Args:
        value: of JSON.
        stream: that it is written to.
        indent: of inner lines; None writes one line.
    """
    letters = codecs.lookup(stream.encoding or "utf-8").name == "utf-8"
    return json.dumps(value, indent=indent, ensure_ascii=not letters)


__all__ = ["json_text", "show_outcome", "tell"]
