"""`hf-tinybert doctor`: a distillation examined before it is run."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hf_tinybert.cli import options
from hf_tinybert.cli.loading import figures_alone, loading
from hf_tinybert.cli.outcome import tell
from hf_tinybert.cli.refusals import EXPECTED_ERRORS, refusal

if TYPE_CHECKING:
    from hf_tinybert.distillation.preflight import PreflightReport


def doctor(
    teacher: Annotated[list[str], typer.Option(help="Hub name or folder; repeat it for several that teach as one.")],
    teacher_weights: options.TeacherWeights = None,
    student: Annotated[str, typer.Option(help="Hub name or folder, or a preset: 4L-312, 6L-768.")] = "4L-312",
    dataset: Annotated[str | None, typer.Option(help="Hub name, folder or file; none looks at the models.")] = None,
    kind: options.Kind = None,
    column: options.Columns = None,
    split: Annotated[str, typer.Option(help="Split that scores the teacher.")] = "validation",
    max_length: Annotated[int, typer.Option(help="Tokens per text; longer texts are cut.")] = 128,
    batch_size: Annotated[int, typer.Option(help="Texts per step, for the memory estimate.")] = 32,
    recipe: options.Recipe = None,
    phase: Annotated[list[str] | None, typer.Option(help="Phase to train; repeat it; the recipe's if none.")] = None,
    layer_mapping: options.LayerMapping = None,
    task: Annotated[str | None, typer.Option(help="Of a multi-task teacher: the head that teaches.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Examine a distillation before it is run: what will fail, what will work badly, and the cure.

    Exit status 0 when nothing failed, 1 when something did.

    Example: hf-tinybert doctor --teacher my-teacher --dataset reviews.csv --phase prediction-layer
    """
    console = Console()
    with figures_alone(as_json):
        with loading():
            from hf_tinybert.doctor import Examination, examine
        with Console(stderr=True).status("examining"):
            try:
                examination = Examination(
                    teacher=tuple(teacher),
                    teacher_weights=options.parse_numbers(teacher_weights, "--teacher-weights"),
                    student=student,
                    dataset=dataset,
                    kind=kind,
                    columns=options.parse_pairs(column, "--column"),
                    split=split,
                    max_length=max_length,
                    batch_size=batch_size,
                    recipe=recipe,
                    phases=tuple(phase) if phase else None,
                    layer_mapping=layer_mapping,
                    task=task,
                )
                report = examine(examination)
            except EXPECTED_ERRORS as error:
                raise refusal(error) from error
    if as_json:
        tell(report.to_dict())
    else:
        console.print(_checks_table(report))
        console.print(report.summary(), highlight=False)
    raise typer.Exit(0 if report.ok else 1)


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


__all__ = ["doctor"]
