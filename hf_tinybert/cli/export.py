"""`hf-tinybert export`: a trained model for another runtime, checked against itself."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hf_tinybert.cli import options
from hf_tinybert.cli.loading import figures_alone, loading
from hf_tinybert.cli.outcome import show_outcome
from hf_tinybert.cli.recipe_settings import RECIPE_FILE, configured, recipe_kept
from hf_tinybert.cli.refusals import EXPECTED_ERRORS, refusal
from hf_tinybert.cli.tables import export_table


def export(
    context: typer.Context,
    model: options.Model,
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    to: Annotated[str, typer.Option(help="onnx, onnx-int8, openvino, bert or sentence-transformers.")] = "onnx",
    data: Annotated[
        str | None, typer.Option(help="Hub name, folder or file of labelled rows that both are scored on.")
    ] = None,
    split: Annotated[str, typer.Option(help="Of the data: train, validation or test.")] = "validation",
    kind: options.ModelKind = None,
    column: options.Columns = None,
    task: options.HeadTask = None,
    rows: Annotated[int | None, typer.Option(help="Scored rows at most.")] = None,
    largest_difference: Annotated[float, typer.Option(help="Of any number on sentences; not of int8.")] = 1e-4,
    largest_loss: Annotated[float, typer.Option(help="Of the main metric, as a share of the model's.")] = 0.01,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Write a model for ONNX Runtime, OpenVINO, plain transformers or sentence-transformers.

    Its numbers are compared with the model's on sentences, its score on --data; what does not agree is not kept.
    `evaluate` and `predict` read the folder as they read the model's.

    Example: hf-tinybert export student --to onnx --output student-onnx

    Example: hf-tinybert export recipe.yaml --set to=openvino

    Example: hf-tinybert export student --to onnx-int8 --data reviews.csv --output student-int8
    """
    console = Console(stderr=as_json)
    try:
        with figures_alone(as_json):
            with loading():
                from hf_tinybert.export import ExportSettings, export_folder
                from hf_tinybert.progress import ProgressDisplay
            # with the options that are named like a setting, which `configured` finds by itself
            settings = configured(context, ExportSettings, columns=options.parse_pairs(column, "--column"))
            with recipe_kept(context, settings, output / RECIPE_FILE, console):
                figures = export_folder(settings, output, ProgressDisplay(console))
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error
    show_outcome(figures, export_table, f"Exported: {escape(str(output))}", console, as_json=as_json)


__all__ = ["export"]
