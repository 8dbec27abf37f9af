"""Tests of texts that only the teacher labels."""

import json
from contextlib import nullcontext

import pytest
from datasets import Dataset

from hf_tinybert.data.tasks import KINDS, Task, TaskKind, TaskSettings
from hf_tinybert.workflow import DistilSettings, unlabeled
from hf_tinybert.workflow.model_folder import load_config, load_tokenizer
from hf_tinybert.workflow.task_data import prepare_data, read_data
from hf_tinybert.workflow.unlabeled import training_rows, unlabeled_rows


@pytest.mark.parametrize("kind", list(TaskKind), ids=str)
def test_they_have_the_form_of_labelled_rows(kind, data_of, tokenizer, tmp_path):
    """Prevents rows that cannot be put together with the others, or that say less about their tokens."""
    data = read_data(data_of(str(kind)), str(kind), {}, seed=0)
    task = Task(TaskSettings(kind, data.labels, max_length=32))
    like = data.splits["train"]
    bare = like.remove_columns([name for name in KINDS[kind].label_columns if name in like.column_names])
    file = tmp_path / "more.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in bare))
    rows = unlabeled_rows(str(file), task, {}, like)
    assert rows.features == like.select_columns(rows.column_names).features and len(rows) == len(like)
    encoded, labelled = task.encode(rows, tokenizer), task.encode(like, tokenizer)
    assert encoded.column_names == labelled.column_names and len(encoded) == len(labelled)
    if kind in (TaskKind.TOKEN_CLASSIFICATION, TaskKind.EXTRACTIVE_SUMMARIZATION):
        marks = [[[label == -100 for label in row] for row in one["labels"]] for one in (encoded, labelled)]
        assert marks[0] == marks[1]


def test_texts_that_are_scored_too_are_told(data_of, teacher_of, encoder, tmp_path, caplog):
    """Prevents a student that learns its validation rows from a file of all texts, and is scored on them."""
    settings = DistilSettings(
        data=data_of("text-classification"),
        teacher=teacher_of("text-classification"),
        unlabeled=(str(tmp_path / "all.txt"), str(tmp_path / "more.txt")),
        validation_rows=5,
    )
    tokenizer = load_tokenizer(encoder)
    prepared = prepare_data(settings, tokenizer, load_config(encoder))
    (tmp_path / "all.txt").write_text("\n".join(prepared.rows["validation"]["text"][:]) + "\na new film\n")
    (tmp_path / "more.txt").write_text("a new film\n")
    caplog.clear()
    assert len(training_rows(prepared, settings, tokenizer)) == 48 + 6 + 1
    (said,) = caplog.messages
    assert said.startswith("5 of 5 texts in `validation` stand in `") and "all.txt` too and raise its score" in said


def test_a_bad_row_is_refused_by_its_number(data_of, tmp_path):
    """Prevents texts from being left out silently."""
    data = read_data(data_of("text-classification"), None, {}, seed=0)
    task = Task(TaskSettings(data.kind, data.labels))
    (tmp_path / "more.jsonl").write_text('{"text": "a goal"}\n{"body": "a film"}\n')
    with pytest.raises(ValueError, match="row 2"):
        unlabeled_rows(str(tmp_path / "more.jsonl"), task, {}, data.splits["train"])


def test_blank_lines_of_a_text_file_are_no_texts(data_of, tmp_path, caplog):
    """Prevents raw text, whose paragraphs have blank lines between them, from being refused."""
    data = read_data(data_of("text-classification"), None, {}, seed=0)
    task = Task(TaskSettings(data.kind, data.labels))
    (tmp_path / "more.txt").write_bytes(b'\xef\xbb\xbf{a goal}\r\n\r\n  \na film "wins"\n\n')
    rows = unlabeled_rows(str(tmp_path / "more.txt"), task, {}, data.splits["train"])
    assert rows["text"][:] == ["{a goal}", 'a film "wins"']
    assert "3 lines of" in caplog.text and "are blank and left out" in caplog.text


@pytest.mark.parametrize("name", ["owner/reviews", "more texts", "more.jsonl", "-", ""])
def test_what_is_no_file_is_refused(name, data_of, tmp_path, monkeypatch):
    """Prevents the name of a file that is not there, or of a data set, from being learned as a text."""
    monkeypatch.chdir(tmp_path)
    data = read_data(data_of("text-classification"), None, {}, seed=0)
    task = Task(TaskSettings(data.kind, data.labels))
    with pytest.raises(FileNotFoundError, match=f"expected a file of texts that the teacher labels, got `{name}`"):
        unlabeled_rows(name, task, {}, data.splits["train"])


@pytest.mark.parametrize(
    ("kind", "row", "like", "told"),
    [
        ("regression", {"text": "a"}, {"text": "b", "text_pair": "c"}, "pairs of texts in .*got single ones"),
        ("regression", {"text": "a", "text_pair": "b"}, {"text": "c"}, "single texts in .*got pairs.*left out"),
        ("sentence-embedding", {"text": "a", "text_pair": "b"}, {"text": "c"}, "single texts in .*got pairs"),
        ("sentence-embedding", {"text": "a"}, {"text": "b", "text_pair": "c"}, None),
    ],
)
def test_single_texts_beside_pairs_are_refused(kind, row, like, told, tmp_path):
    """Prevents second texts that are left out, and a teacher of pairs that is asked about halves of them."""
    (tmp_path / "more.jsonl").write_text(json.dumps(row))
    labelled, task = Dataset.from_list([{**like, "score": 1.0}]), Task(TaskSettings(TaskKind(kind)))
    with nullcontext() if told is None else pytest.raises(ValueError, match=told):
        assert len(unlabeled_rows(str(tmp_path / "more.jsonl"), task, {}, labelled)) == 1


def test_many_texts_are_not_held_as_python_objects(data_of, tmp_path, monkeypatch):
    """Prevents gigabytes for a million augmented rows, and rows that are lost between two parts."""
    data = read_data(data_of("text-classification"), None, {}, seed=0)
    task = Task(TaskSettings(data.kind, data.labels))
    (tmp_path / "more.jsonl").write_text("".join(f'{{"text": "goal {row}"}}\n' for row in range(7)))
    held: list[int] = []
    made = Dataset.from_dict

    def watched(columns, **options):
        held.append(len(columns["text"]))
        return made(columns, **options)

    monkeypatch.setattr(unlabeled, "_AT_ONCE", 3)
    monkeypatch.setattr(Dataset, "from_dict", watched)
    rows = unlabeled_rows(str(tmp_path / "more.jsonl"), task, {}, data.splits["train"])
    assert held == [3, 3, 1]
    assert rows["text"][:] == [f"goal {row}" for row in range(7)]
