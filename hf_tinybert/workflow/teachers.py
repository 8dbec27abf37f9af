"""The teacher of a run: what it answers, what its student takes over, and how good it is."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.tasks import TASK_FILE, Task, TaskKind
from hf_tinybert.distillation.checkpoints import check_weights
from hf_tinybert.distillation.encodings import model_input_names
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.teacher import load_teacher
from hf_tinybert.distillation.teacher_ensemble import join_teachers
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.sentence_transformer_settings import pools_states, read_pooled_states
from hf_tinybert.workflow.distil_settings import DistilSettings, LearnFrom
from hf_tinybert.workflow.model_folder import (
    answering_config,
    embedding_task,
    folder_of_file,
    has_label_names,
    heads_of,
    load_model_folder,
    load_task,
    load_tokenizer,
    task_of_folder,
)
from hf_tinybert.workflow.task_data import PreparedData, task_kind

# kinds whose predictions are over a vocabulary, or no predictions
_NO_MEAN = frozenset({TaskKind.MASKED_LM, TaskKind.SENTENCE_EMBEDDING})


def teacher_task(
    settings: DistilSettings, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase
) -> Task | None:
    """The teacher's task; None where it is an encoder as it is published and the kind has no label names.

    Raises:
        ValueError: it does not say its task, or has no such head.
    """
    return _task_of(settings.teacher_source.first, settings, config, tokenizer)


def check_joined(settings: DistilSettings, known: Task | None, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse several teachers that cannot teach as one, before any data is read; one alone passes.

    What only their weights tell, `join_teachers` refuses.

    Args:
        settings: of the run.
        known: task of the first, see `teacher_task`.
        tokenizer: of the first.

    Raises:
        ValueError: a kind of task whose predictions have no mean, or a teacher of another vocabulary or task than the
            first, or with other labels or another order of them.
    """
    source = settings.teacher_source
    if not source.is_joined:
        return
    kind = known.kind if known is not None else task_kind(str(settings.kind))
    if kind in _NO_MEAN:
        raise ValueError(
            f"expected one teacher for {kind}, got {len(source.names)}; because predictions over a vocabulary and "
            "embeddings of several models have no common mean; choose one"
        )
    for name in source.names[1:]:
        check_weights(Path(name))
        config, own = answering_config(name), load_tokenizer(name)
        task = _task_of(name, settings, config, own)
        for what, wanted, got in (
            ("kind of task", None if known is None else known.kind, None if task is None else task.kind),
            ("labels", () if known is None else known.settings.labels, () if task is None else task.settings.labels),
        ):
            if wanted != got:
                raise ValueError(
                    f"expected the {what} of `{source.first}` in `{name}`, {wanted}, got {got}; because the mean of "
                    "both would be of neither; name teachers of one task that have its labels in one order"
                )
        check_same_vocabulary(source.first, tokenizer, name, own)


def check_same_vocabulary(
    first: str, tokenizer: PreTrainedTokenizerBase, name: str, other: PreTrainedTokenizerBase
) -> None:
    """Refuse a teacher that reads other tokens than the first.

    Args:
        first: name of the first.
        tokenizer: of the first.
        name: of the other.
        other: tokenizer of the other.

    Raises:
        ValueError: their vocabularies differ.
    """
    if other.get_vocab() != tokenizer.get_vocab():
        raise ValueError(
            f"expected the vocabulary of `{first}` in `{name}`, got another one; because all teachers read the same "
            "tokens; name teachers that were fine-tuned from models with one tokenizer"
        )


def _task_of(
    name: str, settings: DistilSettings, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase
) -> Task | None:
    heads = heads_of(config)
    if heads:
        if settings.teacher_task not in heads and (settings.teacher_task is not None or len(heads) > 1):
            got = "none" if settings.teacher_task is None else f"`{settings.teacher_task}`"
            raise ValueError(
                f"expected a `teacher_task` of {', '.join(f'`{head}`' for head in sorted(heads))}, the heads of the "
                f"teacher `{name}`, got {got}; because each answers another task; name the one that "
                "teaches as `teacher_task`, of a recipe with `tasks` in the task (`--task` of `hf-tinybert distill`)"
            )
        return load_task(name, task=settings.teacher_task, kind=settings.kind)
    if settings.teacher_task is not None:
        raise ValueError(
            f"expected a multi-task teacher for the task `{settings.teacher_task}`, got `{name}`, "
            "which has one head; leave the task out"
        )
    names_labels = settings.kind is None or has_label_names(task_kind(settings.kind))
    says_similarity = settings.kind == TaskKind.SENTENCE_EMBEDDING and isinstance(config, TinyBertConfig)
    if is_finetuned(name) or names_labels or says_similarity:
        return task_of_folder(name, config, tokenizer, settings.kind)
    if settings.kind == TaskKind.SENTENCE_EMBEDDING and pools_states(name):
        return _embedding_task(name, settings, config, tokenizer)
    return None


