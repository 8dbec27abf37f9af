"""A student and its teacher, loaded for one task: what both answer to what was typed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from hf_tinybert.demo.input_forms import Asked, read_form, tokens_read
from hf_tinybert.demo.model_clock import TimedModel, answer_in_turns
from hf_tinybert.demo.shown_answers import ANSWER_FORMS, ShownAnswer
from hf_tinybert.distillation.record import public_name
from hf_tinybert.distillation.teacher_ensemble import join_teachers, teachers_of
from hf_tinybert.models.exported_runtime import ExportedRuntime
from hf_tinybert.workflow.figures import model_size
from hf_tinybert.workflow.model_folder import ModelFolder, answering_config, heads_of, load_model_folder
from hf_tinybert.workflow.teacher_search import (
    UNUSABLE,
    RecordedTeacher,
    find_teacher,
    named_teacher,
    recorded_teacher,
    teachers_at_hand,
)
from hf_tinybert.workflow.teacher_source import TeacherSource

_GRAPH_FILES = (".onnx", ".data", ".xml", ".bin")


@dataclass(frozen=True)
class ModelAnswer:
    """What one model answered.

    Attributes:
        shown: the answer.
        milliseconds: of the model alone, median of `runs`.
        runs: that were timed.
        cut: tokens of the input and how many of them the model read; None where it read all.
    """

    shown: ShownAnswer
    milliseconds: float
    runs: int
    cut: tuple[int, int] | None


class Comparison:
    """A student beside its teacher.

    Args:
        student: with its task.
        teacher: of the same kind; None for the student alone.
        told: a sentence on the teacher, such as why there is none.
    """

    def __init__(self, student: ModelFolder, teacher: ModelFolder | None = None, told: str = "") -> None:
        self.student, self.teacher, self.told = student, teacher, told
        self.task = student.task
        self._models = [TimedModel(folder) for folder in (student, teacher) if folder is not None]

    def answer(self, typed: Sequence[str]) -> list[ModelAnswer]:
        """What the student and, where there is one, the teacher answer.

        Args:
            typed: one text per field of the kind's form.

        Raises:
            ValueError: what was typed is no row of the task.
        """
        asked = [self._asked(model.folder, typed) for model in self._models]
        timed = answer_in_turns(self._models, [one.row for one in asked])
        show = ANSWER_FORMS[self.task.kind].show
        return [
            ModelAnswer(
                show(answer.prediction, one, str(model.folder.tokenizer.mask_token)),
                answer.milliseconds,
                answer.runs,
                tokens_read(model.folder.task, model.folder.tokenizer, one.row),
            )
            for model, one, answer in zip(self._models, asked, timed, strict=True)
        ]

    def _asked(self, folder: ModelFolder, typed: Sequence[str]) -> Asked:
        """What was typed with the mask of the model, which the page names by the student's."""
        mask, own = self.student.tokenizer.mask_token, folder.tokenizer.mask_token
        if mask and own and mask != own:
            typed = [(text or "").replace(str(mask), str(own)) for text in typed]
        return read_form(folder.task, folder.tokenizer, typed)


def open_comparisons(
    student: str | Path,
    *,
    teacher: str | Sequence[str] | None = None,
    with_teacher: bool = True,
    task: str | None = None,
    kind: str | None = None,
) -> dict[str, Comparison]:
    """The tasks of a student folder by name, each with its teacher.

    Args:
        student: folder or Hub name, exported folders among them.
        teacher: folder or Hub name, or those of several that taught as one, in their order; None looks where the
            student's folder points to.
        with_teacher: whether a teacher is wanted at all.
        task: of a multi-task folder, the one that is shown; None shows all.
        kind: of a model that does not say it.

    Returns:
        One comparison per task; of a model of one task under the name of its kind.

    Raises:
        FileNotFoundError: no such student, or no such teacher where one was named.
        ValueError: a folder that cannot answer, or a named teacher that answers something else.
    """
    several = heads_of(answering_config(str(student)))
    names: list[str | None] = [task] if task or not several else list(several)
    comparisons: dict[str, Comparison] = {}
    for name in names:
        folder = _on_accelerator(load_model_folder(student, task=name, kind=kind))
        found, told = _teacher(folder, student, teacher, name) if with_teacher else (None, "")
        comparisons[name or str(folder.task.kind)] = Comparison(folder, found, told)
    return comparisons


