"""The stages that train: the teacher, the student without one, and the distilled student."""

import time
from collections.abc import Sequence
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedConfig,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
    set_seed,
)

from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.checkpoints import last_whole_checkpoint
from hf_tinybert.distillation.recipes import RecipeName
from hf_tinybert.distillation.terms import Phase
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.models.configuration_tinybert import TinyBertConfig, encoder_fields
from hf_tinybert.models.initialization import StudentInitialization, initialize_from_teacher
from hf_tinybert.models.modeling_tinybert import TinyBertForSequenceClassification
from hf_tinybert.progress import show_progress
from hf_tinybert.quickstart.measuring import accuracy
from hf_tinybert.quickstart.workspace import (
    BATCH_SIZE,
    QUIET,
    STUDENT_FOLDER,
    TEACHER_FOLDER,
    UNDISTILLED_FOLDER,
    Workspace,
)

_CALIBRATION_ROWS = 256


def finetune_teacher(workspace: Workspace) -> dict[str, Any]:
    """Give the teacher a head and train both on the labels; no figures of its own."""
    settings = workspace.settings
    set_seed(settings.seed)
    model = teacher_with_new_head(workspace.teacher_source, workspace.labels)
    _train_on_labels(workspace, model, TEACHER_FOLDER, settings.teacher_epochs, settings.teacher_learning_rate)
    return {}


def teacher_with_new_head(source: str, labels: Sequence[str]) -> PreTrainedModel:
    """A pretrained encoder with a new head and without dropout, in float32.

    Args:
        source: Hub name or folder.
        labels: names of the classes, by id.
    """
    config = AutoConfig.from_pretrained(
        source, id2label=dict(enumerate(labels)), label2id={name: index for index, name in enumerate(labels)}
    )
    # each family has names of its own for them; None is that of another one
    dropouts = [name for name, value in config.to_dict().items() if "dropout" in name and isinstance(value, float)]
    config.update(dict.fromkeys(dropouts, 0.0))
    model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
        source,
        config=config,
        ignore_mismatched_sizes=True,
        dtype=torch.float32,  # whatever its file is in: it is trained
    )
    return model


def train_undistilled(workspace: Workspace) -> dict[str, Any]:
    """Train the student's shape from random weights on the labels, as many passes; no figures of its own."""
    settings = workspace.settings
    set_seed(settings.seed)
    student = TinyBertForSequenceClassification(_student_config(workspace))
    _train_on_labels(
        workspace, student, UNDISTILLED_FOLDER, settings.distillation_epochs, settings.undistilled_learning_rate
    )
    return {}


def distil_student(workspace: Workspace) -> dict[str, Any]:
    """Start the student from its teacher and distil it; figures: seconds by phase, and its accuracy at the start."""
    settings = workspace.settings
    teacher = workspace.load(TEACHER_FOLDER)
    set_seed(settings.seed)
    student = TinyBertForSequenceClassification(_student_config(workspace))
    start = time.perf_counter()
    with workspace.display.bar("initialising the student"):
        initial = _initialize(workspace, student, teacher)
    initialization_seconds = time.perf_counter() - start
    untrained_accuracy = accuracy(workspace, student, "student before training", "test")
    arguments = DistillationArguments(
        **_stock_arguments(workspace, STUDENT_FOLDER),
        recipe=str(RecipeName.TINYBERT),
        num_train_epochs=settings.prediction_epochs,
        learning_rate=settings.prediction_learning_rate,
        intermediate_num_train_epochs=settings.intermediate_epochs,
        intermediate_learning_rate=settings.intermediate_learning_rate,
        preflight=False,  # the teacher was tuned here on these rows; its score stands in the table
    )
    trainer = DistillationTrainer(
        student,
        arguments,
        teacher=teacher,
        initialization=initial,
        train_dataset=workspace.rows["train"],
        processing_class=workspace.tokenizer,
        data_collator=DataCollatorWithPadding(workspace.tokenizer),
    )
    trainer.teacher_name = settings.teacher_name
    with workspace.display.bar("distilling the student") as bar:
        show_progress(trainer, bar)
        trainer.train(resume_from_checkpoint=_resumes(workspace, STUDENT_FOLDER))
    trainer.save_model(str(workspace.model_folder(STUDENT_FOLDER)))
    return {
        "initialization_seconds": round(initialization_seconds, 1),
        "initialized_test_accuracy": untrained_accuracy,
        **{f"{phase}_seconds".replace("-", "_"): round(s, 1) for phase, s in trainer.phase_seconds.items()},
    }


def _train_on_labels(
    workspace: Workspace, model: PreTrainedModel, name: str, epochs: float, learning_rate: float
) -> None:
    """Train on the gold labels with the stock Trainer and save, model and tokenizer."""
    arguments = TrainingArguments(
        **_stock_arguments(workspace, name), num_train_epochs=epochs, learning_rate=learning_rate
    )
    trainer = Trainer(
        model,
        arguments,
        train_dataset=workspace.rows["train"],
        data_collator=DataCollatorWithPadding(workspace.tokenizer),
    )
    with workspace.display.bar(f"training: {name}") as bar:
        show_progress(trainer, bar)
        checkpoint = last_whole_checkpoint(workspace.checkpoints(name))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    model.save_pretrained(workspace.model_folder(name))
    workspace.tokenizer.save_pretrained(workspace.model_folder(name))


def _initialize(workspace: Workspace, student: PreTrainedModel, teacher: PreTrainedModel) -> StudentInitialization:
    rows = workspace.rows["train"]
    calibration = rows.select(range(min(_CALIBRATION_ROWS, len(rows))))
    loader = torch.utils.data.DataLoader(
        calibration, batch_size=BATCH_SIZE, collate_fn=DataCollatorWithPadding(workspace.tokenizer)
    )
    return initialize_from_teacher(student, teacher, calibration=loader, seed=workspace.settings.seed)


def _student_config(workspace: Workspace) -> TinyBertConfig:
    return cut_down(AutoConfig.from_pretrained(workspace.model_folder(TEACHER_FOLDER)))


def cut_down(teacher: PreTrainedConfig) -> TinyBertConfig:
    """The paper's 4 layers x 312, cut down to a smaller teacher, with its number of heads; no dropout.

    Args:
        teacher: its configuration, of any family that `check_layout` takes.
    """
    preset, heads = TinyBertConfig.from_preset("4L-312"), teacher.num_attention_heads
    width = min(preset.hidden_size, teacher.hidden_size)
    return TinyBertConfig.from_teacher(
        teacher,
        num_hidden_layers=min(preset.num_hidden_layers, teacher.num_hidden_layers),
        num_attention_heads=heads,
        hidden_size=width - width % heads,
        intermediate_size=min(preset.intermediate_size, encoder_fields(teacher)["intermediate_size"]),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def _stock_arguments(workspace: Workspace, stage: str) -> dict[str, Any]:
    return {
        "output_dir": str(workspace.checkpoints(stage)),
        "per_device_train_batch_size": BATCH_SIZE,
        "warmup_steps": 0.1,
        "logging_steps": 10,
        "save_steps": 0.5,
        "save_total_limit": 1,
        "seed": workspace.settings.seed,
        **QUIET,
    }


def _resumes(workspace: Workspace, stage: str) -> bool:
    """Whether an earlier run left a whole checkpoint of any phase."""
    folders = [workspace.checkpoints(stage) / phase for phase in (Phase.INTERMEDIATE, Phase.PREDICTION)]
    return any(last_whole_checkpoint(folder) is not None for folder in folders)


__all__ = ["cut_down", "distil_student", "finetune_teacher", "teacher_with_new_head", "train_undistilled"]
