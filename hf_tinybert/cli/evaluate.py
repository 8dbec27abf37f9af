"""`hf-tinybert evaluate`: how good a model is on labelled rows."""

from typing import Annotated

import typer
from rich.console import Console

from hf_tinybert.cli import options
from hf_tinybert.cli.loading import figures_alone, loading
from hf_tinybert.cli.outcome import show_outcome
from hf_tinybert.cli.refusals import EXPECTED_ERRORS, refusal
from hf_tinybert.cli.tables import metrics_table


def evaluate(
    model: options.Model,
    data: options.Data,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    kind: options.ModelKind = None,
    column: options.Columns = None,
    task: options.HeadTask = None,
    rows: Annotated[int | None, typer.Option(help="Rows at most.")] = None,
    batch_size: options.BatchSize = 32,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Score a model on a split, by the metrics of its kind.

    Example: hf-tinybert evaluate student reviews.csv --split validation
    """
    console = Console(stderr=as_json)
    try:
        with figures_alone(as_json):
            with loading():
                from hf_tinybert.progress import ProgressDisplay
                from hf_tinybert.workflow import score_folder
            metrics, without_model = score_folder(
                model,
                data,
                split,
                kind=kind,
                columns=options.parse_pairs(column, "--column"),
                task=task,
                rows=rows,
                batch_size=batch_size,
                seed=seed,
                display=ProgressDisplay(console),
            )
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error
    beside = {"without_model": without_model} if without_model else {}
    figures = {"model": model, "data": data, "split": split, "metrics": metrics, **beside}
    show_outcome(
        figures,
        lambda _: metrics_table(metrics, f"{model} on {split}", without_model),
        None,
        console,
        as_json=as_json,
    )


__all__ = ["evaluate"]
