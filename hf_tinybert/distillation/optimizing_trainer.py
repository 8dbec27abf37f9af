"""The stock Trainer, whose optimizer trains projections too, and parts of the student at rates of their own."""

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from hf_tinybert.distillation.checkpointing_trainer import CheckpointingTrainer
from hf_tinybert.distillation.projections import attached_projections, train_with
from hf_tinybert.distillation.rate_factors import multiply_rates


class OptimizingTrainer(CheckpointingTrainer):
    """Completes the optimizer, whoever made it, before there is a schedule."""

    @property
    def _rate_factors(self) -> dict[str, float]:
        """Of the learning rate, by part of the student."""
        given = self.args.learning_rate_factors
        return given if isinstance(given, dict) else {}

    def create_optimizer(self, model: nn.Module | None = None) -> Optimizer:
        """As of the stock Trainer, with groups of their own for parts of the student at other learning rates."""
        is_new = self.optimizer is None
        optimizer: Optimizer = super().create_optimizer(model)
        if is_new:
            multiply_rates(optimizer, self.model if model is None else model, self._rate_factors)
        return optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Optimizer | None = None) -> LRScheduler:
        """As of the stock Trainer, for an optimizer that trains the projections, whoever made it."""
        if not (self.is_deepspeed_enabled or self.is_fsdp_enabled):  # those have spread its parameters by now
            self._train_projections()
        schedule: LRScheduler = super().create_scheduler(num_training_steps, optimizer)
        return schedule

    def _train_projections(self) -> None:
        projections = attached_projections(self.model)
        if self.optimizer is not None and projections is not None:
            train_with(self.optimizer, projections)


__all__ = ["OptimizingTrainer"]
