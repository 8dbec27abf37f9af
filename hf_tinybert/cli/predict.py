"""`hf-tinybert predict`: JSONL out, one line per row, in the order of the rows."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, TextIO

import typer

from hf_tinybert.cli import options
from hf_tinybert.cli.loading import figures_alone, loading
from hf_tinybert.cli.outcome import json_text
from hf_tinybert.cli.refusals import EXPECTED_ERRORS, refusal


def predict(
    model: options.Model,
    source: Annotated[str, typer.Argument(help="A text, a JSON row, a file, or `-` for standard input.")] = "-",
    output: Annotated[Path | None, typer.Option(help="File instead of standard output.")] = None,
    kind: options.ModelKind = None,
    column: options.Columns = None,
    task: options.HeadTask = None,
    batch_size: options.BatchSize = 32,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help='Write {"error": ...} for a row that cannot be read.')
    ] = False,
) -> None:
    """Answer every row, as JSON lines in the order of the rows; nothing is left out silently.

    Files are JSONL, JSON, CSV, TSV, Parquet, or .txt with one text per line. Standard input is JSONL or text lines.

    Example: hf-tinybert predict student "A film that stays with you."

    Example: hf-tinybert predict qa-student questions.jsonl --output answers.jsonl

    Example: cat texts.txt | hf-tinybert predict student - | jq .label
    """
    try:
        _check_output(output, source)
        answers_go_to = sys.stdout
        with figures_alone():
            with loading():
                from hf_tinybert.workflow import predict as run

            predictions = run(
                model,
                source,
                task=task,
                kind=kind,
                columns=options.parse_pairs(column, "--column"),
                batch_size=batch_size,
                skip_bad_rows=skip_bad_rows,
            )
            # opened last: a mistyped model, or a first row that is refused, leaves an earlier file of answers alone
            first = list(islice(predictions, 1))
            with _opened(output, answers_go_to) as stream:
                for prediction in chain(first, predictions):
                    stream.write(json_text(prediction, stream) + "\n")
                    stream.flush()  # whoever reads along need not wait for some hundred more
    except BrokenPipeError:
        # the reader has all it wanted; Python would complain once more when it closes its standard output
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error


def _check_output(output: Path | None, source: str) -> None:
    """Refuse to write where no file can be, and into the file that is read: opening it would empty it."""
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        got = f"the folder `{output}`" if output.is_dir() else f"`{output}`, whose folder there is not"
        raise ValueError(
            f"expected a file for the answers, got {got}; because answers would have no place; name another"
        )
    try:
        same = output is not None and output.samefile(source)
    except OSError:  # one of them is no file
        return
    if same:
        raise ValueError(
            f"expected another file for the answers than the rows, got `{output}` for both; because the rows would be "
            "lost; name another"
        )


@contextmanager
def _opened(output: Path | None, stream: TextIO) -> Iterator[TextIO]:
    if output is None:
        yield stream
        return
    with output.open("w", encoding="utf-8") as file:
        yield file


__all__ = ["predict"]
