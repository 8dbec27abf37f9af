"""`hf-tinybert pretrain`: a teacher distilled into a general student on raw text, before there is a task."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from hf_tinybert.cli import options
from hf_tinybert.cli.loading import figures_alone, leads, loading
from hf_tinybert.cli.outcome import show_outcome
from hf_tinybert.cli.recipe_settings import RECIPE_FILE, configured, recipe_kept
from hf_tinybert.cli.refusals import EXPECTED_ERRORS, refusal, run_display
from hf_tinybert.cli.tables import pretraining_table

_Texts = Annotated[
    list[str],
    typer.Argument(help="Files of raw text (txt, jsonl, json, csv, tsv, parquet) or Hub data sets, streamed."),
]
_Teacher = Annotated[str | None, typer.Option(help="Hub name or folder instead of all-MiniLM-L6-v2.")]
_BlockLength = Annotated[int, typer.Option(help="Tokens at once.")]
_Start = Annotated[str, typer.Option(help="projection or layers (of the teacher), or random.")]
_Epochs = Annotated[float, typer.Option(help="Passes over the text.")]
_MaxSteps = Annotated[int | None, typer.Option(help="Steps, instead of whole passes.")]
_LearningRate = Annotated[float, typer.Option(help="Peak learning rate.")]
_MaskedLm = Annotated[
    float | None,
    typer.Option(
        help="Weight of masked LM beside the intermediate terms; the student keeps its head. With --loss-weight "
        "prediction_kl_loss=1 the predictions of a teacher that has such a head count too."
    ),
]
_Tasks = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME=DATA: a supervised task learned at the same time from its labels, by a head of that name; "
        "repeat it. With --masked-lm."
    ),
]
_TaskKinds = Annotated[
    list[str] | None, typer.Option(help="NAME=KIND, if a task's columns do not show it; repeat it.")
]
_TaskWeights = Annotated[list[str] | None, typer.Option(help="NAME=FACTOR of a task's loss; repeat it.")]
_Sampling = Annotated[str, typer.Option(help="How often text and tasks come: proportional, temperature or annealed.")]
_BatchSize = Annotated[int, typer.Option(help="Blocks per step, of all processes together.")]
_Blocks = Annotated[
    Path | None, typer.Option(help="Folder that keeps the tokenised text for other runs; of this one if none.")
]
_NumProc = Annotated[int, typer.Option(min=1, help="Processes that tokenise.")]
_Deduplicate = Annotated[bool, typer.Option(help="Leave out documents that come again.")]


def pretrain(
    context: typer.Context,
    texts: _Texts,
    output: options.Output,
    teacher: _Teacher = None,
    column: options.DocumentColumns = None,
    block_length: _BlockLength = 128,
    shape: options.Shape = "4L-312",
    layers: options.Layers = None,
    width: options.Width = None,
    heads: options.Heads = None,
    units: options.Units = None,
    start: _Start = "projection",
    epochs: _Epochs = 3.0,
    max_steps: _MaxSteps = None,
    learning_rate: _LearningRate = 1e-3,
    recipe: options.Recipe = None,
    loss_weight: options.LossWeights = None,
    masked_lm: _MaskedLm = None,
    task: _Tasks = None,
    task_kind: _TaskKinds = None,
    task_weight: _TaskWeights = None,
    sampling: _Sampling = "proportional",
    layer_mapping: options.LayerMapping = None,
    batch_size: _BatchSize = 32,
    blocks: _Blocks = None,
    num_proc: _NumProc = 1,
    deduplicate: _Deduplicate = True,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Distil a teacher into a general student on raw text: a start for every task, by `distill --start FOLDER`.

    In a .txt file an empty line ends a document; elsewhere each row is one. Interrupted, the same command goes on.
    For several processes: torchrun --nproc_per_node 2 -m hf_tinybert.cli pretrain ...

    Example: hf-tinybert pretrain books.txt articles.jsonl --output general

    Example: hf-tinybert pretrain books.txt --masked-lm 1 --output general

    Example: hf-tinybert pretrain books.txt --masked-lm 1 --task news=news.csv --task tags=tags.jsonl --output general

    Example: hf-tinybert pretrain recipe.yaml --set held_out_blocks=64

    Example: hf-tinybert pretrain reviews.parquet --column review --teacher bert-base-uncased --output general --json
    """
    console = Console(stderr=as_json, quiet=not leads())
    try:
        with figures_alone(as_json):
            with loading():
                from hf_tinybert.workflow import PretrainSettings
                from hf_tinybert.workflow import pretrain as run
            # with the options that are named like a setting, which `configured` finds by itself
            settings = configured(
                context,
                PretrainSettings,
                texts=tuple(texts),
                columns=tuple(column) if column else PretrainSettings.columns,
                loss_weights=options.parse_moving_factors(loss_weight, "--loss-weight") or None,
                tasks=_tasks(task, task_kind, task_weight),
            )
            with run_display(console) as display, recipe_kept(context, settings, output / RECIPE_FILE, console):
                figures = run(settings, output, display, blocks=blocks, num_proc=num_proc)
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error
    written = f"Student: {escape(str(output))}   figures: {escape(str(output / 'figures.json'))}"
    if leads():
        show_outcome(figures, pretraining_table, written, console, as_json=as_json)


def _tasks(data: list[str] | None, kinds: list[str] | None, weights: list[str] | None) -> dict[str, dict[str, Any]]:
    """The tasks by name, each with what the options say of it.

    Raises:
        ValueError: an option of no such form, or of a task that has no data.
    """
    tasks: dict[str, dict[str, Any]] = {
        name: {"data": source} for name, source in options.parse_pairs(data, "--task").items()
    }
    given: dict[str, Mapping[str, str | float]] = {
        "kind": options.parse_pairs(kinds, "--task-kind"),
        "weight": options.parse_factors(weights, "--task-weight"),
    }
    for field, values in given.items():
        for name, value in values.items():
            if name not in tasks:
                raise ValueError(f"expected `--task {name}=DATA` beside `--task-{field} {name}={value}`, got none")
            tasks[name][field] = value
    return tasks


__all__ = ["pretrain"]
