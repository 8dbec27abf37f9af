"""The arguments of the stock Trainer as they are in one phase."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from hf_tinybert.distillation.arguments import DistillationArguments, PhaseSettings
from hf_tinybert.distillation.task_distillation import TaskDistillation
from hf_tinybert.distillation.terms import Phase

_CHANGED_BY_A_PHASE = (
    "num_train_epochs",
    "max_steps",
    "learning_rate",
    "metric_for_best_model",
    "greater_is_better",
    "run_name",
)


@contextmanager
def phase_arguments(
    args: DistillationArguments, settings: PhaseSettings, tasks: Mapping[str, TaskDistillation]
) -> Iterator[None]:
    """Within it the arguments are those of a phase, and afterwards those of the run again.

    Each phase of several has a run name of its own. Where evaluations of the phase do not give the metric of the best
    model, the loss takes its place.

    Args:
        args: of the run; changed in place, because the stock Trainer holds them.
        settings: of the phase.
        tasks: by name, in this phase already; a trainer of one task has it without a name.
    """
    stock = {name: getattr(args, name) for name in _CHANGED_BY_A_PHASE}
    try:
        args.num_train_epochs, args.max_steps = settings.num_train_epochs, settings.max_steps
        args.learning_rate = settings.learning_rate
        if args.run_name and len(args.stages) > 1:
            args.run_name = f"{args.run_name}-{settings.phase}"
        if not _gives_metric(settings.phase, tasks, args.metric_for_best_model):
            args.metric_for_best_model, args.greater_is_better = "loss", False
        yield
    finally:
        for name, value in stock.items():
            setattr(args, name, value)


def _gives_metric(phase: Phase, tasks: Mapping[str, TaskDistillation], metric: str | None) -> bool:
    """Whether evaluations of this phase give the metric of the best model.

    Each term is evaluated in its own phases only; in the intermediate-layer phase the head is untrained, so that only
    losses tell which model is best.
    """
    name = (metric or "loss").removeprefix("eval_")
    terms, now = set[str](), set[str]()
    for task, one in tasks.items():
        prefix = f"{task}_" if task else ""
        terms |= {f"{prefix}{term}" for objective in one.objectives.values() for term in objective.weights}
        now |= {f"{prefix}{term}" for term in one.objective.weights} if one.takes_part else set()
    if name in terms:
        return name in now
    return name == "loss" or phase is not Phase.INTERMEDIATE


__all__ = ["phase_arguments"]
