"""The doctor: a distillation examined from names and folders, before anything is trained."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import (
    AutoConfig,
    AutoModel,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)

from hf_tinybert.data.sources import TaskData
from hf_tinybert.data.tasks import KINDS, Task, TaskKind, TaskSettings
from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.attention import record_attention
from hf_tinybert.distillation.attention_access import AttentionAccess, attention_access
from hf_tinybert.distillation.checkpoints import check_weights
from hf_tinybert.distillation.frozen_weights import freeze
from hf_tinybert.distillation.layer_mapping import MappingStrategy, resolve_layer_mapping
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.preflight import PreflightReport, Setup, run_preflight
from hf_tinybert.distillation.preflight.report import Check, Status, failed, skipped
from hf_tinybert.distillation.projections import ProjectionLayout, attach_projections, starting_projections
from hf_tinybert.distillation.task_head import predicts_vocabulary, problem_of
from hf_tinybert.distillation.teacher import load_teacher
from hf_tinybert.distillation.teacher_ensemble import join_teachers
from hf_tinybert.distillation.teacher_heads import HEADS
from hf_tinybert.distillation.terms import Reads
from hf_tinybert.distillation.token_map import find_token_map
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.idle_settings import check_not_idle
from hf_tinybert.models.configuration_tinybert import PRESETS, TinyBertConfig
from hf_tinybert.models.modeling_tinybert import TinyBertModel
from hf_tinybert.workflow.heads import STUDENT_CLASSES, head_class
from hf_tinybert.workflow.model_folder import (
    answering_config,
    has_label_names,
    heads_of,
    load_model_folder,
    load_tokenizer,
)
from hf_tinybert.workflow.student_shape import StudentShape
from hf_tinybert.workflow.task_data import read_data
from hf_tinybert.workflow.teacher_source import TeacherSource
from hf_tinybert.workflow.teachers import check_same_vocabulary

_LOADING_ERRORS = (OSError, ValueError, TypeError, ModuleNotFoundError)


@dataclass(frozen=True)
class Examination:
    """What is examined.

    Attributes:
        teacher: Hub name or folder, or several that teach as one.
        student: Hub name or folder, or a preset like "4L-312", which starts at random.
        dataset: Hub name, folder or file, see `read_data`; None examines the models alone.
        kind: kind of task; None takes the one that the columns show.
        columns: standard column -> its name in the data, where the names do not show it.
        split: split that scores the teacher.
        max_length: tokens per text; longer texts are cut.
        batch_size: rows per step, for the memory estimate.
        recipe: method that would be trained by; None takes the one that `distill` takes by default.
        phases: stages that would be trained; None takes the recipe's.
        layer_mapping: as in `DistillationArguments`; None likewise.
        teacher_weights: of each of several teachers in the mean of their predictions; None for equal ones.
        task: of a multi-task teacher, the head that teaches.

    Raises:
        ValueError: a `batch_size` below 1, or what is said of a `dataset` without one.
    """

    teacher: str | tuple[str, ...]
    student: str = "4L-312"
    dataset: str | None = None
    kind: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    split: str = "validation"
    max_length: int = 128
    batch_size: int = 32
    recipe: str | None = None
    phases: Sequence[str] | None = None
    layer_mapping: str | None = None
    teacher_weights: tuple[float, ...] | None = None
    task: str | None = None

    def __post_init__(self) -> None:
        """Check what nothing else would before it is divided by."""
        if self.batch_size < 1:
            raise ValueError(f"expected a `batch_size` of at least 1, got {self.batch_size}; because no row is read")
        if self.dataset is None:
            check_not_idle(self, ("kind", "columns", "split"), "`dataset`", "the models alone are examined")

    @property
    def teacher_source(self) -> TeacherSource:
        """Where the teacher lies, or the several that teach as one."""
        return TeacherSource.of(self.teacher, self.teacher_weights)


def examine(examination: Examination) -> PreflightReport:
    """Load what is named and run the preflight on it; nothing is trained or written.

    What cannot be loaded is a failed check too, and what depends on it is left out.

    Args:
        examination: what to look at.

    Raises:
        ValueError: an unknown recipe or phase, or other arguments that no distillation takes.
    """
    source = examination.teacher_source  # refuses weights that do not fit
    recipe: dict[str, Any] = {} if examination.recipe is None else {"recipe": examination.recipe}
    with tempfile.TemporaryDirectory() as folder:
        arguments = DistillationArguments(
            output_dir=folder,
            phases=None if examination.phases is None else list(examination.phases),
            layer_mapping=examination.layer_mapping,
            per_device_train_batch_size=examination.batch_size,
            report_to="none",
            **recipe,
        )
    set_seed(0)
    rows: list[Check] = []
    tokenizer = _load_tokenizer(source, rows)
    data = None if examination.dataset is None else _load_data(examination, rows)
    task = None if data is None else _task(examination, data)
    student = _load_student(examination, task, rows)
    if student is None:
        return PreflightReport((*rows, skipped("everything else", "needs a student")))
    objectives = list(arguments.objectives(problem_of(student), masked_lm=predicts_vocabulary(student)).values())
    teacher, objectives = _load_teacher(examination, student, objectives, rows)
    if teacher is None or tokenizer is None:
        return PreflightReport((*rows, skipped("everything else", "needs a teacher and its tokenizer")))
    own = _student_tokenizer(examination, tokenizer)
    read_by = tokenizer if find_token_map(own, tokenizer) is None else own  # a part of the pieces: the student's own
    encoded = None if task is None or data is None else _encode(examination, task, data, read_by, rows)
    _prepare(student, teacher, objectives, arguments)
    setup = Setup(
        student,
        teacher,
        objectives=tuple(objectives),
        mapping=_mapping(arguments, student, teacher),
        student_tokenizer=own,
        teacher_tokenizer=tokenizer,
        train_dataset=None if encoded is None else encoded["train"],
        eval_dataset=None if encoded is None else encoded[examination.split],
        arguments=arguments,
        collator=None if task is None else task.collator(read_by),
        max_length=examination.max_length,
        trainer_class=DistillationTrainer,
    )
    return PreflightReport((*rows, *run_preflight(setup).checks))


def _load_tokenizer(source: TeacherSource, rows: list[Check]) -> PreTrainedTokenizerBase | None:
    """That of the teacher, or the common one of several."""
    found: list[PreTrainedTokenizerBase] = []
    for name in source.names:
        try:
            found.append(load_tokenizer(name))
            check_same_vocabulary(source.first, found[0], name, found[-1])
        except _LOADING_ERRORS as error:
            rows.append(_unloaded("teacher's tokenizer", name, error))
            return None
    return found[0]


def _load_data(examination: Examination, rows: list[Check]) -> TaskData | None:
    try:
        data = read_data(str(examination.dataset), examination.kind, examination.columns, seed=0, needs_gold=False)
        if examination.split not in data.splits:
            raise ValueError(
                f"expected a split out of {list(data.splits)}, got `{examination.split}`; because the teacher is "
                "scored on it; name another one by `--split`"
            )
    except _LOADING_ERRORS as error:
        rows.append(_unloaded("data set", str(examination.dataset), error))
        return None
    counts = ", ".join(f"{len(split):,} {name}" for name, split in data.splits.items())
    rows.append(Check("data set", Status.OK, f"{data.kind}: {counts}{_shown(data.labels)}"))
    return data


def _task(examination: Examination, data: TaskData) -> Task:
    length = examination.max_length
    stride = length // 3 if KINDS[data.kind].windows else 0
    labels = data.labels or _labels_of_teacher(examination, data.kind)
    return Task(TaskSettings(kind=data.kind, labels=labels, max_length=length, stride=stride))


def _labels_of_teacher(examination: Examination, kind: TaskKind) -> tuple[str, ...]:
    """The label names of data that has none; none of a teacher that cannot be loaded, which another check tells."""
    if not has_label_names(kind):
        return ()
    try:
        config = _teacher_config(examination.teacher_source.first, examination.task)
    except _LOADING_ERRORS:
        return ()
    return tuple(name for _, name in sorted((config.id2label or {}).items()))


def _load_student(examination: Examination, task: Task | None, rows: list[Check]) -> PreTrainedModel | None:
    shape_of_teacher: PreTrainedConfig | None = None
    first = examination.teacher_source.first
    try:
        if examination.student in PRESETS:
            shape_of_teacher = _teacher_config(first, examination.task)
    except _LOADING_ERRORS as error:
        rows.append(_unloaded("teacher", first, error))
        return None
    try:
        student = _student(examination, task, shape_of_teacher)
    except _LOADING_ERRORS as error:
        rows.append(_unloaded("student", examination.student, error))
        return None
    start = "random start" if examination.student in PRESETS else "as saved"
    rows.append(Check("student", Status.OK, f"{_described(student)}, {start}"))
    return student


def _student(examination: Examination, task: Task | None, config: PreTrainedConfig | None) -> PreTrainedModel:
    """The student with the head of the task: that of the data, else its own, else that of its teacher's `config`."""
    fields: dict[str, Any] = {} if task is None else task.model_settings()
    if config is not None:
        if task is not None and task.kind is TaskKind.SENTENCE_EMBEDDING:
            fields["embedding_size"] = config.hidden_size
        shape = StudentShape(examination.student).config(config, **fields)  # as `distill` makes it
        head = _head(config) if task is None else task.definition.head
        untrained: PreTrainedModel = TinyBertModel(shape) if head is None else STUDENT_CLASSES[head](shape)
        return untrained
    check_weights(Path(examination.student))
    config = AutoConfig.from_pretrained(examination.student)
    head = _head(config)
    if task is not None and head != task.definition.head:
        head = task.definition.head
        config.update(fields)
    loader = AutoModel if head is None else head_class(head, config)
    student: PreTrainedModel = loader.from_pretrained(examination.student, config=config)
    return student


