"""Student and teacher of a folder, loaded: what answers rows, and what is read layer by layer."""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.kinds.definition import Prediction
from hf_tinybert.distillation.teacher_ensemble import join_teachers
from hf_tinybert.hub.model_facts import ModelFacts
from hf_tinybert.models.exported_runtime import ExportedRuntime
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.report.compared_rows import MODELS, ComparedRows
from hf_tinybert.report.report_settings import ReportSettings
from hf_tinybert.workflow.inference import Inference
from hf_tinybert.workflow.model_folder import answering_config, heads_of, load_model_folder, load_tokenizer
from hf_tinybert.workflow.teacher_search import RecordedTeacher, recorded_teacher
from hf_tinybert.workflow.teacher_source import TeacherSource
from hf_tinybert.workflow.teachers import one_teacher


@dataclass(frozen=True)
class Pair:
    """What a comparison reads.

    Attributes:
        student: with its head, in evaluation mode.
        student_tokenizer: its own.
        teacher: likewise.
        teacher_tokenizer: its own.
        told: a sentence where the teacher is another one than the folder tells of.
    """

    student: PreTrainedModel
    student_tokenizer: PreTrainedTokenizerBase
    teacher: PreTrainedModel
    teacher_tokenizer: PreTrainedTokenizerBase
    told: str = ""


def load_pair(asked: ComparedRows, settings: ReportSettings, facts: ModelFacts) -> Pair:
    """Load both models.

    Args:
        asked: what they are asked.
        settings: of the report.
        facts: of the folder.

    Raises:
        ValueError: no teacher, or one without a trained head.
        FileNotFoundError: the teacher is not where the run had it.
    """
    recorded = recorded_teacher(settings.folder, asked.name)
    if asked.teacher is None:
        raise ValueError(
            f"expected a teacher to compare the model with, got {recorded.name or facts.teacher or 'none'}; because "
            "the folder does not say where one lies, or it is gone from there; name its folder by `--teacher`"
        )
    student = load_model_folder(settings.folder, task=asked.name, kind=facts.kind)
    if isinstance(student.model, ExportedRuntime):
        raise ValueError(
            f"expected a model of transformers in `{settings.folder}`, got an exported graph; because its layers "
            "cannot be read; name the folder that it was exported from"
        )
    teacher = _teacher(asked.teacher, asked.name, recorded, student.model)
    tokenizer = load_tokenizer(asked.teacher.first)
    told = "" if settings.teacher else recorded.unlike(teacher, asked.teacher.public_name)
    for model in (student.model, teacher):
        if torch.accelerator.is_available():
            nn.Module.to(model, torch.accelerator.current_accelerator())
    return Pair(student.model, student.tokenizer, teacher, tokenizer, told)


def ask(pair: Pair, asked: ComparedRows, *, batch_size: int, display: ProgressDisplay) -> list[list[Prediction]]:
    """The student's and the teacher's predictions, one per row.

    Args:
        pair: of models.
        asked: rows.
        batch_size: rows at once.
        display: where progress is shown.
    """
    said = []
    models = ((pair.student, pair.student_tokenizer), (pair.teacher, pair.teacher_tokenizer))
    for name, (model, tokenizer) in zip(MODELS, models, strict=True):
        title = f"{name} on {asked.split}{f' of {asked.name}' if asked.name else ''}"
        with display.bar(title, total=len(asked.rows)) as bar:
            inference = Inference(
                model, tokenizer, asked.task, batch_size=batch_size, seed=asked.seed, on_batch=bar.advance
            )
            said.append(inference.predict(asked.rows))
    return said


def _teacher(
    source: TeacherSource, task: str | None, recorded: RecordedTeacher, student: PreTrainedModel
) -> PreTrainedModel:
    """The teacher, or all of those that taught as one."""
    models = []
    for name in source.names:
        head = recorded.head(heads_of(answering_config(name)), task)
        models.append(one_teacher(name, head, student, needs_head=True, dtype=torch.float32))
    return join_teachers(models, source.shares) if source.is_joined else models[0]


__all__ = ["Pair", "ask", "load_pair"]
