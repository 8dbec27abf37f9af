"""The figures of a quickstart in the form of `hf-tinybert distill`, so that every other verb reads its folders."""

import json
from typing import Any

from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.data.tasks import Task, TaskSettings
from hf_tinybert.distillation.terms import Phase
from hf_tinybert.quickstart.measuring import SPEED_RUNS
from hf_tinybert.quickstart.workspace import MODEL_FOLDERS, STUDENT_FOLDER, TEACHER_FOLDER, Workspace

FIGURES_FILE = "figures.json"  # of a model folder, as the workflow names it


def tell_folders(workspace: Workspace, summary: dict[str, Any]) -> None:
    """Give each model its task, and the student its figures, of which its card tells.

    Args:
        workspace: with the folders of the models.
        summary: of the run.
    """
    labels = tuple(workspace.labels)
    task = Task(TaskSettings(TaskKind.TEXT_CLASSIFICATION, labels, max_length=workspace.settings.max_length))
    for name in MODEL_FOLDERS:
        task.save(workspace.model_folder(name))
    text = json.dumps(_student_figures(workspace, summary), indent=2, ensure_ascii=False) + "\n"
    (workspace.model_folder(STUDENT_FOLDER) / FIGURES_FILE).write_text(text, encoding="utf-8")


def _student_figures(workspace: Workspace, summary: dict[str, Any]) -> dict[str, Any]:
    settings, pair = workspace.settings, (TEACHER_FOLDER, STUDENT_FOLDER)
    return {
        "teacher": settings.teacher_name,
        "kind": str(TaskKind.TEXT_CLASSIFICATION),
        "main_metric": "accuracy",
        "labels": summary["labels"],
        "max_length": settings.max_length,
        "rows": {name: len(split) for name, split in workspace.texts.items()},
        "scores": {
            split: {name: {"accuracy": summary[f"{name}_{split}_accuracy"]} for name in MODEL_FOLDERS}
            for split in ("validation", "test")
        },
        "retention": {"test": {"accuracy": round(summary["retention"], 4)}},
        **{key: {name: summary[f"{name}_{key}"] for name in pair} for key in ("parameters", "megabytes")},
        "sentences_per_second": {
            str(size): {name: summary[f"{name}_sentences_per_second_batch_{size}"] for name in pair}
            for size, _ in SPEED_RUNS
        },
        "seconds": {
            name: summary[f"{name.replace('-', '_')}_seconds"]
            for name in ("initialization", str(Phase.INTERMEDIATE), str(Phase.PREDICTION))
        },
        "settings": {  # by which `hf-tinybert report` finds teacher and rows
            "data": settings.dataset or "bbc-news",
            "teacher": str(workspace.model_folder(TEACHER_FOLDER)),
            "columns": settings.columns,
            "seed": settings.seed,
        },
        "machine": summary["machine"],
    }


__all__ = ["FIGURES_FILE", "tell_folders"]
