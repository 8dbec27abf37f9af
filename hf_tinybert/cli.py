"""The command `hf-tinybert`: parse, call, report."""

import enum
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from huggingface_hub.errors import StrictDataclassError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from hf_tinybert.distillation.preflight import PreflightReport

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Distil BERT-like encoders into TinyBERTs.")
benchmark_app = typer.Typer(no_args_is_help=True, help="Measure on this machine.")
app.add_typer(benchmark_app, name="benchmark")
_TABLE_CAPTION = "undistilled: same shape, random start, as many passes"
_EXPECTED_ERRORS = (ValueError, TypeError, OSError, ModuleNotFoundError, StrictDataclassError)


class CheckpointFormat(enum.StrEnum):
    """What `convert` writes."""

    TINYBERT = "tinybert"
    BERT = "bert"


@app.callback()
def _verbs() -> None:
    """Distil BERT-like encoders into TinyBERTs."""


@app.command()
def quickstart(
    teacher: Annotated[str | None, typer.Option(help="Hub name or folder instead of all-MiniLM-L6-v2.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Hub name, folder or file instead of the BBC news.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Text column of --dataset, if not plain.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Label column of --dataset, if not plain.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for the student and summary.json.")] = Path("quickstart-output"),
    max_length: Annotated[int, typer.Option(help="Tokens per text; longer texts are cut.")] = 64,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    fast: Annotated[bool, typer.Option("--fast", help="A quarter of the data, for a first look.")] = False,
) -> None:
    """Distil a real teacher into a 4 x 312 student on real text, and show what was kept.

    Interrupted, the same command goes on where it stopped.

    Example: hf-tinybert quickstart --dataset reviews.csv --output reviews-student
    """
    console = Console()
    started = time.perf_counter()
    with console.status("loading torch and transformers"):
        from hf_tinybert.progress import ProgressDisplay
        from hf_tinybert.quickstart import FAST, Quickstart, QuickstartSettings, quiet_libraries
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
    quiet_libraries()
    try:
        run = Quickstart(settings, output, ProgressDisplay(console))
        summary = run.run()
        classified = run.classify()
    except _EXPECTED_ERRORS as error:
        raise _refusal(error) from error
    console.print(_quickstart_table(summary))
    console.print(_seconds_table(summary))
    console.print("The saved student, reloaded by AutoModelForSequenceClassification:")
    for sentence, label, probability in classified:
        shown = " ".join(sentence.split())
        shown = shown if len(shown) <= 56 else shown[:53] + "..."
        console.print(f"  {probability:4.0%} [bold]{escape(label):<14}[/bold] {escape(shown)}", highlight=False)
    console.print(
        f"\nStudent: {output / 'student'}   figures: {output / 'summary.json'}   "
        f"total {time.perf_counter() - started:.0f} s",
        highlight=False,
    )


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Folder to read.")],
    output: Annotated[Path, typer.Argument(help="Folder to write.")],
    to: Annotated[CheckpointFormat, typer.Option(help="tinybert or bert.")] = CheckpointFormat.TINYBERT,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is in the output folder.")] = False,
) -> None:
    """Convert a published TinyBERT folder to this package's format, or a TinyBERT folder to plain BERT.

    Example: hf-tinybert convert TinyBERT_General_4L_312D tinybert-4l-312
    """
    from hf_tinybert.models.conversion import convert_published_checkpoint, export_to_bert

    call = convert_published_checkpoint if to is CheckpointFormat.TINYBERT else export_to_bert
    try:
        written = call(source, output, overwrite=overwrite)
    except _EXPECTED_ERRORS as error:
        raise _refusal(error) from error
    Console().print(f"{escape(str(source))} -> {escape(str(written))} ({to})", highlight=False)


@app.command()
def doctor(
    teacher: Annotated[str, typer.Option(help="Hub name or folder.")],
    student: Annotated[str, typer.Option(help="Hub name or folder, or a preset: 4L-312, 6L-768.")] = "4L-312",
    dataset: Annotated[str | None, typer.Option(help="Hub name, folder or file; none looks at the models.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Text column of --dataset, if not plain.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Label column of --dataset, if not plain.")] = None,
    split: Annotated[str, typer.Option(help="Split that scores the teacher.")] = "validation",
    max_length: Annotated[int, typer.Option(help="Tokens per text; longer texts are cut.")] = 128,
    batch_size: Annotated[int, typer.Option(help="Texts per step, for the memory estimate.")] = 32,
    phase: Annotated[list[str] | None, typer.Option(help="Phase to train; repeat it. Both of the paper's.")] = None,
    layer_mapping: Annotated[str, typer.Option(help="uniform, last, first, or layers like 2,3,4,6.")] = "uniform",
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output, for machines.")] = False,
) -> None:
    """Examine a distillation before it is run: what will fail, what will work badly, and the cure.

    Exit status 0 when nothing failed, 1 when something did.

    Example: hf-tinybert doctor --teacher my-teacher --dataset reviews.csv --phase prediction-layer
    """
    console = Console()
    with Console(stderr=True).status("examining"):
        from hf_tinybert.doctor import Examination, examine
        from hf_tinybert.quickstart import quiet_libraries

        quiet_libraries()
        examination = Examination(
            teacher=teacher,
            student=student,
            dataset=dataset,
            text_column=text_column,
            label_column=label_column,
            split=split,
            max_length=max_length,
            batch_size=batch_size,
            layer_mapping=layer_mapping,
            **({"phases": tuple(phase)} if phase else {}),
        )
        try:
            report = examine(examination)
        except _EXPECTED_ERRORS as error:
            raise _refusal(error) from error
    if as_json:
        typer.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    else:
        console.print(_checks_table(report))
        console.print(report.summary(), highlight=False)
    raise typer.Exit(0 if report.ok else 1)


