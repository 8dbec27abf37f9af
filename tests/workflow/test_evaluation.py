"""Tests of scoring model folders."""

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from hf_tinybert.data.tasks import Task
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow import evaluate_folder, score_folder
from hf_tinybert.workflow.evaluation import score_rows
from hf_tinybert.workflow.model_folder import load_model_folder, load_task
from hf_tinybert.workflow.task_data import read_data, sample


def test_gold_answers_score_by_name_whatever_their_order(student_of, data_of, tmp_path):
    """Prevents classes of another order in the data from being compared by their ids."""
    folder, figures = student_of("text-classification")
    names = ["sport", "culture", "business"]
    for split in ("train", "validation", "test"):
        lines = Path(data_of("text-classification"), f"{split}.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        text = "".join(json.dumps({**row, "label": names.index(row["label"])}) + "\n" for row in rows)
        (tmp_path / f"{split}.jsonl").write_text(text)
    (tmp_path / "labels.json").write_text(json.dumps(names))
    assert evaluate_folder(folder, tmp_path, "test") == pytest.approx(figures["scores"]["test"]["student"], abs=1e-4)


def test_some_rows_are_drawn_by_the_seed(student_of, data_of):
    """Prevents a sample that is another one each time."""
    folder, _ = student_of("text-classification")
    first, again = (evaluate_folder(folder, data_of("text-classification"), rows=10) for _ in range(2))
    assert first == again and (first["accuracy"] * 10) == pytest.approx(round(first["accuracy"] * 10))


def test_a_summariser_is_scored_beside_what_needs_no_model(teacher_of, data_of):
    """Prevents scores of other rows beside those of the model."""
    folder, data = teacher_of("extractive-summarization"), data_of("extractive-summarization")
    metrics, without_model = score_folder(folder, data, "validation", rows=5, seed=1)
    assert metrics == evaluate_folder(folder, data, "validation", rows=5, seed=1)
    drawn = sample(read_data(data, "extractive-summarization", {}, 1).splits["validation"], 5, 1)
    assert without_model == load_task(folder).score_without_model(drawn)


@pytest.mark.parametrize("at_once", [2, 2048])
def test_whether_a_question_may_stay_unanswered_does_not_depend_on_its_neighbours(
    teacher_of, tmp_path, monkeypatch, at_once
):
    """Prevents answers that change with how many rows are held at once, and with the split that is scored."""
    folder, row = teacher_of("question-answering"), {"question": "what is it", "context": "a film"}
    answer, none = {"text": ["film"], "answer_start": [2]}, {"text": [], "answer_start": []}
    for split, golds in (("train", [answer] * 2), ("validation", [none, answer]), ("test", [answer] * 3)):
        rows = [{"id": f"{split}{place}", **row, "answers": gold} for place, gold in enumerate(golds)]
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    monkeypatch.setattr("hf_tinybert.workflow.evaluation._ROWS_AT_ONCE", at_once)
    asked = []
    decode = Task.decode
    monkeypatch.setattr(
        Task, "decode", lambda task, *given: asked.append(task.settings.unanswerable) or decode(task, *given)
    )
    for split in ("validation", "test"):
        evaluate_folder(folder, tmp_path, split)
    assert set(asked) == {True}


def test_a_split_that_is_not_there_is_refused(student_of, data_of):
    """Prevents scores of another split than was asked for."""
    with pytest.raises(ValueError, match="`dev`"):
        evaluate_folder(student_of("text-classification")[0], data_of("text-classification"), "dev")


def test_texts_without_scores_cannot_be_scored(student_of, tmp_path):
    """Prevents a traceback where gold answers are missing."""
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.jsonl").write_text('{"text": "a goal"}\n{"text": "a film"}\n')
    with pytest.raises(ValueError, match="gold answers"):
        evaluate_folder(student_of("sentence-embedding")[0], tmp_path, "test")


def test_rows_are_scored_that_are_asked_for_and_it_is_said_which(student_of, data_of, tmp_path):
    """Prevents a score on a tenth of a file that nobody knows of, and one of all rows but the last three."""
    folder, _ = student_of("text-classification")
    lines = Path(data_of("text-classification"), "train.jsonl").read_text()
    (tmp_path / "test.jsonl").write_text(lines)
    (tmp_path / "reviews.jsonl").write_text(lines)
    said = {}
    for name in ("test", "reviews"):
        shown = io.StringIO()
        display = ProgressDisplay(Console(file=shown, width=200))
        evaluate_folder(folder, tmp_path / f"{name}.jsonl", display=display)
        said[name] = shown.getvalue()
    assert "48 rows of test\n" in said["test"]
    assert "5 rows of test, which `finetune` and `distill` with this seed hold out of these 48 rows" in said["reviews"]
    with pytest.raises(ValueError, match="`rows` of at least 1, got -3"):
        evaluate_folder(folder, tmp_path / "test.jsonl", rows=-3)


def test_rows_that_the_model_has_learnt_by_another_seed_are_told(student_of, data_of, tmp_path, caplog):
    """Prevents a test score on a tenth of a file of which training took four fifths by its own seed."""
    folder, _ = student_of("text-classification")
    shutil.copytree(folder, tmp_path / "model")
    shutil.copyfile(Path(data_of("text-classification"), "train.jsonl"), tmp_path / "reviews.jsonl")
    run = json.loads((tmp_path / "model" / "run.json").read_text())
    run["settings"]["data"] = str(tmp_path / "reviews.jsonl")
    (tmp_path / "model" / "run.json").write_text(json.dumps(run))
    evaluate_folder(tmp_path / "model", tmp_path / "reviews.jsonl")
    assert not any("trained on" in said for said in caplog.messages)
    evaluate_folder(tmp_path / "model", tmp_path / "reviews.jsonl", seed=1)
    assert any("`test` of" in said and "by seed 1" in said for said in caplog.messages)


def test_the_scores_of_single_classes_are_not_held_of_all_rows(student_of, data_of):
    """Prevents 6 GB for 100,000 rows of 1,000 classes, which no metric reads."""
    folder, _ = student_of("text-classification")
    loaded = load_model_folder(folder)
    rows = read_data(data_of("text-classification"), None, {}, 0).splits["validation"]
    scored = score_rows(loaded.model, loaded.tokenizer, loaded.task, rows)
    assert len(scored.answers) == len(rows) and {*scored.answers[0]} == {"label", "score"}
