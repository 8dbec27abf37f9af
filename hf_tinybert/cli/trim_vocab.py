"""`hf-tinybert trim-vocab`: a model with the pieces that texts need, and without the embeddings of the others."""

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
from hf_tinybert.cli.tables import vocabulary_table


def trim_vocab(
    context: typer.Context,
    model: options.Model,
    output: options.Output,
    texts: Annotated[
        list[str] | None,
        typer.Argument(help="Files of text (txt, jsonl, json, csv, tsv, parquet) or Hub data sets that choose."),
    ] = None,
    column: options.DocumentColumns = None,
    coverage: Annotated[
        float, typer.Option(help="Share of the texts' tokens to keep, the most frequent pieces first.")
    ] = 1.0,
    min_count: Annotated[int, typer.Option(help="Times that a piece stands in the texts at least.")] = 1,
    size: Annotated[int | None, typer.Option(help="Pieces at most, special tokens and all.")] = None,
    keep: Annotated[Path | None, typer.Option(help="File of pieces that stay however rare, one a line.")] = None,
    all_characters: Annotated[
        bool, typer.Option(help="Keep every piece of one character: nothing new becomes unknown.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Keep the pieces of a vocabulary that texts need; the rest of the embedding table is left out.

    Texts of kept pieces are cut and answered as before, other words fall apart into smaller pieces. Special tokens
    always stay. The student can still be distilled, by its whole teacher: `distill --start FOLDER`.

    Example: hf-tinybert trim-vocab student reviews/train.csv --coverage 0.999 --output small

    Example: hf-tinybert trim-vocab recipe.yaml --set coverage=0.99

    Example: hf-tinybert trim-vocab student reviews/train.csv --size 8000 --keep names.txt --output small --json
    """
    console = Console(stderr=as_json)
    try:
        with figures_alone(as_json):
            with loading():
                from hf_tinybert.progress import ProgressDisplay
                from hf_tinybert.workflow import TrimSettings
                from hf_tinybert.workflow import trim_vocabulary as run
            # with the options that are named like a setting, which `configured` finds by itself
            settings = configured(
                context,
                TrimSettings,
                texts=tuple(texts or ()),
                columns=tuple(column) if column else TrimSettings.columns,
                keep=None if keep is None else str(keep),
            )
            with recipe_kept(context, settings, output / RECIPE_FILE, console):
                figures = run(settings, output, ProgressDisplay(console))
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error
    written = f"Model: {escape(str(output))}   figures: {escape(str(output / 'figures.json'))}"
    show_outcome(figures, vocabulary_table, written, console, as_json=as_json)


__all__ = ["trim_vocab"]
