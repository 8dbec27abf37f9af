"""The stages that measure the finished models: accuracy, speed and size."""

from typing import Any

from transformers import DataCollatorWithPadding, PreTrainedModel, Trainer, TrainingArguments

from hf_tinybert.benchmark import sentences_per_second
from hf_tinybert.data.metrics import accuracy_from_logits
from hf_tinybert.progress import show_progress
from hf_tinybert.quickstart.workspace import (
    BATCH_SIZE,
    MODEL_FOLDERS,
    QUIET,
    STUDENT_FOLDER,
    TEACHER_FOLDER,
    Workspace,
)

SPEED_RUNS = ((1, 30), (32, 5))
"""Sentences at once, and how often."""


def accuracy(workspace: Workspace, model: PreTrainedModel, name: str, split: str) -> float:
    """Share of the rows of a split that a model classifies as labelled, 0 to 1.

    Args:
        workspace: with the rows.
        model: of sequence classification.
        name: by which progress is shown.
        split: `validation` or `test`.
    """
    arguments = TrainingArguments(
        output_dir=str(workspace.checkpoints("scores")),
        per_device_eval_batch_size=BATCH_SIZE,
        **QUIET,
    )
    trainer = Trainer(
        model,
        arguments,
        data_collator=DataCollatorWithPadding(workspace.tokenizer),
        compute_metrics=accuracy_from_logits,
    )
    with workspace.display.bar(f"scoring: {name} on {split}") as bar:
        show_progress(trainer, bar)
        metrics = trainer.predict(workspace.rows[split]).metrics or {}
    return float(metrics["test_accuracy"])


def score(workspace: Workspace) -> dict[str, Any]:
    """Accuracy of every model on both held-out splits, as `MODEL_SPLIT_accuracy`."""
    return {
        f"{name}_{split}_accuracy": accuracy(workspace, workspace.load(name), name, split)
        for name in MODEL_FOLDERS
        for split in ("validation", "test")
    }


def measure_speed(workspace: Workspace) -> dict[str, Any]:
    """Sentences per second at each batch size, parameters and megabytes of teacher and student."""
    models = {name: workspace.load(name) for name in (TEACHER_FOLDER, STUDENT_FOLDER)}
    texts = [str(text) for text in workspace.texts["test"]["text"]]
    figures: dict[str, Any] = {}
    for batch_size, runs in SPEED_RUNS:
        with workspace.display.bar(f"measuring speed at batch {batch_size}"):
            rates = sentences_per_second(
                models,
                workspace.tokenizer,
                texts,
                batch_size=batch_size,
                max_length=workspace.settings.max_length,
                runs=runs,
            )
        for name, rate in rates.items():
            figures[f"{name}_sentences_per_second_batch_{batch_size}"] = round(rate, 1)
    for name, model in models.items():
        figures[f"{name}_parameters"] = model.num_parameters()
        weights = workspace.model_folder(name) / "model.safetensors"
        figures[f"{name}_megabytes"] = round(weights.stat().st_size / 1e6, 1)
    return figures


__all__ = ["SPEED_RUNS", "accuracy", "measure_speed", "score"]
