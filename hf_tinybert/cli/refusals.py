"""What a verb says when it cannot do what was asked."""

import typer
from huggingface_hub.errors import StrictDataclassError
from rich.console import Console
from rich.markup import escape

EXPECTED_ERRORS = (ValueError, TypeError, OSError, ModuleNotFoundError, StrictDataclassError)


def refusal(error: Exception) -> typer.Exit:
    """One red message instead of a traceback, exit status 2."""
    Console(stderr=True).print(f"[bold red]error:[/bold red] {escape(str(error))}", highlight=False)
    return typer.Exit(2)


__all__ = ["EXPECTED_ERRORS", "refusal"]
