"""Supervised tasks beside the text of a general distillation: rows, heads, and what is learned of each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from hf_tinybert.data.tasks import Task, TaskKind, TaskSettings
from hf_tinybert.distillation.multitask.objectives import DistillationTask
from hf_tinybert.distillation.terms import Term
from hf_tinybert.workflow.model_folder import task_folder
from hf_tinybert.workflow.pretrain_settings import TEXT_TASK, PretrainSettings
from hf_tinybert.workflow.supervised import trainer_data
from hf_tinybert.workflow.task_data import PreparedData, can_be_scored, prepare_data

_WITHOUT_LABELS = frozenset({TaskKind.MASKED_LM, TaskKind.SENTENCE_EMBEDDING})
_PERCENT = frozenset({TaskKind.QUESTION_ANSWERING})  # whose main metric is 100 for a faultless model


def read_tasks(
    settings: PretrainSettings, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig
) -> dict[str, PreparedData]:
    """The rows of every task, encoded for the student; none without tasks.

    Args:
        settings: of the run.
        tokenizer: of the teacher, and so of the student.
        config: of the teacher, for the longest input.

    Raises:
        ValueError: unusable data, or a kind without gold labels.
        FileNotFoundError: no such data.
    """
    tasks: dict[str, PreparedData] = {}
    for name in settings.tasks:
        try:
            data = prepare_data(settings.data_of(name), tokenizer, config)
        except ValueError as error:
            raise ValueError(f"task `{name}`: {error}") from error
        labelled = all(can_be_scored(data.rows[split], data.task) for split in ("train", "validation"))
        if data.task.kind in _WITHOUT_LABELS or not labelled:
            raise ValueError(
                f"expected a kind with gold labels for the task `{name}`, got `{data.task.kind}`"
                f"{'' if labelled else ' without them'}; because a task beside the text has no teacher; leave it out, "
                "or give its texts with the others"
            )
        tasks[name] = data
    return tasks


def heads_of(tasks: Mapping[str, PreparedData]) -> dict[str, dict[str, Any]]:
    """The heads of tasks, as in `TinyBertConfig.tasks`."""
    heads: dict[str, dict[str, Any]] = {}
    for name, data in tasks.items():
        labels = data.task.settings.labels
        heads[name] = {"kind": str(data.task.kind), **({"id2label": dict(enumerate(labels))} if labels else {})}
    return heads


def distillation_tasks(
    text: DistillationTask,
    tasks: Mapping[str, PreparedData],
    settings: PretrainSettings,
    tokenizer: PreTrainedTokenizerBase,
) -> dict[str, DistillationTask]:
    """The text, and every task with its gold labels as the only term.

    Args:
        text: blocks and teacher.
        tasks: what `read_tasks` gave.
        settings: of the run.
        tokenizer: of the student.
    """
    made = {TEXT_TASK: text}
    for name, one in tasks.items():
        data = trainer_data(one, tokenizer, settings.seed)
        made[name] = DistillationTask(
            train_dataset=one.encoded["train"],
            eval_dataset=data["eval_dataset"],
            collator=data["data_collator"],
            compute_metrics=data.get("compute_metrics"),
            main_metric=one.task.main_metric,
            full_score=100.0 if one.task.kind in _PERCENT else 1.0,
            preprocess_logits_for_metrics=data["preprocess_logits_for_metrics"],
            loss_weights={Term.LABEL: settings.task_weight(name), Term.MASKED_LM: 0.0},
        )
    return made


def main_metrics(tasks: Mapping[str, PreparedData]) -> frozenset[str]:
    """The names under which evaluations give the tasks' main metrics."""
    return frozenset(f"eval_{name}_{one.task.main_metric}" for name, one in tasks.items())


def save_tasks(folder: Path, tasks: Mapping[str, PreparedData], block_length: int) -> None:
    """Say beside a student what each of its heads answers; nothing of a student without several."""
    if not tasks:
        return
    Task(TaskSettings(TaskKind.MASKED_LM, max_length=block_length)).save(task_folder(folder, TEXT_TASK))
    for name, one in tasks.items():
        one.task.save(task_folder(folder, name))


__all__ = ["distillation_tasks", "heads_of", "main_metrics", "read_tasks", "save_tasks"]
