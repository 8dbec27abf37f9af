"""The stock Trainer whose loss is the objective of the phase: training, evaluation and prediction of a batch."""

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler, SequentialSampler
from transformers import EvalPrediction, TrainingArguments
from transformers.trainer_utils import EvalLoopOutput, PredictionOutput, has_length
from transformers.utils.generic import ModelOutput

from hf_tinybert.distillation.embedding_teacher import gives_embeddings
from hf_tinybert.distillation.projections import DistillationOutput
from hf_tinybert.distillation.running_means import RunningMeans
from hf_tinybert.distillation.stepping_trainer import SteppingTrainer
from hf_tinybert.distillation.task_distillation import TaskDistillation
from hf_tinybert.distillation.task_head import leaves_out_vocabulary_logits

_Value = TypeVar("_Value")

ONLY_TASK = ""
_LOSS = "loss"
_PREDICTIONS = ("logits", "start_logits", "end_logits", "prediction_logits")


class ObjectiveTrainer(SteppingTrainer):
    """Asks the task of each batch for its terms, and reports the mean of every term.

    Args:
        **kwargs: of the stock Trainer; `_tasks` are filled in afterwards.
    """

    loss_is_scaled_for_ga = False  # compute_loss returns a batch mean; Trainer divides by the accumulation steps

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 (the stock Trainer's own)
        super().__init__(**kwargs)
        self._tasks: dict[str, TaskDistillation] = {}
        self._terms = {"train": RunningMeans(), "eval": RunningMeans()}
        self._predicts = True  # whether whoever asks for outputs reads predictions
        self._counted: int | None = None  # rows for which a batch of an evaluation counts; None for all
        self._may_lack_labels = False

    def _task_of(self, inputs: Mapping[str, Any]) -> str:
        """Which task a batch is of."""
        return ONLY_TASK

    def _active_tasks(self) -> dict[str, TaskDistillation]:
        """Those that learn something in this phase."""
        return {name: task for name, task in self._tasks.items() if task.takes_part}

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, ModelOutput]:
        """The objective of the current phase on one batch, `()`, and the student's loss and logits if asked.

        The loss is a mean over the batch; `num_items_in_batch` is not needed.
        """
        name = self._task_of(inputs)
        task = self._tasks[name]
        losses, output = task.losses(
            model, inputs, predicts=return_outputs and self._predicts, progress=self._progress
        )
        loss = task.objective.total(losses, self._progress)
        if model.training:
            self._terms["train"].add(self._logged(name, losses, loss), rows=len(inputs["input_ids"]))
        else:
            self._terms["eval"].add(losses, rows=self._rows_of(inputs))
        if not return_outputs:
            return loss
        predictions: dict[str, Any] = dict(self._predictions(task, output))
        return loss, DistillationOutput(loss=loss, **predictions)

    def _predictions(self, task: TaskDistillation, output: ModelOutput) -> dict[str, Tensor]:
        """What of a student's output are predictions, by name; a phase that leaves out the vocabulary has none."""
        if task.predicts_vocabulary and leaves_out_vocabulary_logits(self._student):
            return {}
        return {name: output[name] for name in _PREDICTIONS if output.get(name) is not None}

    @property
    def _progress(self) -> float:
        """Share of the phase's optimizer steps that are done."""
        return self.state.global_step / self.state.max_steps if self.state.max_steps > 0 else 0.0

    def _logged(self, task: str, values: dict[str, _Value], loss: _Value | None = None) -> dict[str, _Value]:
        """Values of one task under their names in the logs of training; `loss` is that of all tasks there already."""
        return values

    def set_initial_training_values(
        self, args: TrainingArguments, dataloader: DataLoader[Any]
    ) -> tuple[int, int, int, int, int, int | None, int]:
        """As of the stock Trainer, which asks at every start; what went before is not told as of this one.

        Those are the last steps of an earlier phase, and batches that `auto_find_batch_size` found too large.
        """
        self._terms["train"] = RunningMeans()
        for task in self._active_tasks().values():
            task.forget_weights()
        values: tuple[int, int, int, int, int, int | None, int] = super().set_initial_training_values(args, dataloader)
        return values

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the mean of every term since the last log; one transfer from the device for all."""
        if "loss" in logs:
            logs.update(self._terms["train"].drain(self.accelerator))
            for name, task in self._active_tasks().items():
                logs.update(self._logged(name, task.objective.moving_at(self._progress)))
        super().log(logs, start_time)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:  # noqa: ANN401 (as in its base)
        """As of the stock Trainer, whose kept loader (`dataloader_persistent_workers`) serves its own rows alone."""
        own = eval_dataset is None or eval_dataset is self.eval_dataset or isinstance(eval_dataset, str)
        kept = None if own else vars(self).pop("_eval_dataloaders", {})
        try:
            loader: DataLoader[Any] = super().get_eval_dataloader(eval_dataset)
            return loader
        finally:
            if kept is not None:
                self._eval_dataloaders = kept

    def _get_eval_sampler(self, eval_dataset: Any) -> Sampler[int] | None:  # noqa: ANN401 (as in its base)
        """In the data's own order: the stock Trainer would group by length, and give predictions in that order."""
        return SequentialSampler(eval_dataset) if has_length(eval_dataset) and self.args.world_size <= 1 else None

    def predict(
        self,
        test_dataset: Any,  # noqa: ANN401 (as in its base)
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "test",
    ) -> PredictionOutput:
        """As in the stock Trainer; rows without the labels that a term reads have predictions and no loss."""
        self._may_lack_labels = True
        try:
            output: PredictionOutput = super().predict(test_dataset, ignore_keys, metric_key_prefix)
            return output
        finally:
            self._may_lack_labels = False

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """As in the stock Trainer; a batch without labels, or without some of them, has a loss too.

        Rows of the last batch that are there a second time, so that every process has as many, have no loss.
        """
        task = self._tasks[self._task_of(inputs)]
        if self._may_lack_labels and task.lacks_labels(inputs):
            return None, None if prediction_loss_only else self._answers(model, inputs, task), None
        own = self._own_rows(len(inputs["input_ids"]))
        if own is None:
            return self._counted_step(model, inputs, prediction_loss_only, ignore_keys)
        try:
            self._counted = own
            loss, *_ = self._counted_step(model, _first_rows(inputs, max(own, 1)), True, ignore_keys)
            if prediction_loss_only:
                return loss, None, None
            self._counted = 0  # what is gathered has the same shape on every process
            return loss, *self._counted_step(model, inputs, False, ignore_keys)[1:]
        finally:
            self._counted = None

    def _counted_step(
        self, model: nn.Module, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: list[str] | None
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The stock step, whose loss enters the mean over all rows; arguments as of `prediction_step`."""
        label_names, can_return_loss = self.label_names, self.can_return_loss
        self._predicts = not prediction_loss_only
        self.label_names = [name for name in label_names if inputs.get(name) is not None]
        self.can_return_loss = True
        try:
            loss, logits, labels = super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
            if loss is not None:
                self._terms["eval"].add({_LOSS: loss}, rows=self._rows_of(inputs))
            # a phase that leaves out the vocabulary has no predictions
            predictions: Any = logits
            predictions = None if isinstance(predictions, tuple) and not predictions else predictions
            return loss, predictions, labels if self.label_names else None
        finally:
            self.label_names, self.can_return_loss = label_names, can_return_loss
            self._predicts = True

    def _rows_of(self, inputs: Mapping[str, Any]) -> int:
        """How many rows a batch of an evaluation counts for."""
        return len(inputs["input_ids"]) if self._counted is None else self._counted

    def _own_rows(self, rows: int) -> int | None:
        """Rows, from the first on, of this process's last batch of `rows` that no batch had before.

        None on every process where all are such, or where nobody knows because the rows have no length.
        """
        state = self.accelerator.gradient_state
        last: int = state.remainder
        before: int = rows * self.accelerator.process_index
        everywhere = rows * self.accelerator.num_processes
        if not (self.accelerator.even_batches and state.end_of_dataloader and 0 < last < everywhere):
            return None
        return min(max(last - before, 0), rows)

    def _answers(self, model: nn.Module, inputs: dict[str, Any], task: TaskDistillation) -> Any:  # noqa: ANN401
        """Predictions alone, as the stock Trainer hands them on: a tensor, or a tuple of several."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            logits = tuple(self._predictions(task, task.answers(model, inputs)).values())
        return logits[0] if len(logits) == 1 else logits or None

    def evaluation_loop(
        self,
        dataloader: DataLoader[Any],
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """As in the stock Trainer, with the mean of every term over the rows among the metrics.

        The loss is such a mean too; the stock Trainer counts a last batch that is not full as a full one where rows
        are streamed or batches are split between processes. One that is not finite is the stock one, see
        `logging_nan_inf_filter`.
        Embeddings of texts, which have no label column, are scored too where there is a `compute_metrics`.
        """
        self._terms["eval"].drain(self.accelerator)
        prefix = metric_key_prefix
        output = super().evaluation_loop(dataloader, description, prediction_loss_only, ignore_keys, prefix)
        if self._scores_without_labels:
            output = self._scored_without_labels(output, prefix)
        terms = self._terms["eval"].drain(self.accelerator)
        if not math.isfinite(terms.get(_LOSS, 0.0)):
            del terms[_LOSS]
        named = {f"{prefix}_{name}": value for name, value in terms.items()}
        return output._replace(metrics={**(output.metrics or {}), **named})

    @property
    def _scores_without_labels(self) -> bool:
        """Whether `compute_metrics` is asked about rows that bring no labels."""
        return gives_embeddings(self._student)

    def _scored_without_labels(self, output: EvalLoopOutput, prefix: str) -> EvalLoopOutput:
        if self.compute_metrics is None or output.label_ids is not None or output.predictions is None:
            return output
        unlabelled: Any = None
        scores = self.compute_metrics(EvalPrediction(predictions=output.predictions, label_ids=unlabelled))
        named = {f"{prefix}_{name}": float(value) for name, value in scores.items()}
        return output._replace(metrics={**(output.metrics or {}), **named})


def _first_rows(inputs: Mapping[str, Any], count: int) -> dict[str, Any]:
    """The first rows of a batch; what is not a tensor of rows stays whole."""
    rows = len(inputs["input_ids"])
    return {
        name: value[:count] if isinstance(value, Tensor) and value.dim() and len(value) == rows else value
        for name, value in inputs.items()
    }


__all__ = ["ONLY_TASK", "ObjectiveTrainer"]
