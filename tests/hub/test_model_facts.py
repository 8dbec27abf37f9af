"""Tests of reading a model folder."""

import json

import pytest

from hf_tinybert.data.tasks import TASK_FILE as TASK_FILE_OF_TASKS
from hf_tinybert.distillation.record import RECORD_FILE as RECORD_FILE_OF_TRAINING
from hf_tinybert.hub.model_facts import FIGURES_FILE, RECORD_FILE, TASK_FILE, last_part, read_facts
from hf_tinybert.models.modeling_tinybert import TinyBertForSequenceClassification
from hf_tinybert.workflow.figures import FIGURES_FILE as FIGURES_FILE_OF_RUNS


def test_the_files_have_the_names_that_runs_give_them():
    """Prevents cards without scores because a file was renamed on one side."""
    assert RECORD_FILE == RECORD_FILE_OF_TRAINING
    assert (FIGURES_FILE, TASK_FILE) == (FIGURES_FILE_OF_RUNS, TASK_FILE_OF_TASKS)


def test_a_folder_tells_its_model(student_folder):
    """Prevents sizes and scores of something else than the saved weights."""
    facts = read_facts(student_folder)
    model = TinyBertForSequenceClassification.from_pretrained(student_folder)
    assert facts.parameters == model.num_parameters()
    assert facts.head == "ForSequenceClassification"
    assert facts.data == "reviews.csv"
    accuracy, f1 = facts.scores
    assert (accuracy.student, accuracy.teacher, accuracy.kept) == (0.75, 0.8, 0.9375)
    assert (f1.teacher, f1.kept) == (0.0, None)


def test_scores_of_a_fine_tuned_model_and_of_several_tasks_are_read(student_folder):
    """Prevents empty tables for the other two forms of figures.json."""
    (student_folder / FIGURES_FILE).write_text('{"kind": "regression", "scores": {"validation": {"pearson": 0.5}}}')
    (score,) = read_facts(student_folder).scores
    assert (score.kind, score.split, score.student, score.teacher) == ("regression", "validation", 0.5, None)
    (student_folder / FIGURES_FILE).write_text(
        '{"tasks": {"news": {"kind": "regression", "scores": {"test": {"student": {"pearson": 0.5}}}}}, '
        '"settings": {"tasks": {"news": {"data": "/a/b.csv"}}}}'
    )
    (score,) = read_facts(student_folder).scores
    assert (score.task, score.data) == ("news", "b.csv")


def test_a_head_that_was_taken_out_has_no_scores_and_terms(student_folder):
    """Prevents a card and a page with the scores of a head that the model does not have any more."""
    config = json.loads((student_folder / "config.json").read_text())
    heads = {name: {"kind": "regression"} for name in ("news", "late")}
    (student_folder / "config.json").write_text(json.dumps({**config, "tasks": heads}))
    own = {"kind": "regression", "scores": {"test": {"student": {"pearson": 0.5}}}}
    (student_folder / "figures.json").write_text(json.dumps({"tasks": {"news": own, "news_old": own}}))
    weights = {"news/label_loss": 1.0, "news_old/label_loss": 1.0}
    record = {"tasks": {"news": {}, "news_old": {}}, "loss_weights": weights, "teacher": "a, b"}
    (student_folder / "distillation.json").write_text(json.dumps(record))
    facts = read_facts(student_folder)
    assert [score.task for score in facts.scores] == ["news"]
    assert facts.record == {"tasks": {"news": {}}, "loss_weights": {"news/label_loss": 1.0}, "teacher": "a, b"}


def test_the_data_of_a_general_student_are_its_texts_and_tasks(student_folder):
    """Prevents a general student whose data are said to be not told."""
    (student_folder / FIGURES_FILE).write_text(
        '{"documents": 3, "tokens": 9, "settings": {"texts": ["/a/wiki.jsonl"], "tasks": {"news": {"data": "b.csv"}}}}'
    )
    assert read_facts(student_folder).datasets == ["wiki.jsonl", "b.csv"]


def test_of_an_export_the_scores_are_those_of_what_was_exported(student_folder):
    """Prevents cards with the splits `model` and `exported`, and an export that is called fine-tuned."""
    (student_folder / FIGURES_FILE).write_text(
        '{"model": "student", "to": "bert", "kind": "regression", "settings": {"split": "test"}, '
        '"scores": {"model": {"pearson": 0.5}, "exported": {"pearson": 0.25}}}'
    )
    facts = read_facts(student_folder)
    (score,) = facts.scores
    assert (score.split, score.student, facts.fine_tuned_from) == ("test", 0.25, None)


def test_of_an_exported_graph_the_model_is_asked_for(student_folder):
    """Prevents advice on adapters for a folder of `hf-tinybert export`."""
    (student_folder / "model.safetensors").rename(student_folder / "model.onnx")
    with pytest.raises(FileNotFoundError, match="name the folder that it was exported from"):
        read_facts(student_folder)


def test_weights_that_could_hold_code_are_not_read(student_folder):
    """Prevents pickles read, and published, in the place of safetensors."""
    (student_folder / "model.safetensors").rename(student_folder / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match="only weights that hold no code"):
        read_facts(student_folder)


def test_truncated_weights_are_refused(student_folder):
    """Prevents half a download published as a model."""
    weights = student_folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match="expected whole weights"):
        read_facts(student_folder)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("nyu-mll/glue", "nyu-mll/glue"),
        ("/home/me/x.csv", "x.csv"),
        ("C:\\me\\x.csv", "x.csv"),
        ("../a", "a"),
        ("data/x.JSONL", "x.JSONL"),
    ],
)
def test_of_paths_only_the_last_part_is_told(name, shown):
    """Prevents folders of a machine in public."""
    assert last_part(name) == shown


def test_half_of_a_model_and_tasks_of_other_names_are_refused(student_folder):
    """Prevents a model published without a part of its weights, and code in the name of a task in its card."""
    config = json.loads((student_folder / "config.json").read_text())
    (student_folder / "config.json").write_text(json.dumps({**config, "tasks": {"news\nimport os": {}}}))
    with pytest.raises(ValueError, match="expected a task name"):
        read_facts(student_folder)
    (student_folder / "config.json").write_text(json.dumps({**config, "tasks": 5}))
    with pytest.raises(ValueError, match="expected a dict as `tasks`"):
        read_facts(student_folder)
    (student_folder / "config.json").write_text(json.dumps({**config, "model_type": "bert", "tasks": ["a\n# b"]}))
    assert read_facts(student_folder).heads == {}
    (student_folder / "config.json").write_text(json.dumps(config))
    (student_folder / "model.safetensors").rename(student_folder / "model-00001-of-00002.safetensors")
    parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (student_folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
    with pytest.raises(ValueError, match="got `model-00002-of-00002.safetensors`"):
        read_facts(student_folder)


@pytest.mark.parametrize(
    ("file", "content"),
    [(FIGURES_FILE, '{"scores": 3}'), (FIGURES_FILE, '{"epochs": 1.0}'), (RECORD_FILE, '{"tasks": ["news"]}')],
    ids=lambda one: one,
)
def test_files_of_another_shape_are_refused(student_folder, file, content):
    """Prevents a traceback, or a Python message without a file's name, over a file that was changed by hand."""
    (student_folder / file).write_text(content)
    with pytest.raises(
        ValueError, match="expected a (dict|list) as `(scores|epochs|tasks)` in .*, got (int|float|list)"
    ):
        read_facts(student_folder)
