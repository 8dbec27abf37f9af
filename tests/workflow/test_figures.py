"""Tests of the figures of a run."""

import json

import pytest
from datasets import Dataset, DatasetDict

from hf_tinybert import TinyBertConfig, TinyBertForMultiTask, TinyBertForSequenceClassification
from hf_tinybert.data.tasks import Task, TaskKind, TaskSettings
from hf_tinybert.distillation.projections import DistillationProjections, attach_projections
from hf_tinybert.run_folder import RunFolder
from hf_tinybert.workflow.figures import (
    FIGURES_FILE,
    describe_rows,
    figures_without_model,
    finished_figures,
    model_size,
    retention,
    save_figures,
    teachers_size,
)
from hf_tinybert.workflow.run_sources import RunSources
from hf_tinybert.workflow.task_data import PreparedData


def test_retention_is_the_students_share():
    """Prevents a share the wrong way round, of a perplexity, or of nothing."""
    kept = retention(
        {"f1": 45.0, "perplexity": 20.0, "spearmanr": 0.1}, {"f1": 90.0, "perplexity": 10.0, "spearmanr": 0.0}
    )
    assert kept == {"f1": 0.5}


def test_size_counts_every_weight_once(tiny_student_config):
    """Prevents tied weights from being counted twice, and what only training has from being counted at all."""
    model = TinyBertForSequenceClassification(tiny_student_config)
    size = model_size(model)
    assert size["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    attach_projections(model, DistillationProjections(16, 32, 3))
    assert model_size(model) == size
    assert size["megabytes"] == pytest.approx(size["parameters"] * 4e-6, rel=1e-9)  # a share is taken of it


def test_what_teachers_share_counts_once(tiny_student_config):
    """Prevents a student of one multi-task teacher from being called so many times smaller as it has tasks."""
    heads = {"one": {"kind": "text-classification", "num_labels": 3}, "two": {"kind": "masked-lm"}}
    several = TinyBertForMultiTask(TinyBertConfig(**{**tiny_student_config.to_dict(), "tasks": heads}))
    whole = model_size(several)["parameters"]
    of_heads = [("several", name, several.for_task(name)) for name in heads]
    assert teachers_size(of_heads)["parameters"] == teachers_size([*of_heads, *of_heads])["parameters"] == whole
    model = TinyBertForSequenceClassification(tiny_student_config)
    alone = model_size(model)["parameters"]
    assert (
        teachers_size([*of_heads, ("other", None, model), ("another", None, model)])["parameters"] == whole + 2 * alone
    )


def test_splits_that_the_data_does_not_have_are_told():
    """Prevents a score on rows that were cut out of the file from passing for one on rows of their own."""
    rows = DatasetDict(train=Dataset.from_dict({"text": ["a"] * 1000}), test=Dataset.from_dict({"text": ["b"] * 9}))
    task = Task(TaskSettings(kind=TaskKind.MASKED_LM))
    assert describe_rows(PreparedData(task, rows, {})) == "1,000 train / 9 test"
    assert describe_rows(PreparedData(task, rows, {}, ("test",))) == "1,000 train / 9 test (test cut out of train)"


def test_figures_are_written_whole(tmp_path):
    """Prevents a half-written file, which a table would then be made of."""
    save_figures(tmp_path, {"score": 1.0})
    assert json.loads((tmp_path / FIGURES_FILE).read_text()) == {"score": 1.0}
    assert [file.name for file in tmp_path.iterdir()] == [FIGURES_FILE]


def test_what_only_an_unfinished_run_needs_is_gone_with_its_end(tmp_path):
    """Prevents gigabytes of checkpoints that stay for good where a call was killed while it removed them."""
    run = RunFolder(tmp_path / "run", {"seed": 0})
    (tmp_path / "run" / ".checkpoints" / "checkpoint-1").mkdir(parents=True)
    assert finished_figures(tmp_path / "run", {"seed": 0}, "training", RunSources()) is None
    assert (tmp_path / "run" / ".checkpoints").is_dir()
    run.finish("training", {"score": 1.0})
    assert finished_figures(tmp_path / "run", {"seed": 0}, "training", RunSources()) == {"score": 1.0}
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["run.json"]


def test_what_needs_no_model_is_told_by_split(display):
    """Prevents an empty key in the figures of other kinds, which a table would make columns of, and a silent wait."""
    rows = {"test": Dataset.from_dict({"document": ["A song. New film."], "summaries": [["New film."]]})}
    task = Task(TaskSettings(TaskKind.EXTRACTIVE_SUMMARIZATION))
    found = figures_without_model(task, rows, display)["without_model"]
    assert found == {"test": {"lead": dict.fromkeys(task.metrics, 0.0), "oracle": dict.fromkeys(task.metrics, 1.0)}}
    assert "scoring: lead and oracle, test" in display.console.file.getvalue()
    assert figures_without_model(task, {}, display) == {}
    assert figures_without_model(Task(TaskSettings(TaskKind.REGRESSION)), rows, display) == {}
