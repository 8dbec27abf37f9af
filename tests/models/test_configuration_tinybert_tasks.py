"""The heads of a multi-task model as data: what is wrong in them is refused before there is a model."""

import json

import pytest
from transformers import AutoConfig

from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.configuration_tinybert_tasks import (
    TASK_KINDS,
    check_task_name,
    check_tasks,
    known_task,
    one_task_fields,
    plain_tasks,
)


def test_the_kinds_are_those_of_the_table_of_tasks():
    """A kind known on one side only could be trained and never saved, or the reverse."""
    assert set(TASK_KINDS) == {str(kind) for kind in TaskKind}


def test_tasks_survive_the_way_through_json(tmp_path):
    """Label ids become strings in JSON: a model loaded again would find no label."""
    names = {index: f"class {index}" for index in range(12)}
    tasks = {
        "zoo": {"kind": TaskKind.TEXT_CLASSIFICATION, "id2label": names, "label2id": {"class 0": 0}, "pooling": None},
        "a-b_1": {"kind": "regression"},
    }
    config = TinyBertConfig(tasks=tasks)
    config.save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert again.tasks == config.tasks == plain_tasks(tasks)
    assert list(again.tasks) == list(config.tasks) == ["a-b_1", "zoo"]
    assert list(again.tasks["zoo"]["id2label"]) == list(range(12))
    assert config.tasks["zoo"] == {"kind": "text-classification", "id2label": names}
    json.dumps(config.tasks)


@pytest.mark.parametrize(
    ("tasks", "match"),
    [
        ({}, "at least one task"),
        ({"a b": {"kind": "regression"}}, "letters, digits"),
        ({"a": {}}, "expected a `kind`"),
        ({"a": {"kind": "translation"}}, "got `translation`"),
        ({"a": {"kind": "regression", "labels": ["x"]}}, "got `labels` besides"),
        ({"a": {"kind": "text-classification"}}, "`id2label` or `num_labels`"),
        ({"a": {"kind": "token-classification", "id2label": {1: "O", 2: "B"}}}, "labels 0 to 1"),
        ({"a": {"kind": "token-classification", "num_labels": 3, "id2label": {0: "O", 1: "B"}}}, "labels 0 to 2"),
        ({"a": {"kind": "text-classification", "id2label": {0: "x", 1: "x"}}}, "name of its own"),
        ({"a": {"kind": "regression", "problem_type": "single_label_classification"}}, "`problem_type` `regression`"),
        ({"a": {"kind": "masked-lm"}, "b": {"kind": "masked-lm"}}, "at most one task of the kind `masked-lm`"),
    ],
)
def test_wrong_tasks_are_refused(tasks, match):
    """Each of these would be found only in training, or by nobody."""
    with pytest.raises(ValueError, match=match):
        check_tasks(tasks)


def test_a_configuration_checks_its_tasks():
    """A config.json changed by hand must fail where it is read."""
    with pytest.raises(Exception, match="expected a `kind`"):
        TinyBertConfig(tasks={"a": {"kind": "translation"}})
    with pytest.raises(Exception, match="expected `pooling`"):
        TinyBertConfig(pooling="max")
    with pytest.raises(Exception, match="expected `embedding_size`"):
        TinyBertConfig(embedding_size=0)
    with pytest.raises(Exception, match="expected `similarity` to be one of .*, got `angle`"):
        TinyBertConfig(similarity="angle")
    with pytest.raises(Exception, match="expected `pooling`"):
        TinyBertConfig(tasks={"a": {"kind": "sentence-embedding", "pooling": "max"}}).for_task("a")


def test_the_only_task_may_go_unnamed():
    """A model with one head is used as any other."""
    tasks = {"a": {"kind": "regression"}}
    assert known_task(tasks, None) == known_task(tasks, "a") == {"kind": "regression"}
    for wrong in ("b", None):
        with pytest.raises(ValueError, match="expected `task` to be one of `a`, `c`"):
            known_task({**tasks, "c": {"kind": "masked-lm"}}, wrong)
    with pytest.raises(ValueError, match="one of no tasks"):
        known_task(None, "a")


def test_a_kind_decides_the_fields_of_its_one_task_model():
    """A regression that is saved without its problem type is trained as a classification."""
    assert one_task_fields({"kind": "regression"})["id2label"] == {0: "LABEL_0"}
    assert one_task_fields({"kind": "regression"})["problem_type"] == "regression"
    assert one_task_fields({"kind": "extractive-summarization"})["label2id"] == {"skip": 0, "keep": 1}
    embedding = one_task_fields({"kind": "sentence-embedding", "embedding_size": 384, "pooling": "cls"})
    assert (embedding["embedding_size"], embedding["pooling"], embedding["normalize"]) == (384, "cls", True)
    config = TinyBertConfig(tasks={"a": {"kind": "multi-label-classification", "num_labels": 5}}).for_task("a")
    assert (config.num_labels, config.problem_type, config.tasks) == (5, "multi_label_classification", None)


def test_a_name_of_any_other_letters_is_refused():
    """A dot in a name would make two modules of one."""
    check_task_name("wnut-17_2")
    with pytest.raises(ValueError, match="got 'naïve'"):
        check_task_name("naïve")