def _embedding_task(
    name: str, settings: DistilSettings, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase
) -> Task:
    task = embedding_task(name, config, tokenizer)
    if settings.max_length is not None and settings.max_length > task.settings.max_length:
        raise ValueError(
            f"expected `max_length` of at most {task.settings.max_length}, got {settings.max_length}; because the "
            f"teacher `{name}` makes its embeddings of so many tokens of a text; leave it out"
        )
    return task


def embedding_fields(teacher: str, config: PreTrainedConfig, width: int, *, head: str | None = None) -> dict[str, Any]:
    """Fields of a student's configuration for embeddings of its teacher's size, made and compared as it says.

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
    said = read_pooled_states(teacher)
    if said is not None:
        said_fields = {"pooling": said.pooling, "normalize": said.normalize, "similarity": said.similarity}
        return {**fields, **said_fields}
    if isinstance(config, TinyBertConfig):
        own = {"pooling": config.pooling, "normalize": config.normalize, "similarity": config.similarity}
        return {**fields, **own}
    return fields


def teacher_model(
    settings: DistilSettings,
    student: PreTrainedModel,
    objectives: Iterable[DistillationObjective],
) -> tuple[PreTrainedModel, bool]:
    """The teacher as a run needs it, and whether it answers: whether its head is trained.

    Args:
        settings: of the run.
        student: decides the head.
        objectives: of all phases.

    Raises:
        ValueError: a term compares predictions, and the teacher's head is untrained; or several teachers that cannot
            be joined, or whose predictions no term compares.
    """
    source = settings.teacher_source
    compares = settings.learn_from == LearnFrom.TEACHER and any(one.compares_predictions for one in objectives)
    if not source.is_joined:
        answers = compares or is_finetuned(source.first) or has_several_heads(answering_config(source.first))
        return one_teacher(source.first, settings.teacher_task, student, needs_head=answers), answers
    if settings.learn_from == LearnFrom.TEACHER and not compares:
        raise ValueError(
            f"expected a term that compares predictions with {len(source.names)} teachers, got none; because the "
            f"layers of the first alone would teach; name `{source.first}` alone, or train a phase that compares them"
        )
    models = [one_teacher(name, settings.teacher_task, student, needs_head=True) for name in source.names]
    return join_teachers(models, source.shares), True


def one_teacher(
    name: str, task: str | None, student: PreTrainedModel, *, needs_head: bool, dtype: torch.dtype | None = None
) -> PreTrainedModel:
    """A model that teaches.

    Args:
        name: Hub name or folder.
        task: of a multi-task teacher, the head that teaches.
        student: decides the head.
        needs_head: whether its predictions are read.
        dtype: of the weights; None for that of the file.

    Raises:
        ValueError: see `load_teacher`.
    """
    if has_several_heads(answering_config(name)):
        several = load_model_folder(name, task=task).model
        if isinstance(several, PreTrainedModel):  # no exported folder has several heads
            return several
    return load_teacher(name, student, needs_head=needs_head, dtype=dtype)


def calibration_texts(
    prepared: PreparedData, teacher: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: DistilSettings
) -> DataLoader[Any]:
    """Training rows, from all over the split, on which a student is fitted to its teacher before the first step."""
    names, rows = model_input_names(teacher), prepared.encoded["train"]
    taken = min(settings.calibration_rows, len(rows))
    rows = rows.select(np.linspace(0, len(rows) - 1, taken, dtype=int))
    return DataLoader(
        rows.select_columns([name for name in rows.column_names if name in names]),
        batch_size=settings.batch_size,
        collate_fn=_without_labels(prepared.task, tokenizer, settings.seed),
    )


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
    "check_joined",
    "check_same_vocabulary",
    "embedding_fields",
    "has_several_heads",
    "is_finetuned",
    "one_teacher",
    "teacher_model",
    "teacher_task",
]
