"""The teacher of a run: what it answers, what its student takes over, and how good it is."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.tasks import TASK_FILE, Task, TaskKind
from hf_tinybert.distillation.encodings import model_input_names
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.teacher import load_teacher
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.sentence_transformers import read_sentence_transformer
from hf_tinybert.workflow.distil_settings import DistilSettings, LearnFrom
from hf_tinybert.workflow.model_folder import (
    folder_of_file,
    has_label_names,
    heads_of,
    load_model_folder,
    task_of_folder,
)
from hf_tinybert.workflow.task_data import PreparedData, task_kind


def teacher_task(
    settings: DistilSettings, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase
) -> Task | None:
    """The teacher's task; None where it is an encoder as it is published and the kind has no label names.

    Raises:
        ValueError: it does not say its task, or has no such head.
    """
    if has_several_heads(config):
        return load_model_folder(settings.teacher, task=settings.teacher_task).task
    if settings.teacher_task is not None:
        raise ValueError(
            f"expected a multi-task teacher for the task `{settings.teacher_task}`, got `{settings.teacher}`, "
            "which has one head; leave the task out"
        )
    names_labels = settings.kind is None or has_label_names(task_kind(settings.kind))
    if is_finetuned(settings.teacher) or names_labels:
        return task_of_folder(settings.teacher, config, tokenizer, settings.kind)
    return None


def embedding_fields(teacher: str, config: PreTrainedConfig, width: int, *, head: str | None = None) -> dict[str, Any]:
    """Fields of a student's configuration for embeddings of its teacher's size, pooled and normalised as it says.

    Args:
        teacher: Hub name or folder.
        config: of the teacher.
        width: of the student's hidden states.
        head: of a multi-task teacher, the one that teaches; may be left out where there is one only.
    """
    heads = heads_of(config)
    if heads and isinstance(config, TinyBertConfig):  # each head pools in its own way
        config = config.for_task(head or next(iter(heads)))
    # of ELECTRA and ALBERT an `embedding_size` is the width of their word embeddings
    size = (config.embedding_size if isinstance(config, TinyBertConfig) else None) or config.hidden_size
    fields: dict[str, Any] = {} if size == width else {"embedding_size": size}
    said = read_sentence_transformer(teacher)
    if said is not None:
        return {**fields, "pooling": said.pooling, "normalize": said.normalize}
    if isinstance(config, TinyBertConfig):
        return {**fields, "pooling": config.pooling, "normalize": config.normalize}
    return fields


def teacher_model(
    settings: DistilSettings,
    config: PreTrainedConfig,
    student: PreTrainedModel,
    objectives: Iterable[DistillationObjective],
) -> tuple[PreTrainedModel, bool]:
    """The teacher as a run needs it, and whether it answers: whether its head is trained.

    Args:
        settings: of the run.
        config: of the teacher.
        student: decides the head.
        objectives: of all phases.

    Raises:
        ValueError: a term compares predictions, and the teacher's head is untrained.
    """
    if has_several_heads(config):
        several = load_model_folder(settings.teacher, task=settings.teacher_task).model
        if isinstance(several, PreTrainedModel):  # no exported folder has several heads
            return several, True
    compares = settings.learn_from == LearnFrom.TEACHER and any(one.compares_predictions for one in objectives)
    answers = compares or is_finetuned(settings.teacher)
    return load_teacher(settings.teacher, student, needs_head=answers), answers


def calibration_texts(
    prepared: PreparedData, teacher: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: DistilSettings
) -> DataLoader[Any]:
    """Training rows on which a student is fitted to its teacher before the first step."""
    names, rows = model_input_names(teacher), prepared.encoded["train"]
    rows = rows.select(range(min(settings.calibration_rows, len(rows))))
    return DataLoader(
        rows.select_columns([name for name in rows.column_names if name in names]),
        batch_size=settings.batch_size,
        collate_fn=_without_labels(prepared.task, tokenizer, settings.seed),
    )


def public_name(name: str) -> str:
    """A Hub name as it is; of a folder on this machine only its last part."""
    return Path(name).resolve().name if Path(name).exists() else name


def is_finetuned(name: str) -> bool:
    """Whether a folder or a Hub model says what it was trained for."""
    return folder_of_file(name, TASK_FILE) is not None


def has_several_heads(config: PreTrainedConfig) -> bool:
    """Whether a configuration is that of a multi-task model."""
    return bool(heads_of(config))


def _without_labels(task: Task, tokenizer: PreTrainedTokenizerBase, seed: int) -> Any:  # noqa: ANN401 (as DataLoader)
    """Whole texts also in masked LM: what the collator would hide is no text to fit on."""
    if task.kind is not TaskKind.MASKED_LM:
        return task.collator(tokenizer, seed)

    def collate(rows: list[dict[str, Any]]) -> Any:  # noqa: ANN401
        return tokenizer.pad(rows, return_tensors="pt")

    return collate


__all__ = [
    "calibration_texts",
    "embedding_fields",
    "has_several_heads",
    "is_finetuned",
    "public_name",
    "teacher_model",
    "teacher_task",
]
