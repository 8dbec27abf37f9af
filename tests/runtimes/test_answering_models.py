"""Tests of the models of a measurement, and of the folders that runtimes open."""

import json

import pytest
import torch
from transformers import BertModel, PreTrainedModel

from hf_tinybert.data.tasks import Task, TaskKind, TaskSettings
from hf_tinybert.models.exported_runtime import MANIFEST_FILE
from hf_tinybert.models.modeling_tinybert import TinyBertForMultipleChoice
from hf_tinybert.runtimes import InferenceSettings, Runtime
from hf_tinybert.runtimes.answering_models import make_models, random_inputs, write_folder


def test_models_of_folders_are_those_that_are_measured(build_settings):
    """Prevents random models in the place of a user's, and dropout while answering."""
    models = make_models(build_settings())
    assert [model.config.hidden_size for model in models.values()] == [16, 32]
    assert not any(model.training for model in models.values())


def test_without_folders_the_shapes_are_the_published_ones():
    """Prevents a ratio to another teacher than BERT-base."""
    with torch.device("meta"):  # shapes without weights
        models = make_models(InferenceSettings())
    shapes = [(model.config.num_hidden_layers, model.config.hidden_size) for model in models.values()]
    assert shapes == [(4, 312), (12, 768)]
    assert sum(one.numel() for one in models["teacher"].parameters()) == 109_483_778


def test_an_encoder_without_a_head_is_measured_as_a_classifier(tmp_path, build_settings, tiny_teacher_config):
    """Prevents a refusal of bert-base-uncased, whose head is untrained and takes as long as a trained one."""
    BertModel(tiny_teacher_config).save_pretrained(tmp_path / "encoder")
    teacher = make_models(build_settings(teacher=str(tmp_path / "encoder")))["teacher"]
    assert type(teacher).__name__ == "BertForSequenceClassification"


def test_models_that_cannot_be_measured_are_refused(tmp_path, build_settings, tokenizer, tiny_student_config):
    """Prevents an index error in the middle of a measurement, and sentences that are counted twice."""
    with pytest.raises(ValueError, match="teacher|student of at least 65 positions"):
        make_models(build_settings(lengths=(65,)))
    (tmp_path / "small" / MANIFEST_FILE).write_text(json.dumps({}), encoding="utf-8")
    with pytest.raises(ValueError, match="exported"):
        make_models(build_settings())
    chooser = tmp_path / "chooser"
    TinyBertForMultipleChoice(tiny_student_config).save_pretrained(chooser)
    tokenizer.save_pretrained(chooser)
    Task(TaskSettings(TaskKind.MULTIPLE_CHOICE, (), max_length=32)).save(chooser)
    with pytest.raises(ValueError, match="a text at a time"):
        make_models(build_settings(student=str(chooser)))


def test_texts_have_no_padding_and_are_the_same_for_every_runtime(build_settings):
    """Prevents runtimes that are timed on texts of different length."""
    model = make_models(build_settings())["student"]
    first, again = (random_inputs(model, 200, 9, seed=1) for _ in range(2))
    assert set(first) == {"input_ids", "attention_mask", "token_type_ids"}
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert first["attention_mask"].all() and not (first["input_ids"] == model.config.pad_token_id).any()
    model(**first)


def test_weights_in_bfloat16_take_half_the_file(build_settings, tmp_path):
    """Prevents the size of one precision from passing for that of the other, and a model that is rounded for all."""
    model: PreTrainedModel = make_models(build_settings())["student"]
    whole = write_folder(model, Runtime.FP32, tmp_path / "whole", longest=9)
    half = write_folder(model, Runtime.BF16, tmp_path / "half", longest=9)
    weights = sum(one.numel() for one in model.parameters())
    assert 4 * weights < whole.file_bytes < 4 * weights + 20_000
    assert 2 * weights < half.file_bytes < 2 * weights + 20_000
    assert model.dtype is torch.float32
