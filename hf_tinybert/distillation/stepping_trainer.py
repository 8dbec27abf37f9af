"""The stock Trainer, whose steps neither wait for the device nor count the student's weights."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.trainer_utils import EvalLoopOutput

from hf_tinybert.distillation.optimizing_trainer import OptimizingTrainer


class SteppingTrainer(OptimizingTrainer):
    """Leaves the host free to launch the next step while the device still works on the last.

    The kernels of a small student are short, so that its steps take the host's time.

    Args:
        **kwargs: of the stock Trainer.
    """

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 (the stock Trainer's own)
        super().__init__(**kwargs)
        self._leaves_out_infinite = False  # whether the losses of a step are looked at here
        self._operations_per_token: int | None = None

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (passed through)
        """As of the stock Trainer, which asks the device at every step whether the loss is a number."""
        self._leaves_out_infinite = self.args.logging_nan_inf_filter
        self.args.logging_nan_inf_filter = False
        try:
            super()._run_epoch(*args, **kwargs)  # type: ignore[no-untyped-call]  # untyped in transformers
        finally:
            self.args.logging_nan_inf_filter, self._leaves_out_infinite = self._leaves_out_infinite, False

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """As of the stock Trainer, the loss `()`; for one that is no number it logs the mean of those before."""
        loss: Tensor = super().training_step(model, inputs, num_items_in_batch)
        if not self._leaves_out_infinite:
            return loss
        mean = self._tr_loss / (1 + self.state.global_step - self._globalstep_last_logged)
        return torch.where(loss.isfinite(), loss, mean)

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> EvalLoopOutput:  # noqa: ANN401 (passed through)
        """As of the stock Trainer, with its own way of leaving out losses that are no numbers."""
        given = self.args.logging_nan_inf_filter
        self.args.logging_nan_inf_filter = given or self._leaves_out_infinite
        try:
            output: EvalLoopOutput = super().evaluation_loop(*args, **kwargs)
            return output
        finally:
            self.args.logging_nan_inf_filter = given

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """As of the stock Trainer, which counts all weights anew at every step."""
        tokens: int = inputs["input_ids"].numel()
        if self._operations_per_token is None:
            self._operations_per_token = super().floating_point_ops(inputs) // tokens
        return self._operations_per_token * tokens


__all__ = ["SteppingTrainer"]
