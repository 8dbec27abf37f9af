"""The stock Trainer on gold labels: what fine-tunes a teacher, and a student that has none."""

from pathlib import Path
from typing import Any

from datasets import Dataset
from torch.utils.data import RandomSampler, Sampler, SequentialSampler
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainingArguments

from hf_tinybert.distillation.checkpoints import last_whole_checkpoint
from hf_tinybert.distillation.training_rows import grouped_rows
from hf_tinybert.machine import has_fast_bf16
from hf_tinybert.progress import ProgressDisplay, show_progress
from hf_tinybert.workflow.run_arguments import DataSettings, share_steps, stock_arguments
from hf_tinybert.workflow.task_data import PreparedData
from hf_tinybert.workflow.training_clock import TrainingClock


class SupervisedTrainer(Trainer):
    """The stock Trainer, with steps of like lengths as in distillation, and evaluation in the order of the data.

    The stock one groups evaluation rows by length too and gives their predictions in that order, in which they cannot
    be put together to the answers of the texts they come from.
    """

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:  # noqa: ANN401 (as in its base)
        dataset = self.train_dataset if train_dataset is None else train_dataset
        order = grouped_rows(dataset, self.args)
        return RandomSampler(dataset) if order is None else order  # type: ignore[arg-type]  # the stock one allows None

    def _get_eval_sampler(self, eval_dataset: Dataset) -> Sampler[int] | None:
        return SequentialSampler(eval_dataset) if self.args.world_size <= 1 else None

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (passed through)
        """Not when a run is resumed at its last step: the stock loop would take one step more."""
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*args, **kwargs)  # type: ignore[no-untyped-call]  # untyped in transformers


def supervised_arguments(
    settings: DataSettings, checkpoints: Path, *, metric: str, epochs: float, learning_rate: float
) -> TrainingArguments:
    """The arguments of the stock Trainer; under a launcher each process takes its share of a step.

    Args:
        settings: of the run.
        checkpoints: folder for them.
        metric: that decides which epoch is best.
        epochs: passes.
        learning_rate: peak.

    Raises:
        ValueError: the processes cannot share a step evenly.
    """
    arguments = TrainingArguments(
        **stock_arguments(settings, checkpoints, metric=metric),
        bf16=has_fast_bf16(),
        num_train_epochs=epochs,
        learning_rate=learning_rate,
    )
    share_steps(arguments, settings.batch_size)
    return arguments


def train_on_labels(
    model: PreTrainedModel,
    arguments: TrainingArguments,
    prepared: PreparedData,
    tokenizer: PreTrainedTokenizerBase,
    display: ProgressDisplay,
    clock: TrainingClock,
) -> list[dict[str, float]]:
    """Train on the gold labels, in place, from the last whole checkpoint if there is one.

    Args:
        model: to train; holds the best or the last epoch's weights afterwards.
        arguments: see `supervised_arguments`.
        prepared: rows of the run.
        tokenizer: of the model.
        display: where progress is shown.
        clock: of the run; knows afterwards how long earlier calls trained.

    Returns:
        What each evaluation gave.
    """
    trainer = SupervisedTrainer(model, arguments, **trainer_data(prepared, tokenizer, arguments.seed))
    trainer.model_accepts_loss_kwargs = False  # heads give a plain mean over the batch, whatever their signature says
    trainer.add_callback(clock)
    with display.bar("training") as bar:
        show_progress(trainer, bar)
        checkpoint = last_whole_checkpoint(Path(str(arguments.output_dir)))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return evaluations(trainer)


def trainer_data(prepared: PreparedData, tokenizer: PreTrainedTokenizerBase, seed: int) -> dict[str, Any]:
    """What a Trainer needs to know of a task: rows, collator, metrics."""
    task, encoded = prepared.task, prepared.encoded
    scored = {"compute_metrics": task.compute_metrics(encoded["validation"], prepared.rows["validation"])}
    return {
        "train_dataset": encoded["train"],
        "eval_dataset": encoded["validation"],
        "processing_class": tokenizer,
        "data_collator": task.collator(tokenizer, seed),
        "preprocess_logits_for_metrics": task.definition.reduce_logits,
        **(scored if prepared.has_gold else {}),
    }


def evaluations(trainer: Trainer) -> list[dict[str, float]]:
    """The evaluations of a run, one an epoch, without their timings."""
    timings = ("runtime", "per_second")
    return [
        {
            name.removeprefix("eval_"): round(value, 6)
            for name, value in logs.items()
            if isinstance(value, int | float) and not name.endswith(timings)
        }
        for logs in trainer.state.log_history
        if any(name.startswith("eval_") for name in logs)
    ]


__all__ = ["SupervisedTrainer", "evaluations", "supervised_arguments", "train_on_labels", "trainer_data"]
