"""Tests of what a run takes from its teacher."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoTokenizer, BertConfig, BertForMaskedLM, ElectraConfig

from hf_tinybert import TinyBertConfig
from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.workflow import DistilSettings
from hf_tinybert.workflow.task_data import prepare_data
from hf_tinybert.workflow.teachers import (
    calibration_texts,
    embedding_fields,
    is_finetuned,
    public_name,
    teacher_task,
)


def _task(folder, **changes):
    settings = DistilSettings(data="data", teacher=folder, **changes)
    return teacher_task(settings, AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder))


def test_a_fine_tuned_teacher_says_its_task(teacher_of):
    """Prevents a student of another task than its teacher's."""
    assert _task(teacher_of("regression")).kind is TaskKind.REGRESSION


def test_an_encoder_as_published_has_a_task_where_nothing_is_named(encoder):
    """Prevents sentence encoders, which say no task, from being refused as teachers of embeddings."""
    assert _task(encoder, kind="sentence-embedding") is None
    with pytest.raises(ValueError, match=r"task\.json"):
        _task(encoder)


def test_a_head_of_a_one_task_teacher_is_refused(teacher_of):
    """Prevents an option that is ignored."""
    with pytest.raises(ValueError, match="multi-task"):
        _task(teacher_of("regression"), teacher_task="sts")


def test_embeddings_follow_their_teacher(tmp_path):
    """Prevents a student that pools another way than its teacher, or gives vectors of another size."""
    config = BertConfig(hidden_size=32, num_attention_heads=4)
    assert embedding_fields(str(tmp_path), config, 16) == {"embedding_size": 32}
    assert embedding_fields(str(tmp_path), config, 32) == {}
    narrow = ElectraConfig(hidden_size=32, num_attention_heads=4, embedding_size=8)  # of its words
    assert embedding_fields(str(tmp_path), narrow, 16) == {"embedding_size": 32}
    student = TinyBertConfig(hidden_size=16, num_attention_heads=4, embedding_size=24, pooling="cls", normalize=False)
    assert embedding_fields(str(tmp_path), student, 16) == {
        "embedding_size": 24,
        "pooling": "cls",
        "normalize": False,
    }
    heads = {"cls": {"kind": "sentence-embedding", "pooling": "cls", "embedding_size": 24, "normalize": False}}
    heads |= {"mean": {"kind": "sentence-embedding"}}
    several = TinyBertConfig(hidden_size=16, num_attention_heads=4, tasks=heads)
    assert embedding_fields(str(tmp_path), several, 16, head="cls") == {
        "embedding_size": 24,
        "pooling": "cls",
        "normalize": False,
    }
    assert embedding_fields(str(tmp_path), several, 16, head="mean") == {"pooling": "mean", "normalize": True}
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    assert embedding_fields(str(tmp_path), config, 32) == {"pooling": "cls", "normalize": False}


def test_calibration_reads_whole_texts(data_of, encoder):
    """Prevents a student from being fitted on masks in the place of words."""
    settings = DistilSettings(
        data=data_of("masked-lm"), teacher=encoder, kind="masked-lm", max_length=32, calibration_rows=10, batch_size=4
    )
    config, tokenizer = AutoConfig.from_pretrained(encoder), AutoTokenizer.from_pretrained(encoder)
    prepared = prepare_data(settings, tokenizer, config)
    batches = list(calibration_texts(prepared, BertForMaskedLM(config), tokenizer, settings))
    assert sum(len(batch["input_ids"]) for batch in batches) == 10
    assert not any(torch.any(batch["input_ids"] == tokenizer.mask_token_id) for batch in batches)


def test_names_say_nothing_of_this_machine(encoder):
    """Prevents folders of a machine in what is published."""
    assert public_name(encoder) == Path(encoder).name
    assert public_name("owner/model") == "owner/model"


def test_a_folder_of_a_finished_run_is_fine_tuned(encoder, teacher_of):
    """Prevents an encoder from being scored with a random head."""
    assert is_finetuned(teacher_of("regression")) and not is_finetuned(encoder)
