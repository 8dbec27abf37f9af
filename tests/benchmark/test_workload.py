"""Tests of rows and models of a measurement."""

import json

import pytest
import torch
from transformers import BertForSequenceClassification

from hf_tinybert import TinyBertForSequenceClassification
from hf_tinybert.distillation.frozen_weights import weights_sha256


def test_rows_are_drawn_once_each_and_the_same_for_a_seed(build_workload):
    """Prevents arms on different rows, and a resumed measurement on others than it began with."""
    rows = build_workload().make_rows()
    assert len(rows) == 20
    assert max(len(row) for row in rows["input_ids"]) <= 12
    assert len({len(row) for row in rows["input_ids"]}) > 1  # not padded
    assert rows.to_dict() == build_workload().make_rows().to_dict()
    assert rows.to_dict() != build_workload(seed=1).make_rows().to_dict()


def test_models_are_the_same_at_every_call(build_workload):
    """Prevents arms with different weights, or with one model between them."""
    workload = build_workload()
    for first, second in zip(workload.make_models(), workload.make_models(), strict=True):
        assert first is not second
        assert weights_sha256(first) == weights_sha256(second)


def test_models_without_a_name_have_the_published_shapes(build_workload):
    """Prevents ratios for another pair than BERT-base and TinyBERT4."""
    with torch.device("meta"):
        student, teacher = build_workload(teacher=None, student=None).make_models()
    assert isinstance(student, TinyBertForSequenceClassification)
    assert isinstance(teacher, BertForSequenceClassification)
    shapes = [
        (c.num_hidden_layers, c.hidden_size, c.num_attention_heads, c.intermediate_size)
        for c in (student.config, teacher.config)
    ]
    assert shapes == [(4, 312, 12, 1200), (12, 768, 12, 3072)]
    assert student.config.hidden_dropout_prob == student.config.attention_probs_dropout_prob == 0.0


def test_named_columns_are_read_without_labels_and_as_a_pair(build_workload, tmp_path):
    """Prevents question answering data from being out of reach because it has no classes."""
    lines = [json.dumps({"question": "the film", "context": "a great song .", "answers": {"x": [1]}})] * 6
    (tmp_path / "squad").mkdir()
    (tmp_path / "squad" / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for dataset in (tmp_path / "squad", tmp_path / "squad" / "train.jsonl"):
        workload = build_workload(dataset=str(dataset), text_columns=("question", "context"), batch_size=2, steps=2)
        rows = workload.make_rows()
        assert set(rows[0]["token_type_ids"]) == {0, 1}
    with pytest.raises(ValueError, match="passage"):
        build_workload(dataset=str(tmp_path / "squad"), text_columns=("passage",), steps=1).make_rows()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"steps": 0}, "steps"),
        ({"batch_size": -1}, "batch_size"),
        ({"text_columns": ("a", "b", "c")}, "text_columns"),
        ({"student": "small", "dropout": 0.1}, "a random student with `dropout`, got `small`"),
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_loaded(build_workload, overrides, message):
    """Prevents a typing mistake from costing a model load."""
    with pytest.raises(ValueError, match=message):
        build_workload(**overrides)


def test_too_few_rows_and_too_few_positions_are_refused(build_workload):
    """Prevents rows trained twice in a pass, and an index error deep in a model."""
    with pytest.raises(ValueError, match="at least 500 rows"):
        build_workload(steps=100).make_rows()
    with pytest.raises(ValueError, match="positions"):
        build_workload(max_length=65).make_models()