def _teacher_config(name: str, task: str | None) -> PreTrainedConfig:
    """Of a teacher with one head; of one with several, that of the head that teaches, if it is named."""
    config = answering_config(name)
    head = heads_of(config).get(str(task))
    if head is not None and isinstance(config, TinyBertConfig):
        config = config.for_task(str(task))
        config.architectures = [KINDS[TaskKind(head["kind"])].head]
    return config


def _teacher(name: str, task: str | None, student: PreTrainedModel, *, needs_head: bool) -> PreTrainedModel:
    if task is not None or heads_of(answering_config(name)):
        several = load_model_folder(name, task=task).model  # refuses a head that is not there
        if isinstance(several, PreTrainedModel):  # no exported folder has several heads
            return freeze(several)
    return load_teacher(name, student, needs_head=needs_head)


def _load_teacher(
    examination: Examination, student: PreTrainedModel, objectives: list[DistillationObjective], rows: list[Check]
) -> tuple[PreTrainedModel | None, list[DistillationObjective]]:
    """The teacher and what can be examined with it: without a trained head, the terms that need none."""
    source, needs_head = examination.teacher_source, any(one.compares_predictions for one in objectives)
    try:
        models = [_teacher(name, examination.task, student, needs_head=needs_head) for name in source.names]
        teacher = join_teachers(models, source.shares) if source.is_joined else models[0]
        rows.append(Check("teacher", Status.OK, "; ".join(map(_described, models))))
        return teacher, objectives
    except _LOADING_ERRORS as error:
        rows.append(_unloaded("teacher", source.public_name if source.is_joined else source.first, error))
    headless = [one for one in map(_without_predictions, objectives) if one is not None]
    if not needs_head or not headless:
        return None, objectives
    try:
        return _teacher(source.first, examination.task, student, needs_head=False), headless
    except _LOADING_ERRORS:
        return None, objectives


