"""What no multi-task run can do, refused before anything is spent."""

import inspect
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.trainer_utils import IntervalStrategy

from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.compatibility.models import check_learns
from hf_tinybert.distillation.compatibility.rows import check_dataset, check_evaluation_rows
from hf_tinybert.distillation.multitask.objectives import DistillationTask, task_objectives
from hf_tinybert.distillation.multitask.pairing import MultiTaskModel
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.refusals import check_before_data
from hf_tinybert.distillation.terms import Phase

MEAN_SCORE = "mean_score"

Objectives = Mapping[str, Mapping[Phase, DistillationObjective]]
"""Of every task by its name: those of the phases in which it takes part."""

_LOSS = "loss"
_OF_EACH_TASK = ("train_dataset", "eval_dataset", "data_collator", "compute_metrics", "preprocess_logits_for_metrics")
_STRATEGIES = ("group_by_length", "random")


def check_arguments(args: DistillationArguments, others: Mapping[str, Any]) -> None:
    """Refuse arguments of the stock Trainer that a step of one task leaves no room for.

    Args:
        args: of the run.
        others: keyword arguments for the stock Trainer.

    Raises:
        ValueError: what belongs to a task, another order of rows, or batches that one process cuts up for all.
    """
    given = [name for name in _OF_EACH_TASK if others.get(name) is not None]
    if given:
        raise ValueError(
            f"expected no {', '.join(f'`{name}`' for name in given)} for all tasks, got some; because each task has "
            "its own; set them in its `DistillationTask`"
        )
    if args.train_sampling_strategy not in _STRATEGIES:
        raise ValueError(
            f"expected a `train_sampling_strategy` of {', '.join(f'`{name}`' for name in _STRATEGIES)}, got "
            f"`{args.train_sampling_strategy}`; because a step must hold rows of one task; choose one of these"
        )
    _check_loader(args)


def _check_loader(args: DistillationArguments) -> None:
    config: Any = args.accelerator_config
    given = [name for name in ("dispatch_batches", "split_batches") if getattr(config, name)]
    if given:
        raise ValueError(
            f"expected no `accelerator_config` with {', '.join(f'`{name}`' for name in given)}, got it; because every "
            "process draws its own rows of the step's task, and a batch carries its name, which cannot be cut; leave "
            "it out"
        )


def check_batch_metrics(args: DistillationArguments, tasks: Mapping[str, DistillationTask]) -> None:
    """Refuse, as the stock Trainer does of its own, a `compute_metrics` that cannot be called batch by batch.

    Args:
        args: of the run.
        tasks: as they were given.

    Raises:
        ValueError: with `batch_eval_metrics`, one that takes no `compute_result`.
    """
    for name, task in tasks.items():
        computes = task.compute_metrics if args.batch_eval_metrics else None
        if computes is not None and "compute_result" not in inspect.signature(computes).parameters:
            raise ValueError(
                f"expected `compute_metrics` of the task `{name}` to take `compute_result`, got one that does not; "
                "because with `batch_eval_metrics` it is called for every batch and has to know which is the last; "
                "add the argument, or leave out `batch_eval_metrics`"
            )


