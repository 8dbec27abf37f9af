"""Checks of the training arguments: what the loss would ignore, accumulation, steps and learning rate."""

from math import ceil
from typing import NamedTuple

from transformers import TrainingArguments

from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.compatibility import loss_settings
from hf_tinybert.distillation.preflight.report import Check, Status, checked, skipped
from hf_tinybert.distillation.preflight.setup import Setup

# Measured learning rates of BERT-like students lie between 1e-5 and 1e-3; Adam diverges soon above.
_HIGHEST_LEARNING_RATE = 5e-3


class _Phase(NamedTuple):
    name: str
    steps: int
    learning_rate: float


def check_loss_settings(setup: Setup) -> Check:
    """Label smoothing and class weights, which an objective in the place of the stock loss ignores."""

    def refusal() -> None:
        loss_settings.check_loss_settings(setup.student, setup.objectives, setup.arguments)

    return checked("loss settings", refusal, "no label smoothing or class weights that the objective would ignore")


def check_accumulation(setup: Setup) -> Check:
    """A trainer whose loss is a batch mean that is not divided by the accumulation steps."""
    name = "accumulation"
    if setup.trainer_class is None:
        return skipped(name, "no trainer given")
    steps = 1 if setup.arguments is None else setup.arguments.gradient_accumulation_steps
    if setup.trainer_class.loss_is_scaled_for_ga is False:
        return Check(name, Status.OK, f"a batch mean, divided by {steps} accumulation steps")
    return Check(
        name,
        Status.FAIL if steps > 1 else Status.WARN,
        f"expected `loss_is_scaled_for_ga = False` in `{setup.trainer_class.__name__}`, got "
        f"{setup.trainer_class.loss_is_scaled_for_ga}; because the loss is a mean over the batch, and gradients would "
        f"be {steps} times too large at {steps} accumulation steps",
        "set the class attribute to False",
    )


def check_steps(setup: Setup) -> Check:
    """Phases that train nothing, or at a learning rate that cannot work."""
    name, arguments, dataset = "steps", setup.arguments, setup.train_dataset
    if arguments is None or dataset is None:
        return skipped(name, "no training arguments given" if arguments is None else "no training set given")
    phases = _phases(arguments, len(dataset))
    found = ", ".join(f"{phase.name} {phase.steps} steps at {phase.learning_rate:g}" for phase in phases)
    for phase in phases:
        if phase.steps == 0:
            batch = _batch_size(arguments)
            return Check(
                name,
                Status.WARN,
                f"expected at least one step, got none in {phase.name}: {len(dataset)} rows, {batch} a batch; because "
                "the student would be saved as it is",
                "raise the epochs, or set `dataloader_drop_last=False`",
            )
        if not 0 < phase.learning_rate <= _HIGHEST_LEARNING_RATE:
            return Check(
                name,
                Status.WARN,
                f"expected a learning rate above 0 and up to {_HIGHEST_LEARNING_RATE:g}, got {phase.learning_rate:g} "
                f"in {phase.name}; because nothing is learned at 0 and Adam diverges above",
                "start from 1e-4 to 3e-4",
            )
        if arguments.get_warmup_steps(phase.steps) >= phase.steps:
            return Check(
                name,
                Status.WARN,
                f"expected fewer warm-up steps than steps, got {arguments.get_warmup_steps(phase.steps)} of "
                f"{phase.steps} in {phase.name}; because the learning rate never reaches its peak",
                "lower `warmup_steps`",
            )
    return Check(name, Status.OK, found)


def _phases(arguments: TrainingArguments, rows: int) -> list[_Phase]:
    """Optimizer steps and peak learning rate of every phase."""
    if isinstance(arguments, DistillationArguments):
        return [
            _Phase(
                str(settings.phase),
                _steps(arguments, rows, settings.num_train_epochs, settings.max_steps),
                settings.learning_rate,
            )
            for settings in arguments.phase_settings()
        ]
    steps = _steps(arguments, rows, arguments.num_train_epochs, arguments.max_steps)
    return [_Phase("training", steps, arguments.learning_rate)]


def _steps(arguments: TrainingArguments, rows: int, epochs: float, max_steps: int) -> int:
    """Optimizer steps as the Trainer counts them."""
    batch = _batch_size(arguments)
    batches = rows // batch if arguments.dataloader_drop_last else ceil(rows / batch)
    if batches == 0:
        return 0
    return max_steps if max_steps > 0 else ceil(epochs * ceil(batches / arguments.gradient_accumulation_steps))


def _batch_size(arguments: TrainingArguments) -> int:
    """Rows of all processes in one forward."""
    return int(arguments.train_batch_size * arguments.world_size)


__all__ = ["check_accumulation", "check_loss_settings", "check_steps"]
