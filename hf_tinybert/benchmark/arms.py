"""The loops that are compared: the textbook's, and `DistillationTrainer.train()` as it comes."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    DataCollatorWithPadding,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from hf_tinybert.benchmark.textbook import TextbookLoop
from hf_tinybert.benchmark.turns import TrainingLoop
from hf_tinybert.benchmark.workload import Workload
from hf_tinybert.distillation.arguments import CacheChoice, DistillationArguments
from hf_tinybert.distillation.trainer import DistillationTrainer

_LEARNING_RATE = 1e-4


class Arm(StrEnum):
    """What makes the steps: the loop of `benchmark.textbook`, or `DistillationTrainer` without or with its cache."""

    TEXTBOOK = "textbook"
    ENGINE = "engine"
    ENGINE_CACHE = "engine-cache"


def training_loop(arm: Arm, workload: Workload, rows: Dataset, epochs: int, folder: Path) -> TrainingLoop:
    """A loop over `epochs` passes, its models made and on their device.

    The engine is the real `train()` with its defaults (batches of like lengths, bfloat16 where the hardware computes
    in it): a step there is all of loading, padding and moving the batch, forwards, losses, backward, clipping,
    optimizer, schedule, callbacks and logs. Its cache is built before its first step.

    Args:
        arm: which one.
        workload: models and numbers.
        rows: what `workload.make_rows()` gave.
        epochs: passes over `rows`.
        folder: for what the engine writes.
    """
    student, teacher = workload.make_models()
    tokenizer = workload.make_tokenizer()
    if arm is Arm.TEXTBOOK:
        textbook = TextbookLoop(
            student,
            teacher,
            rows,
            phase=workload.phase,
            max_length=workload.max_length,
            batch_size=workload.batch_size,
            pad_token_id=tokenizer.pad_token_id,
            learning_rate=_LEARNING_RATE,
            seed=workload.seed,
            device=torch.accelerator.current_accelerator() or torch.device("cpu"),
        )
        return lambda after_step: textbook.run(epochs, after_step)
    trainer = DistillationTrainer(
        student,
        _engine_arguments(workload, epochs, folder, cached=arm is Arm.ENGINE_CACHE),
        teacher=teacher,
        train_dataset=rows,
        data_collator=DataCollatorWithPadding(tokenizer),
    )

    trainer.remove_callback(PrinterCallback)

    def train(after_step: Callable[[], None]) -> None:
        trainer.add_callback(_AfterStep(after_step))
        trainer.train()

    return train


def _engine_arguments(workload: Workload, epochs: int, folder: Path, *, cached: bool) -> DistillationArguments:
    return DistillationArguments(
        output_dir=str(folder),
        phases=[str(workload.phase)],
        num_train_epochs=epochs,
        intermediate_num_train_epochs=epochs,
        learning_rate=_LEARNING_RATE,
        intermediate_learning_rate=_LEARNING_RATE,
        per_device_train_batch_size=workload.batch_size,
        teacher_cache_dir=str(folder / "cache") if cached else None,
        teacher_cache_contents=str(CacheChoice.ALL),  # refuses, where `auto` would measure something else
        logging_steps=10,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.accelerator.is_available(),  # without one it only warns
        seed=workload.seed,
    )


class _AfterStep(TrainerCallback):
    def __init__(self, after_step: Callable[[], None]) -> None:
        self._after_step = after_step

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 (the interface of transformers)
    ) -> None:
        self._after_step()


__all__ = ["Arm", "training_loop"]
