"""Student and teacher of a folder, with the rows on which they are compared: found as the folder's run had them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.tasks import Task
from hf_tinybert.distillation.teacher import load_teacher
from hf_tinybert.hub.model_facts import ModelFacts
from hf_tinybert.models.exported_runtime import ExportedRuntime
from hf_tinybert.report.report_settings import ReportSettings
from hf_tinybert.workflow.model_folder import load_config, load_model_folder, load_tokenizer
from hf_tinybert.workflow.task_data import check_labels, read_data, sample
from hf_tinybert.workflow.teachers import has_several_heads


@dataclass(frozen=True)
class Pair:
    """What a comparison reads.

    Attributes:
        task: of both models.
        rows: raw.
        student: with its head, in evaluation mode.
        student_tokenizer: its own.
        teacher: likewise.
        teacher_tokenizer: its own.
        seed: of hidden tokens, in masked LM.
    """

    task: Task
    rows: Dataset
    student: PreTrainedModel
    student_tokenizer: PreTrainedTokenizerBase
    teacher: PreTrainedModel
    teacher_tokenizer: PreTrainedTokenizerBase
    seed: int


def load_pair(settings: ReportSettings, facts: ModelFacts) -> Pair:
    """Load both models and the rows.

    Args:
        settings: what was asked for; what they leave open is taken from the run.
        facts: of the folder.

    Raises:
        ValueError: a model without a teacher, one of several tasks without a name, data with other labels, a split
            that is not there, a teacher without a trained head.
        FileNotFoundError: teacher or data are not where the run had them.
    """
    run = _of_run(settings, facts)
    data, teacher_name = settings.data or run.get("data"), settings.teacher or run.get("teacher")
    if teacher_name is None:
        raise ValueError(
            f"expected a teacher to compare the model with, got {facts.teacher or 'none'}; because the folder does "
            "not say where one lies; name its folder by `--teacher`"
        )
    if data is None:
        raise ValueError(
            "expected rows on which student and teacher are compared, got none; because the folder does not say what "
            "it was trained on; name them by `--data`"
        )
    student = load_model_folder(settings.folder, task=settings.task, kind=facts.kind)
    if isinstance(student.model, ExportedRuntime):
        raise ValueError(
            f"expected a model of transformers in `{settings.folder}`, got an exported graph; because its layers "
            "cannot be read; name the folder that it was exported from"
        )
    seed = int(run.get("seed", 0))
    loaded = read_data(data, str(student.task.kind), settings.columns or run.get("columns") or {}, seed)
    check_labels(loaded.labels, student.task)
    if settings.split not in loaded.splits:
        raise ValueError(f"expected a split out of {', '.join(loaded.splits)}, got `{settings.split}`")
    teacher, tokenizer = _teacher(teacher_name, run.get("teacher_task"), student.model)
    for model in (student.model, teacher):
        if torch.accelerator.is_available():
            nn.Module.to(model, torch.accelerator.current_accelerator())
    rows = sample(loaded.splits[settings.split], settings.rows, seed)
    return Pair(student.task, rows, student.model, student.tokenizer, teacher, tokenizer, seed)


def _of_run(settings: ReportSettings, facts: ModelFacts) -> Mapping[str, Any]:
    """The settings of the run; of several tasks those of the one that is asked for."""
    told: dict[str, Any] = dict((facts.figures or {}).get("settings") or {})
    tasks = told.get("tasks")
    if not isinstance(tasks, Mapping):
        return told
    if settings.task not in tasks:
        raise ValueError(
            f"expected one of the tasks {', '.join(f'`{name}`' for name in tasks)}, got "
            f"{'none' if settings.task is None else f'`{settings.task}`'}; because student and teacher are compared "
            "on one; name it by `--task`"
        )
    own = {name: value for name, value in tasks[settings.task].items() if value is not None}
    return {**(told.get("shared") or {}), **own}


def _teacher(name: str, task: str | None, student: PreTrainedModel) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    config = load_config(name)
    if has_several_heads(config):
        several = load_model_folder(name, task=task)
        if isinstance(several.model, PreTrainedModel):  # no exported folder has several heads
            return several.model, several.tokenizer
    return load_teacher(name, student, needs_head=True, dtype=torch.float32), load_tokenizer(name)


__all__ = ["Pair", "load_pair"]
