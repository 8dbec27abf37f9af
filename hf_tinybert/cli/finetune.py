"""`hf-tinybert finetune`: a pretrained encoder fine-tuned on a task of any kind."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hf_tinybert.cli import options
from hf_tinybert.cli.loading import figures_alone, leads, loading
from hf_tinybert.cli.outcome import show_outcome
from hf_tinybert.cli.recipe_settings import RECIPE_FILE, configured, recipe_kept
from hf_tinybert.cli.refusals import EXPECTED_ERRORS, refusal, run_display
from hf_tinybert.cli.run_page import report_command
from hf_tinybert.cli.tables import scores_table


def finetune(
    context: typer.Context,
    data: options.Data,
    output: options.Output,
    model: Annotated[str | None, typer.Option(help="Hub name or folder instead of all-MiniLM-L6-v2.")] = None,
    kind: options.Kind = None,
    column: options.Columns = None,
    epochs: Annotated[float, typer.Option(help="Passes over the training rows.")] = 3.0,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 5e-5,
    batch_size: options.BatchSize = 32,
    max_length: options.MaxLength = None,
    stride: options.Stride = None,
    summary_sentences: Annotated[int, typer.Option(help="Sentences of an extractive summary.")] = 1,
    train_rows: options.TrainRows = None,
    validation_rows: options.ValidationRows = None,
    test: options.ScoreTest = False,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Fine-tune a pretrained encoder on a task: the teacher of a distillation.

    The epoch with the best score on the validation split is kept. Interrupted, the same command goes on.

    Example: hf-tinybert finetune reviews.csv --output teacher

    Example: hf-tinybert finetune recipe.yaml --set weight_decay=0.1

    Example: hf-tinybert finetune ner.jsonl --kind token-classification --column tags=ner_tags --output ner-teacher
    """
    console = Console(stderr=as_json, quiet=not leads())
    try:
        with figures_alone(as_json):
            with loading():
                from hf_tinybert.workflow import FinetuneSettings
                from hf_tinybert.workflow import finetune as run
            # with the options that are named like a setting, which `configured` finds by itself
            settings = configured(
                context,
                FinetuneSettings,
                columns=options.parse_pairs(column, "--column"),
                score_test=test,
            )
            with run_display(console) as display, recipe_kept(context, settings, output / RECIPE_FILE, console):
                figures = run(settings, output, display)
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error
    told = escape(str(output))
    written = (
        f"Model: {told}   figures: {escape(str(output / 'figures.json'))}\n"
        f"Its story on one page: {report_command(output)}"
    )
    if leads():
        show_outcome(figures, scores_table, written, console, as_json=as_json)


__all__ = ["finetune"]
