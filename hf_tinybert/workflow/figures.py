"""The figures of a run: what `figures.json` in a model folder tells."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import PreTrainedModel

from hf_tinybert.data.tasks import Task
from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.run_folder import RUN_FILE, RunFolder, check_free
from hf_tinybert.workflow.evaluation import score_without_model
from hf_tinybert.workflow.run_arguments import CHECKPOINTS
from hf_tinybert.workflow.run_sources import RunSources, check_finished
from hf_tinybert.workflow.task_data import PreparedData

FIGURES_FILE = "figures.json"
_LOWER_IS_BETTER = frozenset({"perplexity"})


def finished_figures(
    output: Path,
    settings: Mapping[str, Any],
    stage: str,
    sources: RunSources,
    *,
    working: Iterable[str] = (CHECKPOINTS,),
) -> dict[str, Any] | None:
    """The figures of a run that an earlier call finished; None where there is none, or one that is unfinished.

    Args:
        output: folder of the run.
        settings: of the run.
        stage: its last.
        sources: of the run.
        working: folders in it that only an unfinished run needs; a call that was killed while it removed them left
            them there, and they are removed now.

    Raises:
        ValueError: the folder holds a run with other settings, or something else, or what the run was made of has
            changed.
    """
    check_free(output)
    if not (output / RUN_FILE).is_file():
        return None
    run = RunFolder(output, settings)
    figures = run.finished(stage)
    if figures is not None:
        check_finished(run, sources)
        for name in working:
            shutil.rmtree(output / name, ignore_errors=True)
    return figures


def save_figures(folder: Path, figures: Mapping[str, Any]) -> None:
    """Write `figures.json`, in one step."""
    temporary = folder / f"{FIGURES_FILE}.partial"
    temporary.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, folder / FIGURES_FILE)


def task_figures(prepared: PreparedData) -> dict[str, Any]:
    """What the figures of every run say of its task and data."""
    settings = prepared.task.settings
    return {
        "kind": str(settings.kind),
        "main_metric": prepared.task.main_metric,
        "labels": list(settings.labels),
        "max_length": settings.max_length,
        "rows": {name: len(split) for name, split in prepared.rows.items()},
    }


def figures_without_model(task: Task, rows: Mapping[str, Dataset], display: ProgressDisplay) -> dict[str, Any]:
    """What the figures of a run say of predictions that need no model, under a key of its own.

    Args:
        task: of the run.
        rows: raw, with gold answers, by split.
        display: where progress is shown.

    Returns:
        `without_model`: metrics by split and name; nothing where the kind has no such predictions.
    """
    if not task.definition.without_model:
        return {}
    found = {
        split: score_without_model(task, of_split, display=display, title=split) for split, of_split in rows.items()
    }
    return {"without_model": found} if found else {}


def model_size(model: PreTrainedModel) -> dict[str, float]:
    """Parameters, and megabytes (1e6 bytes) of them in float32; projections, which only training has, do not count."""
    return _size(_parameters(model, (f"{PROJECTIONS_ATTRIBUTE}.",)))


def teachers_size(teachers: Iterable[tuple[str, str | None, PreTrainedModel]]) -> dict[str, float]:
    """As `model_size`, of several teachers together; what they share counts once.

    Args:
        teachers: of each its Hub name or folder, of a multi-task one the head that teaches, and the one-task model.
    """
    different = {(name, head, type(model)): model for name, head, model in teachers}
    parameters, seen = 0, set[str]()
    for (name, *_), model in different.items():
        encoder = (f"{model.base_model_prefix}.embeddings.", f"{model.base_model_prefix}.encoder.")
        parameters += _parameters(model, encoder if name in seen else ())
        seen.add(name)
    return _size(parameters)


def _parameters(model: PreTrainedModel, left_out: tuple[str, ...]) -> int:
    """The number of them, less those whose names begin so."""
    return sum(one.numel() for name, one in model.named_parameters() if not name.startswith(left_out))


def _size(parameters: int) -> dict[str, float]:
    return {"parameters": parameters, "megabytes": parameters * 4 / 1e6}


def retention(student: Mapping[str, float], teacher: Mapping[str, float]) -> dict[str, float]:
    """The student's share of each of the teacher's scores; what is the lower the better is left out."""
    return {
        name: round(score / teacher[name], 4)
        for name, score in student.items()
        if name not in _LOWER_IS_BETTER and teacher.get(name, 0.0) > 0
    }


def describe_rows(prepared: PreparedData) -> str:
    """The rows of every split, in words, and where they come from if the data has no such split."""
    rows = " / ".join(f"{len(split):,} {name}" for name, split in prepared.rows.items())
    return f"{rows} ({' and '.join(prepared.cut)} cut out of train)" if prepared.cut else rows


__all__ = [
    "FIGURES_FILE",
    "describe_rows",
    "figures_without_model",
    "finished_figures",
    "model_size",
    "retention",
    "save_figures",
    "task_figures",
    "teachers_size",
]
