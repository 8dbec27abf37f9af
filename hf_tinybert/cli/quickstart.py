"""`hf-tinybert quickstart`: a real teacher, a student and every figure, in one command."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hf_tinybert.cli import options
from hf_tinybert.cli.loading import figures_alone, loading
from hf_tinybert.cli.outcome import tell
from hf_tinybert.cli.refusals import EXPECTED_ERRORS, refusal, run_display
from hf_tinybert.cli.tables import add_columns

_TABLE_CAPTION = "undistilled: same shape, random start, as many passes"


def quickstart(
    teacher: Annotated[str | None, typer.Option(help="Hub name or folder instead of all-MiniLM-L6-v2.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Hub name, folder or file instead of the BBC news.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Text column of --dataset, if not plain.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Label column of --dataset, if not plain.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for the student and summary.json.")] = Path("quickstart-output"),
    max_length: Annotated[int, typer.Option(help="Tokens per text; longer texts are cut.")] = 64,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    fast: Annotated[bool, typer.Option("--fast", help="A quarter of the data, for a first look.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Distil a real teacher into a 4 x 312 student on real text, and show what was kept.

    Interrupted, the same command goes on where it stopped.

    Example: hf-tinybert quickstart --dataset reviews.csv --output reviews-student
    """
    console = Console(stderr=as_json)
    started = time.perf_counter()
    try:
        with figures_alone(as_json):
            with loading():
                from hf_tinybert.quickstart import FAST, Quickstart, QuickstartSettings
            settings = QuickstartSettings(
                teacher=teacher,
                dataset=dataset,
                text_column=text_column,
                label_column=label_column,
                max_length=max_length,
                seed=seed,
            )
            if fast:
                settings = replace(settings, **FAST)
            with run_display(console) as display:
                run = Quickstart(settings, output, display)
                summary = run.run()
                classified = run.classify()
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error
    if as_json:
        tell(summary)
        return
    console.print(_quickstart_table(summary))
    console.print(_seconds_table(summary))
    console.print("The saved student, reloaded by AutoModelForSequenceClassification:")
    for sentence, label, probability in classified:
        shown = " ".join(sentence.split())
        shown = shown if len(shown) <= 56 else shown[:53] + "..."
        console.print(f"  {probability:4.0%} [bold]{escape(label):<14}[/bold] {escape(shown)}", highlight=False)
    console.print(
        f"\nStudent: {escape(str(output / 'student'))}   figures: {escape(str(output / 'summary.json'))}   "
        f"total {time.perf_counter() - started:.0f} s",
        highlight=False,
    )


def _quickstart_table(summary: dict[str, Any]) -> Table:
    """The figures of a quickstart, one model a column."""
    rows = summary["test_rows"]
    table = Table(title=f"Test split: {rows} rows, {len(summary['labels'])} classes", caption=_TABLE_CAPTION)
    add_columns(table, ("teacher", "student", "undistilled"))
    table.add_row(
        "accuracy",
        *(f"{summary[f'{name}_test_accuracy']:.1%}" for name in ("teacher", "student", "undistilled")),
    )
    table.add_row("  before distillation", "", f"{summary['initialized_test_accuracy']:.1%}", "")
    undistilled = summary["undistilled_test_accuracy"] / summary["teacher_test_accuracy"]
    table.add_row("retention", "100%", f"{summary['retention']:.1%}", f"{undistilled:.1%}")
    for label, key, form in (
        ("parameters", "parameters", "{:,}"),
        ("megabytes", "megabytes", "{:.1f}"),
        ("sentences/s, batch 1", "sentences_per_second_batch_1", "{:.1f}"),
        ("sentences/s, batch 32", "sentences_per_second_batch_32", "{:.1f}"),
    ):
        student = form.format(summary[f"student_{key}"])
        same_shape = student if key in ("parameters", "megabytes") else "as student"
        table.add_row(label, form.format(summary[f"teacher_{key}"]), student, same_shape)
    return table


def _seconds_table(summary: dict[str, Any]) -> Table:
    """What a quickstart took, one stage a row; a phase that an earlier, interrupted run trained has no figure."""
    table = Table(title="Seconds")
    add_columns(table, ("",))
    for label, key in (
        ("teacher, fine-tuning", "teacher"),
        ("undistilled, training", "undistilled"),
        ("student, initialisation", "initialization"),
        ("student, intermediate-layer phase", "intermediate_layer"),
        ("student, prediction-layer phase", "prediction_layer"),
        ("scores", "scores"),
        ("speed", "speed"),
    ):
        seconds = summary.get(f"{key}_seconds")
        table.add_row(label, "" if seconds is None else f"{seconds:.1f}")
    return table


__all__ = ["quickstart"]