@benchmark_app.callback()
def _benchmarks() -> None:
    """Measure on this machine."""


@benchmark_app.command("train")
def benchmark_train(
    dataset: Annotated[str, typer.Option(help="Hub name, folder or file; its training rows are read.")],
    text_column: Annotated[list[str] | None, typer.Option(help="Of data without labels; repeat it for pairs.")] = None,
    tokenizer: Annotated[str | None, typer.Option(help="Hub name or folder instead of BERT's uncased.")] = None,
    teacher: Annotated[str | None, typer.Option(help="Hub name or folder; else random, as BERT-base.")] = None,
    student: Annotated[str | None, typer.Option(help="Hub name or folder; else random, 4 x 312.")] = None,
    phase: Annotated[str, typer.Option(help="joint, intermediate-layer or prediction-layer.")] = "joint",
    arms: Annotated[list[str] | None, typer.Option("--arm", help="Repeat it; all of them if none.")] = None,
    max_length: Annotated[int, typer.Option(help="Tokens per row; longer rows are cut.")] = 128,
    batch_size: Annotated[int, typer.Option(help="Rows per step.")] = 32,
    steps: Annotated[int, typer.Option(help="Steps of the engine in a repeat.")] = 40,
    textbook_steps: Annotated[int, typer.Option(help="Steps of the textbook in a repeat; divides --steps.")] = 4,
    repeats: Annotated[int, typer.Option(help="Counted repeats; one more comes first.")] = 3,
    dropout: Annotated[float, typer.Option(help="Of the random student.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of rows, weights and order.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the figures; finds them again.")] = None,
) -> None:
    """Time distillation steps: this package beside the loop that people write by hand, in turns.

    Interrupted, the same command with the same --json goes on where it stopped.

    Example: hf-tinybert benchmark train --dataset reviews.csv --max-length 128 --json train-speed.json
    """
    console = Console()
    with console.status("loading torch and transformers"):
        from hf_tinybert.benchmark import Arm, TrainingBenchmark, Workload, training_table
        from hf_tinybert.distillation.terms import Phase
        from hf_tinybert.progress import ProgressDisplay
        from hf_tinybert.quickstart import quiet_libraries
    quiet_libraries()
    try:
        workload = Workload(
            dataset=dataset,
            text_columns=tuple(text_column) if text_column else None,
            tokenizer=tokenizer,
            teacher=teacher,
            student=student,
            max_length=max_length,
            batch_size=batch_size,
            steps=steps,
            phase=Phase(phase),
            dropout=dropout,
            seed=seed,
        )
        measurement = TrainingBenchmark(
            workload,
            [Arm(arm) for arm in arms or Arm],
            textbook_steps=textbook_steps,
            repeats=repeats,
            file=json_file,
            display=ProgressDisplay(console),
        )
        run = measurement.run()
    except _EXPECTED_ERRORS as error:
        raise _refusal(error) from error
    console.print(training_table(run))


def main() -> None:
    """Entry point of the console script."""
    app()


def _refusal(error: Exception) -> typer.Exit:
    """One red message instead of a traceback, exit status 2."""
    Console(stderr=True).print(f"[bold red]error:[/bold red] {escape(str(error))}", highlight=False)
    return typer.Exit(2)


def _checks_table(report: "PreflightReport") -> Table:
    """One check a row; a cure stands below what was found, where it has the width of a terminal to itself."""
    styles = {"ok": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}
    table = Table(title="Preflight", show_lines=True)
    table.add_column("check", max_width=16)
    table.add_column("", no_wrap=True)
    table.add_column("found, and the cure", overflow="fold")
    for check in report.checks:
        found = escape(check.found) + (f"\n[bold]cure: {escape(check.cure)}[/bold]" if check.cure else "")
        table.add_row(check.name, f"[{styles[check.status]}]{check.status}[/]", found)
    return table


def _quickstart_table(summary: dict[str, Any]) -> Table:
    """The figures of a quickstart, one model a column."""
    rows = summary["test_rows"]
    table = Table(title=f"Test split: {rows} rows, {len(summary['labels'])} classes", caption=_TABLE_CAPTION)
    table.add_column("", no_wrap=True)
    for name in ("teacher", "student", "undistilled"):
        table.add_column(name, justify="right")
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
    table.add_column("", no_wrap=True)
    table.add_column("", justify="right")
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


if __name__ == "__main__":
    main()
