"""`hf-tinybert convert`: published TinyBERT folders to this package's format, and its folders to plain BERT."""

import enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hf_tinybert.cli import options
from hf_tinybert.cli.loading import figures_alone, loading
from hf_tinybert.cli.outcome import tell
from hf_tinybert.cli.refusals import EXPECTED_ERRORS, refusal


class CheckpointFormat(enum.StrEnum):
    """What `convert` writes."""

    TINYBERT = "tinybert"
    BERT = "bert"


def convert(
    source: Annotated[Path, typer.Argument(help="Folder to read.")],
    output: Annotated[Path, typer.Argument(help="Folder to write.")],
    to: Annotated[CheckpointFormat, typer.Option(help="tinybert or bert.")] = CheckpointFormat.TINYBERT,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is in the output folder.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Convert a published TinyBERT folder to this package's format, or a TinyBERT folder to plain BERT.

    Example: hf-tinybert convert TinyBERT_General_4L_312D tinybert-4l-312
    """
    try:
        with figures_alone(as_json):
            with loading():
                from hf_tinybert.models.conversion import convert_published_checkpoint, export_to_bert

            call = convert_published_checkpoint if to is CheckpointFormat.TINYBERT else export_to_bert
            written = call(source, output, overwrite=overwrite)
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error
    if as_json:
        tell({"source": str(source), "output": str(written), "to": str(to)})
        return
    Console().print(f"{escape(str(source))} -> {escape(str(written))} ({to})", highlight=False)


__all__ = ["CheckpointFormat", "convert"]
