"""A tiny pair of models, their tokenizer and rows of text on disk: what a measurement is told by name."""

import json

import pytest
from transformers import BertForSequenceClassification

from hf_tinybert import TinyBertForSequenceClassification
from hf_tinybert.benchmark import Workload


@pytest.fixture
def build_workload(tmp_path, tokenizer, tiny_teacher_config, tiny_student_config, sentences, sentence_labels):
    """`build_workload(**overrides)`: 4 steps of 5 rows, at most 12 tokens; everything in folders."""
    for name, model in (
        ("teacher", BertForSequenceClassification(tiny_teacher_config)),
        ("student", TinyBertForSequenceClassification(tiny_student_config)),
    ):
        model.save_pretrained(tmp_path / name)
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    rows = [{"text": text, "label": label} for text, label in zip(sentences, sentence_labels, strict=True)]
    (tmp_path / "data").mkdir()
    for split in ("train", "validation", "test"):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "data" / f"{split}.jsonl").write_text(lines, encoding="utf-8")

    def build(**overrides):
        folders = {name: str(tmp_path / name) for name in ("tokenizer", "teacher", "student")}
        numbers = {"max_length": 12, "batch_size": 5, "steps": 4}
        return Workload(**{"dataset": str(tmp_path / "data"), **folders, **numbers, **overrides})

    return build
