"""`hf-tinybert augment`: more training rows for the teacher to label."""

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
from hf_tinybert.cli.tables import augmentation_table


def augment(
    context: typer.Context,
    data: options.Data,
    output: Annotated[Path, typer.Option(help="File for the new rows, JSON lines (.jsonl).")],
    kind: options.Kind = None,
    column: options.Columns = None,
    masked_lm: Annotated[
        str | None, typer.Option(help="Hub name or folder of a masked language model, for words of one piece.")
    ] = None,
    beside_original: Annotated[bool, typer.Option(help="It reads the text beside the masked one.")] = True,
    vectors: Annotated[
        str | None, typer.Option(help="Word vectors: .txt, .vec or .npy file, `glove`, a model, or `none`.")
    ] = None,
    language: Annotated[str, typer.Option(help="Of the words left alone: en, de, fr, es, zh or none.")] = "en",
    stop_words: Annotated[
        str | None, typer.Option(help="File of words left alone, instead of the language's.")
    ] = None,
    segmenter: Annotated[str | None, typer.Option(help="MODULE:FUNCTION that splits texts, as jieba:lcut.")] = None,
    copies: Annotated[int, typer.Option(help="Of each row; equal ones are left out.")] = 20,
    probability: Annotated[float, typer.Option(help="Of a word to be replaced.")] = 0.4,
    candidates: Annotated[int, typer.Option(help="Words that may take its place.")] = 15,
    keep_labels: Annotated[bool, typer.Option(help="Write the labels of the source rows too.")] = False,
    train_rows: options.TrainRows = None,
    batch_size: Annotated[int, typer.Option(help="Masked texts at once.")] = 64,
    num_proc: Annotated[int, typer.Option(help="Processes; the rows are the same for any number.")] = 1,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Make more rows of the training rows, by words that fit in the place of others.

    The teacher labels them: `distill --unlabeled FILE`, with the same data, columns and seed. Interrupted, the same
    command goes on.

    Example: hf-tinybert augment reviews.csv --output more.jsonl

    Example: hf-tinybert augment recipe.yaml --set copies=10

    Example: hf-tinybert augment reviews.csv --masked-lm bert-base-uncased --vectors glove.txt --output more.jsonl
    """
    console = Console(stderr=as_json)
    try:
        with figures_alone(as_json):
            with loading():
                from hf_tinybert.progress import ProgressDisplay
                from hf_tinybert.workflow import AugmentSettings
                from hf_tinybert.workflow import augment as run
            # with the options that are named like a setting, which `configured` finds by itself
            settings = configured(context, AugmentSettings, columns=options.parse_pairs(column, "--column"))
            with recipe_kept(context, settings, output.with_suffix(f".{RECIPE_FILE}"), console):
                figures = run(settings, output, ProgressDisplay(console))
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error
    written = f"Rows: {escape(str(output))}"
    show_outcome(figures, augmentation_table, written, console, as_json=as_json)


__all__ = ["augment"]
