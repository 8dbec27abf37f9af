"""Tests of answers that are kept."""

import gzip

import pytest
from datasets import Dataset

from hf_tinybert.data.tasks import Task, TaskKind, TaskSettings
from hf_tinybert.workflow import kept_answers
from hf_tinybert.workflow.kept_answers import (
    ANSWERS_FILE,
    KEPT_ROWS,
    keep_answers,
    read_answers,
    rows_sha256,
)
from hf_tinybert.workflow.model_contents import stored_weights_sha256
from hf_tinybert.workflow.task_data import sample

TASK = Task(TaskSettings(TaskKind.TEXT_CLASSIFICATION, ("bad", "good"), max_length=16))
ROWS = Dataset.from_dict({"text": ["one", "two"], "label": ["bad", "good"]})
ANSWERS = [{"label": "bad", "score": 0.75, "scores": {"bad": 0.75, "good": 0.25}}, {"label": "bad", "score": 0.5}]


def _keep(folder, model="student", rows=ROWS, answers=ANSWERS, **options):
    keep_answers(folder, model, answers, **{"rows": rows, "task": TASK, "seed": 0, "weights": folder, **options})


@pytest.fixture
def folder(tmp_path):
    """Of a student, as far as answers are concerned."""
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_both_models_stand_beside_each_other_and_tasks_apart(folder):
    """Prevents a teacher's answers that are gone when the student's come, and answers to another task."""
    _keep(folder, "teacher")
    _keep(folder)
    _keep(folder, rows=ROWS.select([1]), answers=ANSWERS[1:], name="news")
    kept = read_answers(folder)
    assert kept.rows == rows_sha256(ROWS, TASK, 0)
    assert set(kept.predictions) == {"student", "teacher"} == set(kept.weights)
    assert kept.predictions["student"] == [{"label": "bad", "score": 0.75}, {"label": "bad", "score": 0.5}]
    assert kept.weights["student"] == stored_weights_sha256(folder)
    assert len(read_answers(folder, "news").predictions["student"]) == 1 and read_answers(folder, "sport") is None
    assert [file.name for file in sorted(folder.iterdir())] == [ANSWERS_FILE, "model.safetensors"]


def test_answers_to_other_rows_take_the_place_of_both(folder):
    """Prevents a student's answers to one set of rows beside its teacher's to another."""
    _keep(folder, "teacher")
    _keep(folder, rows=ROWS.select([1, 0]))
    assert set(read_answers(folder).predictions) == {"student"}


def test_of_many_rows_those_are_kept_that_a_report_draws(folder):
    """Prevents a file that grows with the split, and answers to rows that nobody asks for."""
    many = Dataset.from_dict({"text": [f"text {n}" for n in range(KEPT_ROWS + 200)], "label": ["bad"] * 1200})
    _keep(folder, rows=many, answers=[{"label": text} for text in many["text"]], seed=3)
    kept, drawn = read_answers(folder), sample(many, KEPT_ROWS, 3)
    assert [one["label"] for one in kept.predictions["student"]] == drawn["text"][:]
    assert kept.rows == rows_sha256(drawn, TASK, 3)
    assert (folder / ANSWERS_FILE).stat().st_size < 20_000


def test_whatever_changes_an_answer_changes_the_hash_of_the_rows(folder):
    """Prevents answers to other texts, labels, lengths or masks from being taken for these."""
    longer = Task(TaskSettings(TaskKind.TEXT_CLASSIFICATION, ("bad", "good"), max_length=32))
    other = Dataset.from_dict({"text": ["one", "two"], "label": ["good", "good"]})
    hashes = [
        rows_sha256(ROWS, TASK, 0),
        rows_sha256(ROWS, TASK, 1),
        rows_sha256(ROWS, longer, 0),
        rows_sha256(other, TASK, 0),
        rows_sha256(ROWS.select([1, 0]), TASK, 0),
    ]
    assert len(set(hashes)) == len(hashes)
    assert rows_sha256(Dataset.from_dict(ROWS.to_dict()), TASK, 0) == hashes[0]


def test_more_than_a_reader_takes_is_neither_kept_nor_read(folder, monkeypatch):
    """Prevents a stranger's folder that fills the memory, and a file that nobody can read again."""
    _keep(folder)
    monkeypatch.setattr(kept_answers, "_MOST_BYTES", 100)
    assert read_answers(folder) is None
    before = (folder / ANSWERS_FILE).read_bytes()
    _keep(folder, "teacher")
    assert (folder / ANSWERS_FILE).read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [b"", b"\x1f\x8b damaged", gzip.compress(b"[]"), gzip.compress(b'{"form": 99}')],
    ids=["empty", "damaged", "no object", "another form"],  # gzip writes the time, and workers must agree on names
)
def test_a_file_that_cannot_be_read_holds_nothing(folder, content):
    """Prevents a report that fails for the sake of what only saves it time."""
    (folder / ANSWERS_FILE).write_bytes(content)
    assert read_answers(folder) is None
    _keep(folder)
    assert read_answers(folder) is not None
