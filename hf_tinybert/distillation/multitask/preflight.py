"""Checks before a multi-task run: those of every task, as one table."""

from collections.abc import Mapping
from dataclasses import replace

from transformers import PreTrainedModel, TrainingArguments

from hf_tinybert.distillation.encodings import has_teacher_encoding
from hf_tinybert.distillation.multitask.objectives import DistillationTask
from hf_tinybert.distillation.multitask.pairing import PairedTask, task_view
from hf_tinybert.distillation.preflight import PreflightReport, Setup, run_preflight
from hf_tinybert.distillation.preflight.report import Check
from hf_tinybert.distillation.teacher_outputs import Collator


def preflight_tasks(
    student: PreTrainedModel,
    paired: Mapping[str, PairedTask],
    tasks: Mapping[str, DistillationTask],
    collators: Mapping[str, Collator],
    args: TrainingArguments,
    *,
    score_rows: int,
    runs_models: bool,
) -> PreflightReport:
    """Every check of every task that has a teacher, with the task's name; each sees the student as a one-task model.

    Args:
        student: with its heads, projections attached.
        paired: the tasks as they were made ready.
        tasks: the same as they were given.
        collators: of the tasks.
        args: of the run.
        score_rows: labelled rows at most that each teacher is scored on.
        runs_models: False leaves out the checks that run a model.
    """
    checks = list[Check]()
    for name, one in paired.items():
        if one.pair is None:
            continue
        task = tasks[name]
        data = {"train_dataset": task.train_dataset, "eval_dataset": task.eval_dataset} if runs_models else {}
        setup = Setup(
            task_view(student, name),
            one.pair.teacher,
            objectives=tuple(one.objectives.values()),
            mapping=one.pair.layer_mapping,
            student_tokenizer=one.pair.tokenizers[0],
            teacher_tokenizer=one.pair.tokenizers[1],
            arguments=args,
            collator=collators[name],
            separate_encodings=has_teacher_encoding(task.train_dataset.column_names),
            score_rows=score_rows,
            **data,
        )
        checks += [replace(check, name=f"{name}: {check.name}") for check in run_preflight(setup).checks]
    return PreflightReport(tuple(checks))


__all__ = ["preflight_tasks"]
