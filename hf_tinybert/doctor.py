"""The doctor: a distillation examined from names and folders, before anything is trained."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)

from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.data.preprocessing import label_names, tokenize_texts
from hf_tinybert.data.sources import load_task_data
from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.attention import record_attention
from hf_tinybert.distillation.attention_access import AttentionAccess, attention_access
from hf_tinybert.distillation.checkpoints import check_weights
from hf_tinybert.distillation.layer_mapping import resolve_layer_mapping
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.preflight import PreflightReport, Setup, run_preflight
from hf_tinybert.distillation.preflight.report import Check, Status, failed, skipped
from hf_tinybert.distillation.projections import ProjectionLayout, attach_projections, starting_projections
from hf_tinybert.distillation.task_head import predicts_vocabulary, problem_of
from hf_tinybert.distillation.teacher import HEADS, load_teacher
from hf_tinybert.distillation.terms import Phase
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.models.configuration_tinybert import PRESETS, TinyBertConfig

_LOADING_ERRORS = (OSError, ValueError, TypeError)


@dataclass(frozen=True)
class Examination:
    """What is examined.

    Attributes:
        teacher: Hub name or folder.
        student: Hub name or folder, or a preset like "4L-312", which starts at random.
        dataset: Hub name, folder or file, see `load_task_data`; None examines the models alone.
        text_column: text column of the data set, found by itself when None.
        label_column: label column of the data set, found by itself when None.
        split: split that scores the teacher.
        max_length: tokens per text; longer texts are cut.
        batch_size: rows per step, for the memory estimate.
        phases: stages that would be trained.
        layer_mapping: as in `DistillationArguments`.
    """

    teacher: str
    student: str = "4L-312"
    dataset: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    split: str = "validation"
    max_length: int = 128
    batch_size: int = 32
    phases: Sequence[str] = (str(Phase.INTERMEDIATE), str(Phase.PREDICTION))
    layer_mapping: str = "uniform"


def examine(examination: Examination) -> PreflightReport:
    """Load what is named and run the preflight on it; nothing is trained or written.

    What cannot be loaded is a failed check too, and what depends on it is left out.

    Args:
        examination: what to look at.

    Raises:
        ValueError: an unknown phase, or other arguments that no distillation takes.
    """
    with tempfile.TemporaryDirectory() as folder:
        arguments = DistillationArguments(
            output_dir=folder,
            phases=list(examination.phases),
            layer_mapping=examination.layer_mapping,
            per_device_train_batch_size=examination.batch_size,
            report_to="none",
        )
    set_seed(0)
    rows: list[Check] = []
    tokenizer = _load_tokenizer(examination.teacher, rows)
    texts = None if examination.dataset is None else _load_texts(examination, rows)
    names = None if texts is None else label_names(texts)
    student = _load_student(examination, names, rows)
    if student is None:
        return PreflightReport((*rows, skipped("everything else", "needs a student")))
    objectives = list(arguments.objectives(problem_of(student), masked_lm=predicts_vocabulary(student)).values())
    teacher, objectives = _load_teacher(examination.teacher, student, objectives, rows)
    if teacher is None or tokenizer is None:
        return PreflightReport((*rows, skipped("everything else", "needs a teacher and its tokenizer")))
    encoded = _encode(examination, texts, tokenizer, rows)
    _prepare(student, teacher, objectives, arguments)
    setup = Setup(
        student,
        teacher,
        objectives=tuple(objectives),
        mapping=_mapping(arguments, student, teacher),
        student_tokenizer=_student_tokenizer(examination, tokenizer),
        teacher_tokenizer=tokenizer,
        train_dataset=None if encoded is None else encoded["train"],
        eval_dataset=None if encoded is None else encoded[examination.split],
        arguments=arguments,
        max_length=examination.max_length,
        trainer_class=DistillationTrainer,
    )
    return PreflightReport((*rows, *run_preflight(setup).checks))


def _load_tokenizer(name: str, rows: list[Check]) -> PreTrainedTokenizerBase | None:
    try:
        return _tokenizer(name)
    except _LOADING_ERRORS as error:
        rows.append(_unloaded("teacher's tokenizer", name, error))
        return None


def _load_texts(examination: Examination, rows: list[Check]) -> DatasetDict | None:
    try:
        columns = {"text": examination.text_column, "label": examination.label_column}
        given = {standard: name for standard, name in columns.items() if name is not None}
        texts = load_task_data(str(examination.dataset), TaskKind.TEXT_CLASSIFICATION, columns=given).splits
        if examination.split not in texts:
            raise ValueError(
                f"expected a split out of {list(texts)}, got `{examination.split}`; because the teacher is scored on "
                "it; name another one by `--split`"
            )
    except _LOADING_ERRORS as error:
        rows.append(_unloaded("data set", str(examination.dataset), error))
        return None
    counts = ", ".join(f"{len(split):,} {name}" for name, split in texts.items())
    rows.append(Check("data set", Status.OK, f"{counts}; labels {_shown(texts['train'])}"))
    return texts


def _load_student(examination: Examination, names: list[str] | None, rows: list[Check]) -> PreTrainedModel | None:
    try:
        student = _student(examination, names)
    except _LOADING_ERRORS as error:
        rows.append(_unloaded("student", examination.student, error))
        return None
    start = "random start" if examination.student in PRESETS else "as saved"
    rows.append(Check("student", Status.OK, f"{_described(student)}, {start}"))
    return student


def _student(examination: Examination, names: list[str] | None) -> PreTrainedModel:
    """The student with the head of the task: of the texts' classes, else its own, else its teacher's."""
    labels: dict[str, Any] = {}
    if names is not None:
        labels = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    if examination.student in PRESETS:
        config = AutoConfig.from_pretrained(examination.teacher)
        head = "ForSequenceClassification" if names is not None else _head(config)
        shape = TinyBertConfig.from_teacher(config, examination.student, **labels)
        untrained: PreTrainedModel = _auto_class(head).from_config(shape)
        return untrained
    check_weights(Path(examination.student))
    config = AutoConfig.from_pretrained(examination.student)
    head = _head(config)
    if names is not None and head != "ForSequenceClassification":
        head = "ForSequenceClassification"
        config.id2label, config.label2id = labels["id2label"], labels["label2id"]
    student: PreTrainedModel = _auto_class(head).from_pretrained(examination.student, config=config)
    return student


def _load_teacher(
    name: str, student: PreTrainedModel, objectives: list[DistillationObjective], rows: list[Check]
) -> tuple[PreTrainedModel | None, list[DistillationObjective]]:
    """The teacher and what can be examined with it: without a trained head, the terms that need none."""
    needs_head = any(objective.compares_predictions for objective in objectives)
    try:
        teacher = load_teacher(name, student, needs_head=needs_head)
        rows.append(Check("teacher", Status.OK, _described(teacher)))
        return teacher, objectives
    except _LOADING_ERRORS as error:
        rows.append(_unloaded("teacher", name, error))
    headless = [objective for objective in objectives if not objective.compares_predictions]
    if not needs_head or not headless:
        return None, objectives
    try:
        return load_teacher(name, student, needs_head=False), headless
    except _LOADING_ERRORS:
        return None, objectives


def _encode(
    examination: Examination, texts: DatasetDict | None, tokenizer: PreTrainedTokenizerBase, rows: list[Check]
) -> DatasetDict | None:
    if texts is None:
        return None
    try:
        return tokenize_texts(texts, tokenizer, examination.max_length)
    except ValueError as error:
        rows.append(failed("tokenisation", str(error)))
        return None


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
    if any(objective.reads_hidden_states for objective in objectives):
        layout = ProjectionLayout(arguments.projection_layout)
        attach_projections(student, starting_projections(student, teacher, None, layout, seed=arguments.seed))


def _mapping(
    arguments: DistillationArguments, student: PreTrainedModel, teacher: PreTrainedModel
) -> str | tuple[int, ...]:
    """The layers, or what was asked for when it does not resolve: the preflight says why."""
    layers = student.config.num_hidden_layers, teacher.config.num_hidden_layers
    try:
        return resolve_layer_mapping(str(arguments.layer_mapping), *layers)
    except ValueError:
        return str(arguments.layer_mapping)


def _student_tokenizer(examination: Examination, teacher: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The student's tokenizer where it has one of its own."""
    if examination.student in PRESETS:
        return teacher
    try:
        return _tokenizer(examination.student)
    except _LOADING_ERRORS:
        return teacher


def _tokenizer(name: str) -> PreTrainedTokenizerBase:
    """A folder's or a Hub name's tokenizer; of a folder without its files transformers would make an empty one."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(name)
    if len(tokenizer.get_vocab()) <= len(tokenizer.all_special_tokens):
        raise ValueError(
            f"expected tokenizer files in `{name}`, got a vocabulary of {len(tokenizer.get_vocab())} tokens; because "
            "texts cannot be encoded without; save the tokenizer beside the model"
        )
    return tokenizer


def _head(config: PreTrainedConfig) -> str | None:
    """The kind of head a folder was saved with."""
    saved = (config.architectures or [""])[0]
    return next((head for head in HEADS if saved.endswith(head)), None)


def _auto_class(head: str | None) -> Any:  # noqa: ANN401 (transformers gives its Auto classes no common type)
    return AutoModel if head is None else HEADS[head].auto_class


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


def _shown(split: Dataset) -> str:
    feature = split.features["label"]
    names = feature.names if isinstance(feature, ClassLabel) else []
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


__all__ = ["Examination", "examine"]
