"""A task of a multi-task distillation, and what its student learns in each phase."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.compatibility.rows import label_column
from hf_tinybert.distillation.loss_weights import parse_loss_weights
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.schedules import Schedule
from hf_tinybert.distillation.task_head import predicts_vocabulary, problem_of
from hf_tinybert.distillation.teacher_outputs import Collator
from hf_tinybert.distillation.terms import LABEL_TERMS, Phase, Reads, Term

if TYPE_CHECKING:
    from peft import PeftModel


@dataclass(frozen=True)
class DistillationTask:
    """One task of a multi-task student.

    Attributes:
        train_dataset: encoded rows; without labels the task is learned from its teacher alone.
        eval_dataset: encoded rows to evaluate on; None leaves the task out of evaluations.
        teacher: model, Hub name or folder; frozen. None takes the head of this name of the trainer's multi-task
            teacher, if it has one; else the task is learned from its labels alone.
        teacher_processing_class: the teacher's tokenizer; found by itself when the teacher is a name.
        collator: makes batches; None pads by the student's tokenizer.
        compute_metrics: of an `EvalPrediction`, as of the stock Trainer; called in every evaluation, also where
            rows bring no labels along.
        main_metric: the one of these metrics that says which model is best, higher is better; the first if unset.
        full_score: the main metric of a faultless model: 100 for the F1 of SQuAD.
        preprocess_logits_for_metrics: as of the stock Trainer.
        loss_weights: factors other than those of the arguments, for this task.
        objectives: one of one's own for each phase, instead of those that the arguments describe.
    """

    train_dataset: Dataset
    eval_dataset: Dataset | None = None
    teacher: "PreTrainedModel | PeftModel | str | Path | None" = None
    teacher_processing_class: PreTrainedTokenizerBase | None = None
    collator: Collator | None = None
    compute_metrics: Callable[..., dict[str, float]] | None = None
    main_metric: str | None = None
    full_score: float = 1.0
    preprocess_logits_for_metrics: Callable[[Any, Any], Any] | None = None
    loss_weights: Mapping[str, Any] | None = None
    objectives: Mapping[Phase, DistillationObjective] | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without a student."""
        if not isinstance(self.train_dataset, Dataset):
            raise ValueError(
                f"expected the rows of a task as a `datasets.Dataset`, got `{type(self.train_dataset).__name__}`; "
                "because steps are shared by the number of rows; load the data as a `Dataset`"
            )
        parse_loss_weights(self.loss_weights or {})
        if self.objectives is not None and self.loss_weights:
            raise ValueError(
                "expected no `loss_weights` of a task with `objectives`, got both; because "
                "objectives of one's own have their weights, and these would be ignored; set them there"
            )
        if not self.full_score > 0:
            raise ValueError(f"expected a positive `full_score`, got {self.full_score}")


def task_objectives(
    args: DistillationArguments, student: PreTrainedModel, name: str, task: DistillationTask, *, has_teacher: bool
) -> dict[Phase, DistillationObjective]:
    """What is learned of a task in every phase in which it takes part, in order.

    * With teacher and labels: the terms of the arguments, teacher annealing included.
    * Without labels: the label terms are left out, and terms of predictions keep the highest of their weights where
      these would have moved: no labels take over.
    * `probability_shift` of the arguments is that of every task with a teacher.
    * Without teacher: the label term alone, at the highest of its weights or 1, and no intermediate-layer phase.

    Args:
        args: of the run.
        student: the one-task student with the head of the task.
        name: of the task, for messages.
        task: the task.
        has_teacher: whether a teacher teaches it.

    Raises:
        ValueError: there is nothing to learn: neither teacher nor labels, or no phase that trains what there is; or
            `probability_shift` of a task without labels, or whose predictions are no exclusive classes.
    """
    vocabulary = predicts_vocabulary(student)
    has_labels = label_column(task.train_dataset) is not None or vocabulary  # of masked words the collator makes them
    if not has_teacher and not has_labels:
        raise ValueError(
            f"expected a teacher or labels for the task `{name}`, got neither in {task.train_dataset.column_names}; "
            "because there is nothing to learn from; pass a `teacher`, or add the column `labels`"
        )
    if task.objectives is not None:
        return {Phase(phase): one for phase, one in task.objectives.items()}
    own = copy.copy(args)
    general = args.loss_weights if isinstance(args.loss_weights, dict) else {}
    own.loss_weights = {**general, **(task.loss_weights or {})}
    own.probability_shift = args.probability_shift and has_teacher
    if own.probability_shift and not has_labels:
        raise ValueError(
            f"expected labels of the task `{name}` for `probability_shift`, got {task.train_dataset.column_names}; "
            "because they say where its teacher is wrong; add the column `labels`, or leave `probability_shift` out"
        )
    try:
        objectives = own.objectives(problem_of(student), masked_lm=vocabulary)
    except ValueError as error:
        raise ValueError(f"task `{name}`: {error}") from error
    if not has_teacher:
        label = Term.MASKED_LM if vocabulary else Term.LABEL
        objectives = {
            phase: replace(one, weights={label: _highest_label_weight(one)}, layers={}, learned_mapping=None)
            for phase, one in objectives.items()
            if phase is not Phase.INTERMEDIATE
        }
    elif not has_labels:
        objectives = {phase: replace(one, weights=_without_labels(one)) for phase, one in objectives.items()}
    if not objectives or not all(one.weights for one in objectives.values()):
        raise ValueError(
            f"expected a term that the task `{name}` can learn in {', '.join(args.stages)}, got none; because it has "
            f"no {'labels' if has_teacher else 'teacher'}; add what is missing, or change `phases` or `loss_weights`"
        )
    return objectives


def _highest_label_weight(objective: DistillationObjective) -> Schedule:
    weights = [_highest(weight) for term, weight in objective.weights.items() if term in LABEL_TERMS]
    return Schedule.constant(max(weights, default=1.0))


def _without_labels(objective: DistillationObjective) -> dict[str, Schedule]:
    kept = {term: weight for term, weight in objective.weights.items() if term not in LABEL_TERMS}
    if len(kept) == len(objective.weights):
        return kept
    return {
        term: Schedule.constant(_highest(weight)) if objective.reads_of(term) & Reads.LOGITS else weight
        for term, weight in kept.items()
    }


def _highest(weight: Schedule) -> float:
    return max(weight.start, weight.end)


__all__ = ["DistillationTask", "task_objectives"]