def check_before_teachers(
    student: MultiTaskModel,
    args: DistillationArguments,
    tasks: Mapping[str, DistillationTask],
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> None:
    """Refuse what `MultiTaskDistillationTrainer` will refuse of these tasks, before a teacher is asked anything.

    No model is changed.

    Args:
        student: with a head for every task.
        args: of the run.
        tasks: by the names of their heads, their teachers loaded.
        tokenizer: of the student.

    Raises:
        ValueError: see `distillation.refusals.check_before_data`, of a pair with the name of its task; a student of
            which a phase trains nothing, a phase without a task, two figures of one name, or a metric that no
            evaluation gives.
    """
    objectives = dict[str, dict[Phase, DistillationObjective]]()
    for name, task in tasks.items():
        own = student.for_task(name)
        objectives[name] = task_objectives(args, own, name, task, has_teacher=task.teacher is not None)
        several = list(objectives[name].values())
        try:
            check_dataset(task.train_dataset, own, several)
            if task.eval_dataset is not None and args.eval_strategy != IntervalStrategy.NO:
                check_evaluation_rows(task.eval_dataset, own, several)
            if isinstance(task.teacher, PreTrainedModel):
                tokenizers = tokenizer, task.teacher_processing_class
                check_before_data(own, task.teacher, args, tokenizers=tokenizers, objectives=several)
        except ValueError as error:
            raise ValueError(f"task `{name}`: {error}") from error
    check_learns(cast("PreTrainedModel", student), [one for phases in objectives.values() for one in phases.values()])
    check_phases(args, objectives)
    check_figures(tasks, objectives)
    check_best_of_tasks(args, tasks, objectives)


def check_phases(args: DistillationArguments, objectives: Objectives) -> None:
    """Refuse a phase in which no task has anything to learn.

    Args:
        args: of the run.
        objectives: of the tasks.

    Raises:
        ValueError: there is one.
    """
    idle = [phase for phase in args.stages if not any(phase in phases for phases in objectives.values())]
    if idle:
        raise ValueError(
            f"expected a task that learns in the phase {', '.join(f'`{phase}`' for phase in idle)}, got "
            f"{', '.join(f'`{name}`' for name in objectives)}, which do not; because without a teacher there are no "
            "layers to imitate; give one of them a `teacher`, or choose `phases` or a `recipe` without it"
        )


def check_figures(tasks: Mapping[str, DistillationTask], objectives: Objectives) -> None:
    """Refuse tasks of which two figures would have one name, so that one would take the other's place.

    Args:
        tasks: as they were given.
        objectives: of the same.

    Raises:
        ValueError: such as of the tasks `ner` and `ner_prediction`: `ner_prediction_loss` would be two; or a scored
            task of the name `mean`.
    """
    mean = MEAN_SCORE.removesuffix("_score")
    if mean in tasks and tasks[mean].compute_metrics is not None:
        raise ValueError(
            f"expected another name than `{mean}` for a task with metrics, got it; because its metric "
            f"`score` would be called `{MEAN_SCORE}`, as the mean over all tasks is; rename the task"
        )
    twice = [name for name, count in Counter(_losses(objectives)).items() if count > 1]
    if twice:
        raise ValueError(
            f"expected figures of all tasks with names of their own, got {', '.join(f'`{name}`' for name in twice)} "
            f"twice by the tasks {', '.join(f'`{name}`' for name in objectives)}; because evaluations call a term of "
            "a task `<task>_<term>` and the loss of a task `<task>_loss`; rename a task"
        )


def check_best_of_tasks(
    args: DistillationArguments, tasks: Mapping[str, DistillationTask], objectives: Objectives
) -> None:
    """Refuse a metric of the best model that no evaluation gives: the run would end at the first one.

    Args:
        args: of the run.
        tasks: as they were given.
        objectives: of the same.

    Raises:
        ValueError: the metric is none of any task that is evaluated, or a phase evaluates none.
    """
    if args.metric_for_best_model is None or args.eval_strategy == IntervalStrategy.NO:
        return
    metric = args.metric_for_best_model.removeprefix("eval_")
    evaluated = {name: phases for name, phases in objectives.items() if tasks[name].eval_dataset is not None}
    scored = [name for name in evaluated if tasks[name].compute_metrics is not None]
    if metric == MEAN_SCORE and not scored:
        raise ValueError(
            f"expected a task with an `eval_dataset` and `compute_metrics` for `{MEAN_SCORE}`, got none; because "
            "it is the mean of the tasks' main metrics, and the first evaluation would end the run; give a task "
            "both, or choose the metric `loss`"
        )
    known = [_LOSS, *([MEAN_SCORE] if scored else []), *dict.fromkeys(_losses(evaluated))]
    if metric not in known and not any(metric.startswith(f"{name}_") for name in scored):
        raise ValueError(
            f"expected a `metric_for_best_model` of {', '.join(f'`{name}`' for name in known)}, or of what "
            f"`compute_metrics` gives behind the name of its task, got `{metric}`; because evaluations give no other, "
            "and the first one would end the run; choose one of these"
        )
    blind = [phase for phase in args.stages if not any(phase in phases for phases in evaluated.values())]
    if blind:
        raise ValueError(
            f"expected a task with an `eval_dataset` in the phase {', '.join(f'`{phase}`' for phase in blind)}, got "
            f"none; because `metric_for_best_model` is `{metric}`, which nothing would give there; give a task that "
            "learns in it rows to evaluate on, or leave out the metric and `load_best_model_at_end`"
        )


def check_new_figures(found: Mapping[str, float], earlier: Mapping[str, float], name: str) -> None:
    """Refuse figures of a task that have the names of those of another.

    Args:
        found: of the task.
        earlier: of the tasks before it.
        name: of the task.

    Raises:
        ValueError: `compute_metrics` gave a metric that is known already.
    """
    twice = sorted(found.keys() & earlier.keys())
    if twice:
        raise ValueError(
            f"expected figures of all tasks with names of their own, got {', '.join(f'`{one}`' for one in twice)} of "
            f"`{name}` and of a task before it; because evaluations call a metric `<task>_<metric>`; rename a task"
        )


def _losses(objectives: Objectives) -> list[str]:
    """What evaluations call the losses and terms of tasks, those of several phases once."""
    names = list[str]()
    for task, phases in objectives.items():
        terms = dict.fromkeys(str(term) for one in phases.values() for term in one.weights)
        names += [f"{task}_{name}" for name in (_LOSS, *terms)]
    return names


__all__ = [
    "MEAN_SCORE",
    "check_arguments",
    "check_batch_metrics",
    "check_before_teachers",
    "check_best_of_tasks",
    "check_figures",
    "check_new_figures",
    "check_phases",
]
