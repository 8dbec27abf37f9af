"""How good a model folder is on labelled rows."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.kinds.definition import Prediction
from hf_tinybert.data.tasks import Task
from hf_tinybert.models.exported_runtime import ExportedRuntime
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow.inference import Inference
from hf_tinybert.workflow.model_folder import load_model_folder
from hf_tinybert.workflow.task_data import can_be_scored, check_labels, read_data, sample

_ROWS_AT_ONCE = 2048  # the logits of so many rows are held at once


class ScoredRows(NamedTuple):
    """How good a model is on labelled rows, and what it answers.

    Attributes:
        metrics: by name; the first is the kind's main one.
        answers: one for each row, in their order.
    """

    metrics: dict[str, float]
    answers: list[Prediction]


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

    Args:
        model: Hub name or folder.
        data: Hub name, folder or file, see `load_task_data`.
        split: `train`, `validation` or `test`.
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
    folder = load_model_folder(model, task=task, kind=kind)
    known = folder.task
    loaded = read_data(str(data), str(known.kind), columns or {}, seed)
    if split not in loaded.splits:
        raise ValueError(f"expected a split out of {', '.join(loaded.splits)}, got `{split}`")
    check_labels(loaded.labels, known)
    chosen = sample(loaded.splits[split], rows, seed)
    return score_rows(
        folder.model, folder.tokenizer, known, chosen, batch_size=batch_size, seed=seed, display=display, title=split
    ).metrics


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
        inference = Inference(model, tokenizer, task, batch_size=batch_size, seed=seed, on_batch=on_batch)
        answers = _predictions(inference, rows)
        return ScoredRows(task.score(answers, rows), answers)


def _predictions(inference: Inference, rows: Dataset) -> list[Prediction]:
    predictions: list[Prediction] = []
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        predictions += inference.predict(rows.select(range(start, min(start + _ROWS_AT_ONCE, len(rows)))))
    return predictions


__all__ = ["ScoredRows", "evaluate_folder", "score_rows"]
