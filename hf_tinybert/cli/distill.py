"""`hf-tinybert distill`: a teacher distilled into a student of any shape, on a task of any kind."""

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
from hf_tinybert.cli.recipe_tasks import configured_tasks, has_tasks, tasks_as_recipe
from hf_tinybert.cli.refusals import EXPECTED_ERRORS, refusal, run_display
from hf_tinybert.cli.run_page import RunPage, report_command, write_run_page
from hf_tinybert.cli.tables import retention_table, tasks_table

_Teacher = Annotated[
    list[str],
    typer.Option(help="Folder of the fine-tuned teacher, or a Hub name; repeat it for several that teach as one."),
]
_Task = Annotated[str | None, typer.Option("--task", help="Of a multi-task teacher: the head that teaches.")]
_Unlabeled = Annotated[list[str] | None, typer.Option(help="File of more texts for the teacher; repeat it.")]
_Augment = Annotated[
    str | None, typer.Option(help="Other variants of the rows in every epoch: replace (them) or join (them).")
]
_AugmentWords = Annotated[
    list[str] | None,
    typer.Option(help="NAME=VALUE, as options of `augment`: masked_lm, vectors, probability, ...; repeat it."),
]
_Start = Annotated[
    str, typer.Option(help="projection or layers (of the teacher), random, or the folder of a trained student.")
]
_LearnFrom = Annotated[str, typer.Option(help="teacher, or labels: no distillation, to compare.")]
_Phases = Annotated[list[str] | None, typer.Option(help="intermediate-layer, prediction-layer or joint; repeat it.")]
_Epochs = Annotated[float | None, typer.Option(help="Of the prediction-layer or joint phase.")]
_IntermediateEpochs = Annotated[float | None, typer.Option(help="Of the intermediate-layer phase.")]
_LearningRate = Annotated[float | None, typer.Option(help="Of the same.")]
_Temperature = Annotated[str | None, typer.Option(help="Of the prediction terms; 8,1 goes linearly from 8 to 1.")]
_ProbabilityShift = Annotated[
    bool, typer.Option("--probability-shift", help="Labels correct the teacher where its best class is another.")
]
_Frozen = Annotated[
    list[str] | None,
    typer.Option(help="Part of the student that stays as it starts, like embeddings.word_embeddings; repeat it."),
]
_RateFactors = Annotated[
    list[str] | None,
    typer.Option("--learning-rate-factor", help="PART=FACTOR of the learning rate, like classifier=10; repeat it."),
]
_CacheDir = Annotated[str | None, typer.Option(help="Folder that keeps the teacher's outputs.")]
_CacheMaxGb = Annotated[float | None, typer.Option(help="Most gigabytes of it; with more nothing is kept (10).")]
_Report = Annotated[bool, typer.Option(help="At the end write report.html, the run on one page (matplotlib).")]


def distill(
    context: typer.Context,
    data: options.Data,
    teacher: _Teacher,
    output: options.Output,
    teacher_weights: options.TeacherWeights = None,
    kind: options.Kind = None,
    column: options.Columns = None,
    task: _Task = None,
    unlabeled: _Unlabeled = None,
    augment: _Augment = None,
    augment_words: _AugmentWords = None,
    shape: options.Shape = "4L-312",
    layers: options.Layers = None,
    width: options.Width = None,
    heads: options.Heads = None,
    units: options.Units = None,
    start: _Start = "projection",
    learn_from: _LearnFrom = "teacher",
    recipe: options.Recipe = None,
    phase: _Phases = None,
    epochs: _Epochs = None,
    learning_rate: _LearningRate = None,
    intermediate_epochs: _IntermediateEpochs = None,
    intermediate_learning_rate: _LearningRate = None,
    temperature: _Temperature = None,
    probability_shift: _ProbabilityShift = False,
    loss_weight: options.LossWeights = None,
    layer_mapping: options.LayerMapping = None,
    frozen: _Frozen = None,
    learning_rate_factor: _RateFactors = None,
    batch_size: options.BatchSize = 32,
    max_length: options.MaxLength = None,
    stride: options.Stride = None,
    train_rows: options.TrainRows = None,
    validation_rows: options.ValidationRows = None,
    cache_dir: _CacheDir = None,
    cache_max_gb: _CacheMaxGb = None,
    test: options.ScoreTest = False,
    seed: options.Seed = 0,
    report: _Report = True,
    as_json: options.AsJson = False,
) -> None:
    """Distil a teacher into a small student, and show what was kept.

    The epoch with the best score on the validation split is kept. Interrupted, the same command goes on. One student
    for several tasks: a recipe with `tasks`.

    Example: hf-tinybert distill reviews.csv --teacher teacher --output student

    Example: hf-tinybert distill reviews.csv --teacher first --teacher second --output student

    Example: hf-tinybert distill recipe.yaml --epochs 6 --set dropout=0.1

    Example: hf-tinybert distill reviews.csv --teacher teacher --start general --output student

    Example: hf-tinybert distill reviews.csv --teacher teacher --augment join --output student

    Example: hf-tinybert distill reviews.csv --teacher teacher --layers 2 --width 192 --output smaller --json
    """
    console = Console(stderr=as_json, quiet=not leads())
    try:
        with figures_alone(as_json):
            with loading():
                import hf_tinybert.workflow  # noqa: F401 (what takes its time)
            # beside the options that are named like a setting, which `configured` finds by itself
            given = dict(
                teacher=tuple(teacher),
                teacher_weights=options.parse_numbers(teacher_weights, "--teacher-weights"),
                teacher_task=task,
                columns=options.parse_pairs(column, "--column"),
                unlabeled=tuple(unlabeled or ()),
                augment_words=options.parse_values(augment_words, "--augment-words") or None,
                phases=tuple(phase) if phase else None,
                temperature=options.parse_moving(temperature, "--temperature"),
                loss_weights=options.parse_moving_factors(loss_weight, "--loss-weight") or None,
                frozen=tuple(frozen or ()),
                learning_rate_factors=options.parse_factors(learning_rate_factor, "--learning-rate-factor") or None,
                score_test=test,
            )
            figures = _distilled(context, given, output, console)
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error
    if leads():
        _show(context, figures, output, console)


def _distilled(context: typer.Context, given: Mapping[str, Any], output: Path, console: Console) -> dict[str, Any]:
    """The figures of a run on the task of the options, or on the tasks of the recipe."""
    from hf_tinybert.workflow import DistilSettings, distil, distil_tasks

    file = output / RECIPE_FILE
    with run_display(console) as display:
        if not has_tasks(context):
            settings = configured(context, DistilSettings, **given)
            with recipe_kept(context, settings, file, console):
                return distil(settings, output, display)
        tasks = configured_tasks(context, given)
        recipe = tasks_as_recipe(tasks)
        with recipe_kept(context, tasks, file, console, recipe=recipe, defaults_of=DistilSettings):
            return distil_tasks(tasks, output, display)


def _show(context: typer.Context, figures: dict[str, Any], output: Path, console: Console) -> None:
    """The figures, and where the student lies; the page of the run is written before, if it is wanted."""
    report, as_json = context.params["report"], context.params["as_json"]
    told = escape(str(output))
    written = f"Student: {told}   figures: {escape(str(output / 'figures.json'))}"
    page = RunPage(None, f"Its story on one page: {report_command(output)}")
    if report:
        with figures_alone(as_json):
            page = write_run_page(output, console)
    figures = {**figures, "report": None if page.path is None else str(page.path)}
    table = tasks_table if has_tasks(context) else retention_table
    show_outcome(figures, table, f"{written}\n{page.line}", console, as_json=as_json)


__all__ = ["distill"]
