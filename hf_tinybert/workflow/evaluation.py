"""How good a model folder is on labelled rows."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.kinds.definition import Prediction
from hf_tinybert.data.sources import TaskData
from hf_tinybert.data.tasks import Task
from hf_tinybert.models.exported_runtime import ExportedRuntime
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow.inference import Inference
from hf_tinybert.workflow.kept_answers import NOT_COMPARED
from hf_tinybert.workflow.learnt_rows import warn_of_learnt_rows
from hf_tinybert.workflow.model_folder import ModelFolder, load_model_folder
from hf_tinybert.workflow.task_data import can_be_scored, check_labels, read_data, sample

_ROWS_AT_ONCE = 2048  # the logits of so many rows are held at once


class ScoredRows(NamedTuple):
    """How good a model is on labelled rows, and what it answers.

    Attributes:
        metrics: by name; the first is the kind's main one.
        answers: one for each row, in their order, without embeddings and scores of single classes.
    """

    metrics: dict[str, float]
    answers: list[Prediction]


class FolderScores(NamedTuple):
    """How good a model folder is on labelled rows, and what it is seen beside.

    Attributes:
        metrics: by name; the first is the kind's main one.
        without_model: metrics of predictions that need no model, by the names of these; empty where the kind has none.
    """

    metrics: dict[str, float]
    without_model: dict[str, dict[str, float]]


def evaluate_folder(
    model: str | Path,
    data: str | Path,
    split: str = "test",
    *,
    kind: str | None = None,
    columns: Mapping[str, str] | None = None,
    task: str | None = None,
    rows: int | None = None,
    batch_size: int = 32,
    seed: int = 0,
    display: ProgressDisplay | None = None,
) -> dict[str, float]:
    """The metrics of a model on a split, in float32; the first is the kind's main one.

    Arguments and errors are those of `score_folder`, which also gives the metrics of predictions without a model.
    """
    folder, chosen = _folder_and_rows(
        model, data, split, kind=kind, columns=columns, task=task, rows=rows, seed=seed, display=display
    )
    return _metrics(folder, chosen, batch_size=batch_size, seed=seed, display=display, title=split)


def score_folder(
    model: str | Path,
    data: str | Path,
    split: str = "test",
    *,
    kind: str | None = None,
    columns: Mapping[str, str] | None = None,
    task: str | None = None,
    rows: int | None = None,
    batch_size: int = 32,
    seed: int = 0,
    display: ProgressDisplay | None = None,
) -> FolderScores:
    """The metrics of a model on a split, in float32, and those of predictions on the same rows that need no model.

    Args:
        model: Hub name or folder.
        data: Hub name, folder or file, see `load_task_data`; it needs no `train` split.
        split: `train`, `validation` or `test`; cut out of `train` if the data has no such split, which the display
            tells.
        kind: of a model that does not say it, as others publish them.
        columns: standard column -> its name in the data.
        task: of a multi-task folder, the head that answers.
        rows: at most, drawn by the seed.
        batch_size: rows at once.
        seed: of drawn rows, of splits that are cut out of `train`, of masks.
        display: where progress is shown.

    Raises:
        FileNotFoundError: no such model or data.
        ValueError: unusable data, a split that is not there or has no gold answers, labels that the model does not
            have, or an untrained head.
    """
    folder, chosen = _folder_and_rows(
        model, data, split, kind=kind, columns=columns, task=task, rows=rows, seed=seed, display=display
    )
    metrics = _metrics(folder, chosen, batch_size=batch_size, seed=seed, display=display, title=split)
    return FolderScores(metrics, score_without_model(folder.task, chosen, display=display, title=split))


def score_rows(
    model: PreTrainedModel | ExportedRuntime,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    rows: Dataset,
    *,
    batch_size: int = 32,
    seed: int = 0,
    display: ProgressDisplay | None = None,
    title: str = "rows",
) -> ScoredRows:
    """The metrics of a model on labelled rows, and its answers to them.

    Args:
        model: with the head of the task.
        tokenizer: of the model.
        task: of the rows.
        rows: raw, with gold answers.
        batch_size: rows at once.
        seed: of masks.
        display: where progress is shown.
        title: of the rows, in the display.

    Raises:
        ValueError: there are no rows, or they have no gold answers.
    """
    if len(rows) == 0 or not can_be_scored(rows, task):
        raise ValueError(
            f"expected labelled rows for the metrics of {task.kind}, got {len(rows)} rows of {rows.column_names}; "
            "because predictions are compared with gold answers; name their column, or use `hf-tinybert predict`"
        )
    shown = nullcontext() if display is None else display.bar(f"scoring: {title}", total=len(rows))
    with shown as bar:
        on_batch = None if bar is None else bar.advance
        task = task.of_data({title: rows})
        inference = Inference(model, tokenizer, task, batch_size=batch_size, seed=seed, on_batch=on_batch)
        answers = _predictions(inference, rows)
        return ScoredRows(task.score(answers, rows), answers)


def score_without_model(
    task: Task, rows: Dataset, *, display: ProgressDisplay | None = None, title: str = "rows"
) -> dict[str, dict[str, float]]:
    """The metrics of predictions that need no model, by their names; empty where the kind has none.

    Args:
        task: of the rows.
        rows: raw, with gold answers.
        display: where progress is shown.
        title: of the rows, in the display.

    Raises:
        ValueError: rows have no gold answers.
    """
    names = " and ".join(task.definition.without_model)
    with display.bar(f"scoring: {names}, {title}") if display and names else nullcontext():
        return task.score_without_model(rows)


def _folder_and_rows(
    model: str | Path,
    data: str | Path,
    split: str,
    *,
    kind: str | None,
    columns: Mapping[str, str] | None,
    task: str | None,
    rows: int | None,
    seed: int,
    display: ProgressDisplay | None,
) -> tuple[ModelFolder, Dataset]:
    if rows is not None and rows < 1:
        raise ValueError(f"expected `rows` of at least 1, got {rows}; because nothing would be scored")
    folder = load_model_folder(model, task=task, kind=kind)
    loaded = read_data(str(data), str(folder.task.kind), columns or {}, seed, scored=split)
    if split not in loaded.splits:
        raise ValueError(f"expected a split out of {', '.join(loaded.splits)}, got `{split}`")
    check_labels(loaded, folder.task)
    warn_of_learnt_rows(model, data, seed, [name for name in loaded.cut if name == split], head=task)
    chosen = sample(loaded.splits[split], rows, seed)
    if display is not None:
        display.line(_described(chosen, split, loaded))
    return replace(folder, task=folder.task.of_data(loaded.splits)), chosen


def _described(chosen: Dataset, split: str, loaded: TaskData) -> str:
    """Which rows are scored, in words."""
    said = f"  data: {len(chosen):,} rows of {split}"
    if split not in loaded.cut:
        return said
    all_rows = len(loaded.splits["train"]) + sum(len(loaded.splits[name]) for name in loaded.cut)
    return f"{said}, which `finetune` and `distill` with this seed hold out of these {all_rows:,} rows"


def _metrics(
    folder: ModelFolder, rows: Dataset, *, batch_size: int, seed: int, display: ProgressDisplay | None, title: str
) -> dict[str, float]:
    model, tokenizer, task = folder.model, folder.tokenizer, folder.task
    scored = score_rows(model, tokenizer, task, rows, batch_size=batch_size, seed=seed, display=display, title=title)
    return scored.metrics


def _predictions(inference: Inference, rows: Dataset) -> list[Prediction]:
    predictions: list[Prediction] = []
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = inference.predict(rows.select(range(start, min(start + _ROWS_AT_ONCE, len(rows)))))
        predictions += [{key: value for key, value in one.items() if key not in NOT_COMPARED} for one in part]
    return predictions


__all__ = ["FolderScores", "ScoredRows", "evaluate_folder", "score_folder", "score_rows", "score_without_model"]
