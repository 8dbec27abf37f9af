"""What the tests of publishing share: a Hub on this machine, and folders as a distillation leaves them."""

import json

import pytest
import torch

from hf_tinybert.models.modeling_tinybert import TinyBertForSequenceClassification

RECORD = {
    "teacher": "google-bert/bert-base-uncased",
    "teacher_class": "BertForSequenceClassification",
    "teacher_sha256": "ab" * 32,
    "layer_mapping": [0, 2, 4],
    "recipe": "tinybert-joint",
    "phases": ["joint"],
    "global_step": 6,
    "loss_weights": {"prediction_loss": 1.0, "label_loss": {"start": 0.0, "end": 1.0, "kind": "linear"}},
    "temperature": 1.0,
    "loss_reduction": "mean",
    "seed": 3,
    "metrics": {"prediction_loss": 0.25, "eval_prediction_loss": 0.5},
    "seconds": 0.8,
    "versions": {"hf_tinybert": "0.1.0"},
}
FIGURES = {
    "teacher": "google-bert/bert-base-uncased",
    "kind": "text-classification",
    "labels": ["business", "culture", "sport"],
    "rows": {"train": 48, "test": 12},
    "scores": {"test": {"student": {"accuracy": 0.75, "f1": 0.5}, "teacher": {"accuracy": 0.8, "f1": 0.0}}},
    "retention": {"test": {"accuracy": 0.9375}},
    "parameters": {"student": 1, "teacher": 38787},
    "megabytes": {"student": 0.1, "teacher": 0.2},
    "seconds": {"joint": 0.8, "total": 2.3},
    "settings": {"data": "/home/somebody/private/reviews.csv", "keep_best": True},
    "machine": {"processor": "AMD EPYC", "instructions": "AVX2", "cores": 2, "torch_threads": 1, "torch": "2.13.0"},
}
TASK = {"kind": "text-classification", "labels": ["business", "culture", "sport"], "max_length": 32}


@pytest.fixture
def student_folder(tmp_path, tiny_student_config, tokenizer):
    """A distilled student's folder, with what training leaves in it besides."""
    folder = tmp_path / "student"
    torch.manual_seed(0)
    TinyBertForSequenceClassification(tiny_student_config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for name, content in (("distillation", RECORD), ("figures", FIGURES), ("task", TASK), ("run", FIGURES)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    for name in ("optimizer.pt", "training_args.bin", "distillation_projections.safetensors", "trainer_state.json"):
        (folder / name).write_bytes(b"not for others")
    (folder / "checkpoint-6").mkdir()
    (folder / "checkpoint-6" / "config.json").write_text("{}")
    return folder
