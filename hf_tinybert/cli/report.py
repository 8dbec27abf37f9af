"""`hf-tinybert report`: the page that tells the story of a model folder."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hf_tinybert.cli import options
from hf_tinybert.cli.loading import figures_alone, loading
from hf_tinybert.cli.outcome import tell
from hf_tinybert.cli.refusals import EXPECTED_ERRORS, refusal


def report(
    folder: Annotated[Path, typer.Argument(help="Of a model; gets report.html.")],
    data: Annotated[
        str | None, typer.Option(help="Hub name, folder or file of labelled rows; those of the run if none.")
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(help="Folder or Hub name; that of the run if none. Repeat it for several that taught as one."),
    ] = None,
    column: options.Columns = None,
    task: Annotated[
        list[str] | None, typer.Option(help="Of a multi-task folder: a task of the page, else all; repeat it.")
    ] = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "validation",
    rows: Annotated[int, typer.Option(help="Rows at most that student and teacher answer.")] = 1000,
    batch_size: options.BatchSize = 32,
    files_only: Annotated[
        bool, typer.Option("--files-only", help="Let no model answer: draw what the files tell.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Write report.html into a model folder: one page that holds all it shows.

    Student and teacher answer the same rows, and their layers are compared: the page shows where they disagree. Of a
    multi-task student every task is on it, each with its own teacher. What `distill` kept of their answers is not
    asked again.

    Example: hf-tinybert report student

    Example: hf-tinybert report student --data reviews.csv --split test

    Example: hf-tinybert report student --task news --task entities
    """
    console = Console(stderr=as_json)
    try:
        with figures_alone(as_json):
            with loading():
                from hf_tinybert.progress import ProgressDisplay
                from hf_tinybert.report import ReportSettings, write_report
            settings = ReportSettings(
                folder=folder,
                data=data,
                teacher=tuple(teacher) if teacher else None,
                columns=options.parse_pairs(column, "--column"),
                tasks=tuple(task or ()),
                split=split,
                rows=rows,
                batch_size=batch_size,
                compare=not files_only,
            )
            written = write_report(settings, ProgressDisplay(console))
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error
    if as_json:
        tell(
            {
                "report": str(written.path),
                "without_comparison": written.without_comparison,
                "tasks_without_comparison": [name for name in written.missing if name is not None],
            }
        )
        return
    if written.without_comparison:
        told = f"Student and teacher are not compared: {written.without_comparison}"
        console.print(escape(told), style="yellow", highlight=False, soft_wrap=True)
    console.print(f"Report: {escape(str(written.path))}", highlight=False, soft_wrap=True)


__all__ = ["report"]
