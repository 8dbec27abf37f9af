"""The table of kinds, and a task."""

import json

import numpy as np
import pytest
from datasets import Dataset
from transformers import EvalPrediction

from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.tasks import KINDS, TASK_FILE, Task
from hf_tinybert.distillation.teacher_heads import HEADS

NAMES = ("B-org", "I-org", "O")


@pytest.mark.parametrize("kind", TaskKind)
def test_every_kind_is_whole(kind):
    """Prevents a kind that is named and cannot be used, and a head that the engine does not know."""
    definition = KINDS[kind]
    assert definition.head in HEADS
    assert definition.columns
    assert not set(definition.columns) & set(definition.label_columns)
    task = Task(TaskSettings(kind, labels=NAMES))
    assert task.main_metric == task.metrics[0]
    assert task.kind is kind


def test_a_model_is_told_its_labels():
    """Prevents LABEL_0 in the place of names, and two outputs for one number."""
    named = Task(TaskSettings(TaskKind.TEXT_CLASSIFICATION, labels=NAMES)).model_settings()
    assert named == {
        "problem_type": "single_label_classification",
        "id2label": {0: "B-org", 1: "I-org", 2: "O"},
        "label2id": {"B-org": 0, "I-org": 1, "O": 2},
    }
    assert Task(TaskSettings(TaskKind.REGRESSION)).model_settings() == {"problem_type": "regression", "num_labels": 1}
    assert Task(TaskSettings(TaskKind.MULTIPLE_CHOICE)).model_settings() == {}


def test_metrics_follow_the_tags():
    """Prevents parts of speech scored as entities."""
    entities = Task(TaskSettings(TaskKind.TOKEN_CLASSIFICATION, labels=NAMES))
    words = entities.with_settings(labels=("NOUN", "VERB"))
    assert entities.main_metric == "f1"
    assert words.main_metric == "accuracy"
    assert entities.settings.labels == NAMES


def test_a_task_survives_its_file(tmp_path):
    """Prevents a model folder that predicts otherwise than the run that wrote it."""
    settings = TaskSettings(
        TaskKind.EXTRACTIVE_SUMMARIZATION,
        labels=("é", "b"),
        max_length=384,
        stride=64,
        summary_sentences=3,
        masked_share=0.2,
        unanswerable=True,
    )
    Task(settings).save(tmp_path)
    assert Task.load(tmp_path).settings == settings
    assert json.loads((tmp_path / TASK_FILE).read_text(encoding="utf-8"))["kind"] == "extractive-summarization"
    assert [file.name for file in tmp_path.iterdir()] == [TASK_FILE]


def test_a_task_is_told_by_all_of_its_data_whether_questions_may_stay_unanswered():
    """Prevents a split of answered questions from being scored otherwise than one with an unanswered question."""
    task = Task(TaskSettings(TaskKind.QUESTION_ANSWERING))
    answered = Dataset.from_dict({"answers": [{"text": ["a film"], "answer_start": [0]}] * 2})
    none = Dataset.from_dict(
        {"answers": [{"text": ["a film"], "answer_start": [0]}, {"text": [], "answer_start": []}]}
    )
    assert task.of_data({"train": answered}) is task
    assert task.of_data({"train": answered, "validation": none}).settings.unanswerable
    told = task.with_settings(unanswerable=True)
    assert told.of_data({"train": answered}) is told
    other = Task(TaskSettings(TaskKind.REGRESSION))
    assert other.of_data({"train": none}) is other


@pytest.mark.parametrize(
    "content", [None, "{", "[]", '{"labels": []}', '{"kind": "poetry"}', '{"kind": "regression", "x": 1}']
)
def test_a_file_that_is_no_task_is_named(tmp_path, content):
    """Prevents a KeyError where the cure is another folder."""
    if content is not None:
        (tmp_path / TASK_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="expected the task of a model in"):
        Task.load(tmp_path)


def test_metrics_for_the_trainer_are_those_of_the_decoded_rows(tokenizer):
    """Prevents a Trainer that scores labels in the order of encoded rows against raw ones."""
    task = Task(TaskSettings(TaskKind.REGRESSION, max_length=16))
    rows = Dataset.from_dict({"text": ["a", "the", "film"], "score": [1.0, 3.0, 2.0]})
    encoded = task.encode(rows, tokenizer)
    order = [2, 0, 1]
    compute = task.compute_metrics(encoded.select(order), rows)
    logits = np.array([[0.2], [0.1], [0.3]])
    assert compute(EvalPrediction(logits, None))["spearmanr"] == pytest.approx(1.0)


def test_raw_rows_that_were_not_encoded_are_refused(tokenizer):
    """Prevents predictions for the first rows of a file that are written beside all of them."""
    task = Task(TaskSettings(TaskKind.REGRESSION, max_length=16))
    rows = Dataset.from_dict({"text": ["a", "the", "film"]})
    encoded = task.encode(rows.select([0, 1]), tokenizer)
    with pytest.raises(ValueError, match="expected a prediction for each of 3 raw rows, got 2"):
        task.decode(np.zeros((2, 1)), encoded, rows)


def test_only_kinds_with_chance_in_them_have_something_to_fix(tokenizer):
    """Prevents rows that are encoded anew for nothing."""
    task = Task(TaskSettings(TaskKind.REGRESSION, max_length=16))
    encoded = task.encode(Dataset.from_dict({"text": ["a"]}), tokenizer)
    assert task.fix_masks(encoded, tokenizer, 0) is encoded
    assert [kind for kind in TaskKind if KINDS[kind].fix_masks] == [TaskKind.MASKED_LM]


def test_summaries_are_seen_beside_what_needs_no_model():
    """Prevents a first sentence scored as the best one, another length of summary, and a kind without such scores."""
    rows = Dataset.from_dict(
        {"document": ["The market falls. New film wins.", "A song."], "summaries": [["New film wins."], ["A song."]]}
    )
    task = Task(TaskSettings(TaskKind.EXTRACTIVE_SUMMARIZATION))
    found = task.score_without_model(rows)
    assert list(found) == ["lead", "oracle"]
    assert found["lead"] == dict.fromkeys(task.metrics, 0.5)
    assert found["oracle"] == dict.fromkeys(task.metrics, 1.0)
    longer = task.with_settings(summary_sentences=2).score_without_model(rows)
    assert longer["oracle"] == found["oracle"]
    assert longer["lead"]["rouge1"] == pytest.approx((2 / 3 + 1) / 2)  # 3 of 6 words, all 3 of the summary
    with pytest.raises(ValueError, match="expected the column `summaries`"):
        task.score_without_model(rows.remove_columns("summaries"))
    assert Task(TaskSettings(TaskKind.REGRESSION)).score_without_model(rows) == {}
