"""What a verb shows at the end: its figures as a table for people, or as JSON for machines."""

import json
from collections.abc import Callable, Mapping
from typing import Any

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
    typer.echo(json.dumps(figures, indent=2, ensure_ascii=False))


__all__ = ["show_outcome", "tell"]
