"""A multi-task student and its teachers made ready for each other, before anything is spent."""

import copy
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from transformers import DataCollatorWithPadding, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.distillation.adapters import is_adapter_model, transformers_model
from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.attention import record_attention
from hf_tinybert.distillation.attention_access import mask_without_waiting
from hf_tinybert.distillation.compatibility.models import check_learns, check_two_models
from hf_tinybert.distillation.compatibility.rows import check_dataset
from hf_tinybert.distillation.distributed_teacher import check_distributed_teacher
from hf_tinybert.distillation.encodings import has_teacher_encoding
from hf_tinybert.distillation.multitask.objectives import DistillationTask, task_objectives
from hf_tinybert.distillation.multitask.projections import TaskProjections
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.pairing import Pair, pair_models
from hf_tinybert.distillation.projections import (
    PROJECTIONS_ATTRIBUTE,
    DistillationProjections,
    ProjectionStart,
    attach_projections,
    detach_projections,
)
from hf_tinybert.distillation.sharding import gathered
from hf_tinybert.distillation.task_head import predicts_vocabulary
from hf_tinybert.distillation.teacher import load_teacher_tokenizer
from hf_tinybert.distillation.teacher_outputs import Collator
from hf_tinybert.distillation.terms import Phase
from hf_tinybert.distillation.training_rows import paired_collator

if TYPE_CHECKING:
    from peft import PeftModel

logger = logging.getLogger(__name__)

TaskStarts = Mapping[str, ProjectionStart]
"""Where the projections to each task's teacher start."""


class MultiTaskModel(Protocol):
    """A model with a named head per task."""

    @property
    def config(self) -> PreTrainedConfig: ...  # noqa: D102

    def for_task(self, name: str) -> PreTrainedModel:
        """A plain one-task model with copies of the encoder and of one head."""
        ...


@dataclass(frozen=True)
class PairedTask:
    """One task of a run, ready.

    Attributes:
        objectives: of the phases in which it takes part, in order.
        pair: the student with the teacher of the task; None without one.
        predicts_vocabulary: whether its head predicts masked words.
    """

    objectives: dict[Phase, DistillationObjective]
    pair: Pair | None
    predicts_vocabulary: bool

    def collator(self, name: str, task: DistillationTask, tokenizer: PreTrainedTokenizerBase | None) -> Collator:
        """What makes batches of the task: its own collator, else padding by the tokenizers of its models.

        Args:
            name: of the task, for messages.
            task: as it was given.
            tokenizer: of the student, if it is known.

        Raises:
            ValueError: there is neither a collator nor a tokenizer.
        """
        if task.collator is not None:
            return task.collator
        if tokenizer is None:
            raise ValueError(
                f"expected a `collator` of the task `{name}` or a `processing_class`, got neither; because rows are "
                "of different length and have to be padded; pass the student's tokenizer"
            )
        if self.pair is not None and has_teacher_encoding(task.train_dataset.column_names):
            return paired_collator(*self.pair.tokenizers)
        padding: Collator = DataCollatorWithPadding(tokenizer)
        return padding


def pair_tasks(
    model: "PreTrainedModel | PeftModel",
    args: DistillationArguments,
    tasks: Mapping[str, DistillationTask],
    *,
    teacher: "PreTrainedModel | str | Path | None" = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
    initialization: TaskStarts | ProjectionStart | str | Path | None = None,
) -> dict[str, PairedTask]:
    """Load, check and prepare student and teachers: recorded attention, frozen teachers, projections on the student.

    Every pair is checked as that of a one-task student with the head of the task.

    Args:
        model: the student, with a head for every task; changed in place.
        args: of the run.
        tasks: by the names of their heads.
        teacher: a multi-task model, or its folder or Hub name, for the tasks without a teacher of their own.
        tokenizer: of the student, compared with those of the teachers.
        initialization: where the projections start, see `MultiTaskDistillationTrainer`.

    Raises:
        ValueError: a student without the heads, a task without teacher and labels; see `distillation.compatibility`.
    """
    student = multi_task_student(model, tasks)
    shared_tokenizer = None
    if isinstance(teacher, str | Path):
        shared_tokenizer = None if tokenizer is None else load_teacher_tokenizer(teacher)
        teacher = _loaded(type(student), teacher)
    paired, projections, used = dict[str, PairedTask](), dict[str, DistillationProjections](), list[object]()
    for name, task in tasks.items():
        with gathered(student):
            own = _for_task(student, name)
        taught_by, source = _teacher_of(name, task, teacher, type(student))
        objectives = task_objectives(args, own, name, task, has_teacher=taught_by is not None)
        pair = None
        if taught_by is None:
            check_dataset(task.train_dataset, own, list(objectives.values()))
        else:
            if any(taught_by is one for one in used):
                taught_by = copy.deepcopy(taught_by)  # each task asks its teacher for states of its own
            used.append(taught_by)
            other = task.teacher_processing_class or (shared_tokenizer if task.teacher is None else None)
            start = initialization.get(name) if isinstance(initialization, Mapping) else initialization
            pair = _pair(name, (own, student), taught_by, args, task, objectives, (tokenizer, other), start)
            pair = pair if source is None else replace(pair, teacher_name=source)
        paired[name] = PairedTask(objectives, pair, predicts_vocabulary(own))
        attached = own._modules.get(PROJECTIONS_ATTRIBUTE)
        if pair is not None and isinstance(attached, DistillationProjections):
            projections[name] = attached
    check_learns(student, [one for task in paired.values() for one in task.objectives.values()])
    if any(one.reads_attention for task in paired.values() for one in task.objectives.values()):
        record_attention(student)
    else:
        with gathered(student):
            mask_without_waiting(student)
    if projections:
        _attach(student, TaskProjections(projections), initialization)
    else:
        detach_projections(student)
    return paired