def _without_predictions(objective: DistillationObjective) -> DistillationObjective | None:
    """The terms that a teacher without a trained head can teach; None where there is none."""
    kept = {name: weight for name, weight in objective.weights.items() if not objective.reads_of(name) & Reads.LOGITS}
    layers = {name: own for name, own in objective.layers.items() if name in kept}
    return replace(objective, weights=kept, layers=layers) if kept else None


def _encode(
    examination: Examination, task: Task, data: TaskData, tokenizer: PreTrainedTokenizerBase, rows: list[Check]
) -> dict[str, Dataset] | None:
    """The training rows and those that score the teacher; masked LM's with masks that stay."""
    try:
        encoded = {name: task.encode(data.splits[name], tokenizer) for name in ("train", examination.split)}
    except ValueError as error:
        rows.append(failed("tokenisation", str(error)))
        return None
    return {**encoded, examination.split: task.fix_masks(encoded[examination.split], tokenizer, 0)}


def _prepare(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    objectives: list[DistillationObjective],
    arguments: DistillationArguments,
) -> None:
    """What the trainer does to both models before its first step."""
    if any(objective.reads_attention for objective in objectives):
        for model in (student, teacher):
            if attention_access(model) is AttentionAccess.INTERFACE:
                record_attention(model)
    if any(objective.reads_projections for objective in objectives):
        layout = ProjectionLayout(arguments.projection_layout)
        attach_projections(student, starting_projections(student, teacher, None, layout, seed=arguments.seed))


def _mapping(
    arguments: DistillationArguments, student: PreTrainedModel, teacher: PreTrainedModel
) -> str | tuple[int, ...]:
    """The layers; what was asked for where they are searched, or do not resolve, of which the preflight says why."""
    layers = student.config.num_hidden_layers, teacher.config.num_hidden_layers
    mapping = str(arguments.layer_mapping)
    if mapping == MappingStrategy.SEARCH:
        return mapping
    try:
        return resolve_layer_mapping(mapping, *layers)
    except ValueError:
        return mapping


def _student_tokenizer(examination: Examination, teacher: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The student's tokenizer where it has one of its own."""
    if examination.student in PRESETS:
        return teacher
    try:
        return load_tokenizer(examination.student)
    except _LOADING_ERRORS:
        return teacher


def _head(config: PreTrainedConfig) -> str | None:
    """The kind of head a folder was saved with."""
    saved = (config.architectures or [""])[0]
    return next((head for head in HEADS if saved.endswith(head)), None)


def _unloaded(name: str, source: str, error: Exception) -> Check:
    message = " ".join(str(error).split())
    if message.startswith("expected "):
        return failed(name, message)
    return Check(
        name,
        Status.FAIL,
        f"expected a folder or a Hub name, got `{source}`, which cannot be loaded: {message}",
        "check the spelling, the connection and HF_HUB_OFFLINE",
    )


def _described(model: PreTrainedModel) -> str:
    config = model.config
    shape = f"{config.num_hidden_layers} layers x {config.hidden_size}, {config.num_attention_heads} heads"
    return f"{type(model).__name__}, {shape}, {model.num_parameters() / 1e6:.1f} M parameters"


def _shown(labels: Sequence[str]) -> str:
    if not labels:
        return ""
    return "; labels " + ", ".join(labels[:6]) + (f" and {len(labels) - 6} more" if len(labels) > 6 else "")


__all__ = ["Examination", "examine"]
