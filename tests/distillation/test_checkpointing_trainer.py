"""Tests of what is saved and loaded with a student."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from hf_tinybert.distillation.frozen_weights import weights_sha256
from hf_tinybert.distillation.projections import PROJECTIONS_FILE
from hf_tinybert.distillation.record import DistillationRecord


def test_a_saved_student_loads_without_missing_or_unexpected_keys(build_trainer, tokenizer, tmp_path):
    """Prevents a folder that only this trainer can read, or that carries training weights or paths of the machine."""
    trainer = build_trainer({"phases": ["joint"], "max_steps": 1}, processing_class=tokenizer)
    trainer.train()
    folder = tmp_path / "student"
    trainer.save_model(str(folder))
    model, info = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert not (folder / PROJECTIONS_FILE).exists()
    assert not [name for name in load_file(folder / "model.safetensors") if "projection" in name or "teacher" in name]
    inputs = {"input_ids": torch.tensor([[5, 6, 7]])}
    torch.testing.assert_close(model.eval()(**inputs).logits, trainer.model.eval()(**inputs).logits)
    assert (folder / "tokenizer.json").is_file()


def test_the_record_tells_the_run_without_a_path_of_the_machine(build_trainer, build_teacher, tmp_path, monkeypatch):
    """Prevents a published folder that names its author's disk, or that does not say what it was made from."""
    seconds = itertools.count(1.0)  # real ones of so small a run may be 0.0 in the record's tenths
    clock = SimpleNamespace(perf_counter=lambda: next(seconds))
    monkeypatch.setattr("hf_tinybert.distillation.run_phases.time", clock)
    build_teacher().save_pretrained(tmp_path / "my-teacher")
    arguments = {"intermediate_max_steps": 2, "max_steps": 3, "save_strategy": "steps", "save_steps": 2}
    trainer = build_trainer({**arguments, "loss_weights": {"prediction_loss": 2.0}}, teacher=tmp_path / "my-teacher")
    trainer.train()
    trainer.save_model(str(tmp_path / "student"))
    record = DistillationRecord.load(tmp_path / "student")
    assert record.teacher == "my-teacher"
    assert record.teacher_class == "BertForSequenceClassification"
    assert record.teacher_sha256 == weights_sha256(build_teacher())
    assert record.student_class == "TinyBertForSequenceClassification"
    assert record.layer_mapping == [0, 2, 4]
    assert (record.phase, record.global_step) == ("prediction-layer", 3)
    assert record.loss_weights == {"prediction_loss": 2.0}
    assert record.metrics["prediction_loss"] > 0
    assert record.seconds > 0
    assert str(tmp_path) not in json.dumps(record.__dict__)
    checkpoint = DistillationRecord.load(Path(trainer.args.output_dir) / "intermediate-layer" / "checkpoint-2")
    assert (checkpoint.phase, checkpoint.global_step) == ("intermediate-layer", 2)
    assert 0 < checkpoint.seconds <= record.seconds


def test_saving_before_training_works(build_trainer, tmp_path):
    """Prevents a baseline of the untrained student from being impossible."""
    trainer = build_trainer()
    trainer.save_model(str(tmp_path / "untrained"))
    assert DistillationRecord.load(tmp_path / "untrained").global_step == 0
