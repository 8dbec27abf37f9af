"""The arguments of the stock Trainer as they are in one phase."""

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from transformers.trainer_utils import IntervalStrategy

from hf_tinybert.distillation.arguments import DistillationArguments, PhaseSettings
from hf_tinybert.distillation.task_distillation import TaskDistillation
from hf_tinybert.distillation.terms import TEMPERED_TERMS, Phase

logger = logging.getLogger(__name__)

_CHANGED_BY_A_PHASE = (
    "num_train_epochs",
    "max_steps",
    "learning_rate",
    "metric_for_best_model",
    "greater_is_better",
    "run_name",
)


_LOSS = "loss"
_OF_EVERY_EVALUATION = frozenset({_LOSS, "runtime", "samples_per_second", "steps_per_second"})


@contextmanager
def phase_arguments(
    args: DistillationArguments,
    settings: PhaseSettings,
    tasks: Mapping[str, TaskDistillation],
    parts: Collection[str] = (),
) -> Iterator[None]:
    """Within it the arguments are those of a phase, and afterwards those of the run again.

    Each phase of several has a run name of its own. Where evaluations of the phase do not give the metric of the best
    model, the loss takes its place; of several evaluation sets that of the same set.

    Args:
        args: of the run; changed in place, because the stock Trainer holds them.
        settings: of the phase.
        tasks: by name, in this phase already; a trainer of one task has it without a name.
        parts: names of several evaluation sets, whose figures the stock Trainer calls `eval_<part>_<metric>`.
    """
    stock = {name: getattr(args, name) for name in _CHANGED_BY_A_PHASE}
    try:
        args.num_train_epochs, args.max_steps = settings.num_train_epochs, settings.max_steps
        args.learning_rate = settings.learning_rate
        if args.run_name and len(args.stages) > 1:
            args.run_name = f"{args.run_name}-{settings.phase}"
        part, metric = _split(args.metric_for_best_model, parts)
        if not _gives_metric(settings.phase, tasks, metric):
            args.metric_for_best_model, args.greater_is_better = f"{part}{_LOSS}", False
        yield
    finally:
        for name, value in stock.items():
            setattr(args, name, value)


def check_best_metric(
    args: DistillationArguments,
    tasks: Mapping[str, TaskDistillation],
    *,
    parts: Collection[str] = (),
    computes_metrics: bool,
) -> None:
    """Refuse a metric of the best model that no evaluation gives: the run would end at the first one.

    Args:
        args: of the run.
        tasks: as of `phase_arguments`.
        parts: as of `phase_arguments`.
        computes_metrics: whether there is a `compute_metrics`, which may give any.

    Raises:
        ValueError: the metric is of none of the evaluation sets, or neither a loss nor one that is computed.
    """
    if args.metric_for_best_model is None or args.eval_strategy == IntervalStrategy.NO:
        return
    part, metric = _split(args.metric_for_best_model, parts)
    if parts and not part:
        raise ValueError(
            "expected a `metric_for_best_model` of one of the evaluation sets "
            f"{', '.join(f'`{one}`' for one in parts)}, got `{args.metric_for_best_model}`; because each set has "
            f"figures of its own; name one, such as `{next(iter(parts))}_{metric}`"
        )
    losses = {term for term, _ in _terms(tasks)}
    if not computes_metrics and metric not in _OF_EVERY_EVALUATION | losses:
        raise ValueError(
            f"expected a `metric_for_best_model` of {', '.join(sorted({_LOSS, *losses}))}, got `{metric}`; because "
            "without `compute_metrics` evaluations give no other, and the first one would end the run; pass "
            "`compute_metrics`, or choose one of these"
        )


def warn_of_moving_loss(
    args: DistillationArguments, tasks: Mapping[str, TaskDistillation], parts: Collection[str] = ()
) -> None:
    """Say that the loss, where it chooses the best model, falls and rises with weights that move.

    Args:
        args: of the run.
        tasks: as of `phase_arguments`.
        parts: as of `phase_arguments`.
    """
    if args.metric_for_best_model is None or args.eval_strategy == IntervalStrategy.NO:
        return
    metric = _split(args.metric_for_best_model, parts)[1]
    moving = sorted({term for one in tasks.values() for term in _moving(one)})
    if moving and metric == _LOSS:
        logger.warning(
            "the weights of %s move, so that the losses of two evaluations are not sums of the same terms, and the "
            "best model by `%s` may be that of the smallest weights; choose a term or a metric in its place",
            ", ".join(f"`{term}`" for term in moving),
            args.metric_for_best_model,
        )
    tempered = {f"{task}_{term}" if task else term for task, one in tasks.items() for term in _tempered(one)}
    if tempered and metric in {_LOSS, *tempered}:
        logger.warning(
            "the temperature moves, so that `%s` of two evaluations is not of the same targets, and the best model by "
            "it may be that of the lowest; choose another term or a metric in its place",
            args.metric_for_best_model,
        )


def _moving(task: TaskDistillation) -> set[str]:
    """The terms whose weights change over any phase."""
    weights = [pair for objective in task.objectives.values() for pair in objective.weights.items()]
    return {str(term) for term, weight in weights if weight.moves}


def _tempered(task: TaskDistillation) -> set[str]:
    """The terms whose temperature changes over any phase."""
    moving = [objective for objective in task.objectives.values() if objective.temperature_moves]
    return {str(term) for objective in moving for term in objective.weights if term in TEMPERED_TERMS}


def _split(metric: str | None, parts: Collection[str]) -> tuple[str, str]:
    """The evaluation set that a metric is of, as a prefix that ends in `_`, and its name there."""
    name = (metric or _LOSS).removeprefix("eval_")
    part = max((f"{one}_" for one in parts if name.startswith(f"{one}_")), key=len, default="")
    return part, name.removeprefix(part)


def _terms(tasks: Mapping[str, TaskDistillation]) -> set[tuple[str, bool]]:
    """The terms of all phases as evaluations name them, and whether this phase has them."""
    found = set[tuple[str, bool]]()
    for task, one in tasks.items():
        prefix, now = f"{task}_" if task else "", one.objective.weights if one.takes_part else {}
        names = {term for objective in one.objectives.values() for term in objective.weights}
        found |= {(f"{prefix}{term}", term in now) for term in names}
    return found


def _gives_metric(phase: Phase, tasks: Mapping[str, TaskDistillation], name: str) -> bool:
    """Whether evaluations of this phase give the metric of the best model.

    Each term is evaluated in its own phases only; in the intermediate-layer phase the head is untrained, so that only
    losses tell which model is best.
    """
    now = dict(_terms(tasks))
    return now.get(name, name == _LOSS or phase is not Phase.INTERMEDIATE)


__all__ = ["check_best_metric", "phase_arguments", "warn_of_moving_loss"]