def describe(folder: ModelFolder) -> str:
    """Name, shape and size of a model in a line."""
    config, layers = folder.model.config, folder.model.config.num_hidden_layers
    if isinstance(folder.model, PreTrainedModel) and len(teachers_of(folder.model)) > 1:
        size = model_size(folder.model)
        return f"{folder.name}, as one: {size['parameters'] / 1e6:.1f} M parameters, {size['megabytes']:.1f} MB"
    shape = f"{public_name(folder.name)}: {layers} {'layer' if layers == 1 else 'layers'} x {config.hidden_size}"
    if isinstance(folder.model, PreTrainedModel):
        size = model_size(folder.model)
        return f"{shape}, {size['parameters'] / 1e6:.1f} M parameters, {size['megabytes']:.1f} MB"
    files = [file for file in Path(folder.name).iterdir() if file.suffix in _GRAPH_FILES]
    return f"{shape}, exported graph, {sum(file.stat().st_size for file in files) / 1e6:.1f} MB"


def _teacher(
    student: ModelFolder, name: str | Path, teacher: str | Sequence[str] | None, task: str | None
) -> tuple[ModelFolder | None, str]:
    """The teacher of one task, and a sentence on it where something is to be said."""
    recorded = recorded_teacher(name, task)
    if teacher is not None:
        found = _load_all(named_teacher(teacher, recorded), student, recorded, task)
        return found, recorded.unlike(found.model, found.name)
    if recorded.joined:
        return _joined(student, recorded, task)
    refusals = []
    for folder in teachers_at_hand(recorded, task, str(student.task.kind)):
        try:
            found = _load(str(folder), student, recorded, task)
        except UNUSABLE as error:
            refusals.append(str(error).replace(f"{folder.parent}/", ""))  # a page tells no paths of its machine
            continue
        return found, recorded.unlike(found.model, found.name)
    if refusals:
        return None, f"The student alone: its teacher cannot answer here: {refusals[0]}"
    if recorded.name is None:
        return None, "The student alone: its folder names no teacher; name one with --teacher."
    return None, f"The student alone: its teacher {recorded.name} is not here; name its folder with --teacher."


def _joined(student: ModelFolder, recorded: RecordedTeacher, task: str | None) -> tuple[ModelFolder | None, str]:
    """Several teachers that taught as one, which answer as one."""
    source = find_teacher(recorded, task, str(student.task.kind))
    if source is None:
        return None, (
            f"The student alone: not all of its teachers {recorded.name} are here; name them, or one, with --teacher."
        )
    try:
        found = _load_all(source, student, recorded, task)
    except UNUSABLE as error:
        return None, f"The student alone: its teachers cannot answer here: {error}"
    return found, recorded.unlike(found.model, found.name)


def _load_all(source: TeacherSource, student: ModelFolder, recorded: RecordedTeacher, task: str | None) -> ModelFolder:
    """A teacher, or several as one.

    Raises:
        ValueError: one answers something else than the student, or is a graph that cannot be joined with others.
    """
    folders = [_load(name, student, recorded, task) for name in source.names]
    if not source.is_joined:
        return folders[0]
    models = [one.model for one in folders if isinstance(one.model, PreTrainedModel)]
    if len(models) < len(folders):
        graph = next(one.name for one in folders if not isinstance(one.model, PreTrainedModel))
        raise ValueError(
            f"expected models of transformers as several teachers, got the exported graph `{graph}`; because their "
            "predictions are joined; name the folder that it was exported from"
        )
    return ModelFolder(source.public_name, join_teachers(models, source.shares), folders[0].tokenizer, folders[0].task)


def _load(name: str, student: ModelFolder, recorded: RecordedTeacher, task: str | None) -> ModelFolder:
    """A teacher that answers what the student answers.

    Raises:
        ValueError: it answers something else.
    """
    several = heads_of(answering_config(name))
    found = load_model_folder(
        name, task=recorded.head(several, task), kind=None if several else str(student.task.kind)
    )
    labels, wanted = set(found.task.settings.labels), set(student.task.settings.labels)
    if found.task.kind is not student.task.kind or labels != wanted:
        raise ValueError(
            f"expected a teacher for {student.task.kind} with the student's {len(wanted)} labels, got `{name}` for "
            f"{found.task.kind} with {len(labels & wanted)} of them; because answers to one question are compared; "
            "name another with `--teacher`"
        )
    return _on_accelerator(found)


def _on_accelerator(folder: ModelFolder) -> ModelFolder:
    if torch.accelerator.is_available() and not isinstance(folder.model, ExportedRuntime):
        nn.Module.to(folder.model, torch.accelerator.current_accelerator())
    return folder


__all__ = ["Comparison", "ModelAnswer", "describe", "open_comparisons"]