def multi_task_student(model: "PreTrainedModel | PeftModel", tasks: Mapping[str, DistillationTask]) -> PreTrainedModel:
    """The student, seen to hold a head for every task.

    Raises:
        ValueError: it has an adapter, is no multi-task model, or lacks a head.
    """
    if is_adapter_model(model):
        raise ValueError(
            "expected a multi-task student without an adapter, got a `PeftModel`; because peft saves the head of one "
            "task only; merge the adapter, or distil into the whole student"
        )
    if not isinstance(model, PreTrainedModel):
        raise ValueError(f"expected a multi-task model of transformers, got `{type(model).__name__}`")
    heads = _heads(model)
    if not heads:
        raise ValueError(
            f"expected a student with a head for each task, got `{type(model).__name__}`; because each task is "
            "answered by a head of its own; build one by `TinyBertForMultiTask.from_encoder(encoder, tasks)`"
        )
    missing = [name for name in tasks if name not in heads]
    if missing:
        raise ValueError(
            f"expected tasks of the student's heads {', '.join(f'`{name}`' for name in heads)}, got "
            f"{', '.join(f'`{name}`' for name in missing)}; because a task is answered by the head of its name; add "
            "the head (`student.add_task`), or correct the name"
        )
    idle = [name for name in heads if name not in tasks]
    if idle:
        logger.info("no rows are given for the heads %s: they stay as they are, under an encoder that moves", idle)
    return model


def task_view(student: PreTrainedModel, name: str) -> PreTrainedModel:
    """The one-task student of a task as it is now, attention and projections as the student has them."""
    own = _for_task(student, name)
    projections = student._modules.get(PROJECTIONS_ATTRIBUTE)
    if isinstance(projections, TaskProjections) and projections.serves(name):
        attach_projections(own, projections.of(name))
    own.set_attn_implementation(student.config._attn_implementation)
    return own


def _pair(
    name: str,
    students: tuple[PreTrainedModel, PreTrainedModel],
    teacher: "PreTrainedModel | PeftModel | str | Path",
    args: DistillationArguments,
    task: DistillationTask,
    objectives: dict[Phase, DistillationObjective],
    tokenizers: tuple[PreTrainedTokenizerBase | None, PreTrainedTokenizerBase | None],
    start: ProjectionStart | str | Path | None,
) -> Pair:
    """The pair of one task, by its one-task student and then the whole; errors tell the task's name."""
    own, student = students
    try:
        if not isinstance(teacher, str | Path):
            with gathered(student, teacher):
                check_two_models(student, transformers_model(teacher))
        pair = pair_models(
            own,
            teacher,
            args,
            tokenizers=tokenizers,
            objectives=objectives,
            start=start,
            task=name,
            train_dataset=task.train_dataset,
        )
    except ValueError as error:
        raise ValueError(f"task `{name}`: {error}") from error
    deepspeed = None if args.deepspeed_plugin is None else args.deepspeed_plugin.hf_ds_config.config
    check_distributed_teacher(student, pair.teacher, deepspeed)
    return replace(pair, student=student)


def _attach(
    student: PreTrainedModel,
    projections: TaskProjections,
    initialization: TaskStarts | ProjectionStart | str | Path | None,
) -> None:
    if isinstance(initialization, str | Path):
        projections.load(Path(initialization))
    elif initialization is not None:
        starts = dict.fromkeys(projections.by_task, cast("ProjectionStart", initialization))
        if isinstance(initialization, Mapping):
            starts = dict(initialization)
        projections.start_at(starts)
    attach_projections(student, projections)


def _teacher_of(
    name: str, task: DistillationTask, shared: PreTrainedModel | None, student_class: type[PreTrainedModel]
) -> "tuple[PreTrainedModel | PeftModel | str | Path | None, str | None]":
    """Who teaches a task, and what a multi-task teacher was loaded from."""
    whole = task.teacher if isinstance(task.teacher, student_class) else shared if task.teacher is None else None
    if whole is None:
        return task.teacher, None
    if name in _heads(whole):
        return _for_task(whole, name), str(whole.config._name_or_path)
    if task.teacher is None:
        return None, None
    raise ValueError(
        f"expected a teacher with a head `{name}` for the task `{name}`, got one with "
        f"{', '.join(f'`{head}`' for head in _heads(whole))}; because a multi-task teacher teaches by the head of the "
        "task's name; choose the head (`teacher.for_task(head)`), or leave the teacher out to learn from labels alone"
    )


def _loaded(student_class: type[PreTrainedModel], name: str | Path) -> PreTrainedModel:
    teacher: PreTrainedModel = student_class.from_pretrained(str(name))
    return teacher


def _heads(model: PreTrainedModel) -> list[str]:
    """The names of a multi-task model's heads; none of any other."""
    tasks = model.config.to_dict().get("tasks")
    return list(tasks) if isinstance(tasks, dict) else []


def _for_task(model: PreTrainedModel, name: str) -> PreTrainedModel:
    return cast("MultiTaskModel", model).for_task(name)


__all__ = ["MultiTaskModel", "PairedTask", "TaskStarts", "multi_task_student", "pair_tasks", "task_view"]
