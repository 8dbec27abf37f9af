"""Tests of what a run takes from its teacher."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoTokenizer, BertConfig, BertForMaskedLM, ElectraConfig

from hf_tinybert import TinyBertConfig, TinyBertForSequenceClassification
from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.models.modeling_tinybert_sentence_embedding import TinyBertForSentenceEmbedding
from hf_tinybert.workflow import DistilSettings
from hf_tinybert.workflow.task_data import prepare_data
from hf_tinybert.workflow.teachers import (
    calibration_texts,
    check_joined,
    check_same_vocabulary,
    embedding_fields,
    is_finetuned,
    one_teacher,
    teacher_model,
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


def test_a_tinybert_without_its_task_says_how_its_embeddings_are_compared(tmp_path, tokenizer, tiny_student_config):
    """Prevents a student whose configuration says `dot`, and whose task.json says that it is scored by the cosine."""
    tiny_student_config.similarity, tiny_student_config.normalize = "dot", False
    TinyBertForSentenceEmbedding(tiny_student_config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert _task(str(tmp_path), kind="sentence-embedding").settings.similarity == "dot"


def test_a_head_of_a_one_task_teacher_is_refused(teacher_of):
    """Prevents an option that is ignored."""
    with pytest.raises(ValueError, match="multi-task"):
        _task(teacher_of("regression"), teacher_task="sts")


def test_a_multi_task_teacher_is_asked_for_its_head_by_the_name_of_the_setting(tmp_path, tokenizer):
    """Prevents advice that names an option of another verb to someone who writes a recipe of several tasks."""
    config = TinyBertConfig(vocab_size=40, hidden_size=16, num_attention_heads=4, num_hidden_layers=1)
    config.tasks = {"mood": {"kind": "regression"}, "sts": {"kind": "sentence-embedding"}}
    config.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    for changes in ({}, {"teacher_task": "ner"}, {"teacher_task": ""}):
        with pytest.raises(
            ValueError, match="expected a `teacher_task` of `mood`, `sts`, .* with `tasks` in the task"
        ):
            _task(str(tmp_path), **changes)
    assert _task(str(tmp_path), teacher_task="sts").kind is TaskKind.SENTENCE_EMBEDDING
    with pytest.raises(ValueError, match="expected the kind `regression` that the head `mood`"):
        _task(str(tmp_path), teacher_task="mood", kind="text-classification")


def test_embeddings_follow_their_teacher(tmp_path):
    """Prevents a student that pools another way than its teacher, or gives vectors of another size."""
    config = BertConfig(hidden_size=32, num_attention_heads=4)
    assert embedding_fields(str(tmp_path), config, 16) == {"embedding_size": 32}
    assert embedding_fields(str(tmp_path), config, 32) == {}
    narrow = ElectraConfig(hidden_size=32, num_attention_heads=4, embedding_size=8)  # of its words
    assert embedding_fields(str(tmp_path), narrow, 16) == {"embedding_size": 32}
    student = TinyBertConfig(hidden_size=16, num_attention_heads=4, embedding_size=24, pooling="cls", normalize=False)
    student.similarity = "dot"
    assert embedding_fields(str(tmp_path), student, 16) == {
        "embedding_size": 24,
        "pooling": "cls",
        "normalize": False,
        "similarity": "dot",
    }
    heads = {"cls": {"kind": "sentence-embedding", "pooling": "cls", "embedding_size": 24, "normalize": False}}
    heads["cls"]["similarity"] = "euclidean"
    heads |= {"mean": {"kind": "sentence-embedding"}}
    several = TinyBertConfig(hidden_size=16, num_attention_heads=4, tasks=heads)
    assert embedding_fields(str(tmp_path), several, 16, head="cls") == {
        "embedding_size": 24,
        "pooling": "cls",
        "normalize": False,
        "similarity": "euclidean",
    }
    usual = {"pooling": "mean", "normalize": True, "similarity": "cosine"}
    assert embedding_fields(str(tmp_path), several, 16, head="mean") == usual
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    fields = {"pooling": "cls", "normalize": False, "similarity": "cosine"}
    assert embedding_fields(str(tmp_path), config, 32) == fields
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps({"similarity_fn_name": "dot"}))
    assert embedding_fields(str(tmp_path), config, 32) == {**fields, "similarity": "dot"}


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


def test_a_folder_of_a_finished_run_is_fine_tuned(encoder, teacher_of):
    """Prevents an encoder from being scored with a random head."""
    assert is_finetuned(teacher_of("regression")) and not is_finetuned(encoder)


def _check(teachers, kind):
    settings = DistilSettings(data="nowhere.csv", teacher=teachers, kind=kind)
    tokenizer = AutoTokenizer.from_pretrained(teachers[0])
    check_joined(settings, _task(teachers[0], kind=kind), tokenizer)


def test_several_teachers_are_looked_at_before_any_data(teacher_of, encoder, tmp_path):
    """Prevents an hour of reading and tokenising before teachers are refused that have no common mean."""
    news = teacher_of("text-classification")
    other = Path(shutil.copytree(news, tmp_path / "other"))
    _check((news, str(other)), "text-classification")
    for kind in ("sentence-embedding", "masked-lm"):
        with pytest.raises(ValueError, match=f"expected one teacher for {kind}, got 2"):
            _check((encoder, news), kind)
    with pytest.raises(ValueError, match=r"trained for|expected the kind of task"):
        _check((news, teacher_of("regression")), "text-classification")
    told = json.loads((other / "task.json").read_text())
    (other / "task.json").write_text(json.dumps(told | {"labels": told["labels"][::-1]}))
    with pytest.raises(ValueError, match="expected the labels of"):
        _check((news, str(other)), "text-classification")


def test_teachers_of_other_words_are_refused(encoder, tmp_path):
    """Prevents one of several teachers from reading other words than are written, where both have as many pieces."""
    known = AutoTokenizer.from_pretrained(encoder)
    shutil.copytree(encoder, tmp_path / "other")
    vocabulary = json.loads((tmp_path / "other" / "tokenizer.json").read_text())
    pieces = vocabulary["model"]["vocab"]
    pieces["film"], pieces["game"] = pieces["game"], pieces["film"]
    (tmp_path / "other" / "tokenizer.json").write_text(json.dumps(vocabulary))
    with pytest.raises(ValueError, match="expected the vocabulary of `first` in `second`"):
        check_same_vocabulary("first", known, "second", AutoTokenizer.from_pretrained(tmp_path / "other"))


def test_several_teachers_without_a_say_are_refused(teacher_of, tmp_path):
    """Prevents a run whose second teacher is loaded, scored and told of, and teaches nothing."""
    news = teacher_of("text-classification")
    several = (news, shutil.copytree(news, tmp_path / "other"))
    settings = DistilSettings(data="data", teacher=tuple(map(str, several)))
    student = one_teacher(news, None, TinyBertForSequenceClassification(TinyBertConfig()), needs_head=True)
    layers = DistillationObjective({"hidden_states_loss": 1.0})
    with pytest.raises(ValueError, match="expected a term that compares predictions with 2 teachers"):
        teacher_model(settings, student, [layers])
    joined, answers = teacher_model(settings, student, [DistillationObjective({"prediction_loss": 1.0})])
    assert answers and len(joined.other_teachers) == 1
