"""`hf-tinybert demo`: a page on which student and teacher answer side by side."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hf_tinybert.cli import options
from hf_tinybert.cli.loading import loading
from hf_tinybert.cli.refusals import EXPECTED_ERRORS, refusal
from hf_tinybert.cli.termination import Terminated


def demo(
    model: options.Model,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder or Hub name; without it the folder tells where its teacher lies. Repeat it for several that "
            "taught as one."
        ),
    ] = None,
    no_teacher: Annotated[bool, typer.Option("--no-teacher", help="The student alone.")] = False,
    task: options.HeadTask = None,
    kind: options.ModelKind = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="The first free one from 7860 on if none.")] = None,
    share: Annotated[
        bool, typer.Option("--share", help="A public address for a week, by way of Gradio's servers.")
    ] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open a browser.")] = False,
) -> None:
    """Type a text, see the answers of student and teacher side by side, and the time of each.

    Everything stays on this machine unless `--host` or `--share` says otherwise. A multi-task model has a tab for
    each task.

    Example: hf-tinybert demo student

    Example: hf-tinybert demo student-int8 --teacher teacher --port 8000 --open
    """
    console = Console()
    try:
        if teacher and no_teacher:
            raise ValueError("expected `--teacher` or `--no-teacher`, got both; leave one out")
        with loading():
            from hf_tinybert.demo import ServeSettings, build_page, hold, import_gradio, open_comparisons, serve
            from hf_tinybert.distillation.record import public_name

            settings = ServeSettings(host, port, share, open_browser)
            import_gradio()  # before models are loaded: a missing one is told at once
            comparisons = open_comparisons(
                model, teacher=teacher or None, with_teacher=not no_teacher, task=task, kind=kind
            )
            page = build_page(comparisons, public_name(model))
            address = serve(page, settings)
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error
    for told in dict.fromkeys(one.told for one in comparisons.values() if one.told):
        console.print(escape(told), highlight=False)
    console.print(f"[bold]{escape(address)}[/bold]   Ctrl+C ends it.", highlight=False)
    try:
        hold(page)
    except Terminated:
        raise
    except KeyboardInterrupt:  # the way to end it
        console.print("closed", highlight=False)


__all__ = ["demo"]
