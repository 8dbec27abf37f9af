"""Tests of the training of a student inside a run."""

import io

from rich.console import Console
from transformers import BertConfig, BertForSequenceClassification

from hf_tinybert import DistillationArguments, DistillationTrainer, TinyBertConfig, TinyBertForSequenceClassification
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow.student_training import train_student

SHAPE = {"vocab_size": 40, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "hidden_size": 8}


def _trainer(tmp_path, steps, rows):
    arguments = DistillationArguments(
        str(tmp_path / "checkpoints"),
        max_steps=steps,
        use_cpu=True,
        report_to="none",
        logging_steps=1,
        save_strategy="steps",
        save_steps=1,
        bf16_where_fast=False,
        preflight=False,
    )
    teacher = BertForSequenceClassification(BertConfig(**SHAPE))
    student = TinyBertForSequenceClassification(TinyBertConfig(**SHAPE))
    return DistillationTrainer(student, arguments, teacher=teacher, train_dataset=rows)


def test_another_call_goes_on_and_tells_of_both(tmp_path, seeded):
    """Prevents figures of the last call alone, a run that begins anew, and paths of the machine beside the model."""
    rows = [{"input_ids": [5 + row, 6, 7], "attention_mask": [1, 1, 1]} for row in range(8)]
    display = ProgressDisplay(Console(file=io.StringIO()))
    train_student(_trainer(tmp_path, 2, rows), tmp_path / "student", tmp_path / "checkpoints", display)
    trainer = _trainer(tmp_path, 3, rows)
    training = train_student(trainer, tmp_path / "student", tmp_path / "checkpoints", display)
    assert trainer.state.global_step == 3
    assert len(training.curves["joint"]["training"]) == 3
    assert trainer.phase_seconds["joint"] > training.earlier_seconds > 0
    files = {file.name for file in (tmp_path / "student").iterdir()}
    assert {"model.safetensors", "distillation.json"} <= files and "training_args.bin" not in files
