"""Tests of the quickstart on a tiny teacher and a tiny data set; the real ones run in CI by its command."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertModel,
    BertTokenizer,
    MobileBertConfig,
    MobileBertModel,
)

from hf_tinybert.distillation.checkpoints import last_whole_checkpoint
from hf_tinybert.hub import model_card
from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.progress import ProgressDisplay, TrainingProgress
from hf_tinybert.quickstart import FIGURES_FILE, Quickstart, QuickstartSettings
from hf_tinybert.report import ReportSettings
from hf_tinybert.report.compared_rows import load_rows
from hf_tinybert.report.pair import load_pair
from hf_tinybert.workflow import evaluate_folder
from hf_tinybert.workflow.figures import FIGURES_FILE as FIGURES_FILE_OF_RUNS

NO_NETWORK = Path(__file__).parent / "no_network"


@pytest.fixture(scope="module")
def settings(tmp_path_factory, vocabulary, sentences, sentence_labels) -> QuickstartSettings:
    """A tiny teacher folder without a head and a JSONL data set of 72 rows."""
    folder = tmp_path_factory.mktemp("quickstart")
    torch.manual_seed(0)
    tokenizer = BertTokenizer(vocab=str(vocabulary), model_max_length=64)
    shape = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 64}
    layers = 5  # one more than the student gets
    BertModel(BertConfig(vocab_size=len(tokenizer), num_hidden_layers=layers, **shape)).save_pretrained(
        folder / "encoder"
    )
    tokenizer.save_pretrained(folder / "encoder")
    names = ["business", "culture", "sport"]
    rows = [
        {"text": f"{'a ' * copy}{text}", "label": names[label]}
        for copy in range(3)
        for text, label in zip(sentences, sentence_labels, strict=True)
    ]
    data = folder / "reviews.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return QuickstartSettings(
        teacher=str(folder / "encoder"), dataset=str(data), max_length=16, intermediate_epochs=2, prediction_epochs=2
    )


@pytest.fixture(scope="module")
def straight(settings, tmp_path_factory):
    """The folder of a whole run, and what it returned; nothing changes it."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("quickstart") / "out"
    return folder, _quickstart(settings, folder).run()


def _quickstart(settings, output) -> Quickstart:
    return Quickstart(settings, output, ProgressDisplay(Console(file=io.StringIO())))


def test_it_writes_a_student_and_every_figure(settings, straight):
    """Prevents a table without its figures on disk, or a student folder that only this package's code can read."""
    folder, returned = straight
    summary = json.loads((folder / "summary.json").read_text())
    assert summary == json.loads(json.dumps(returned))
    for name in ("teacher", "student", "undistilled"):
        assert 0 <= summary[f"{name}_test_accuracy"] <= 1
        assert summary[f"{name}_seconds"] >= 0
    for name in ("teacher", "student"):
        assert summary[f"{name}_sentences_per_second_batch_1"] > 0
        assert summary[f"{name}_sentences_per_second_batch_32"] > 0
        assert summary[f"{name}_parameters"] > 0 and summary[f"{name}_megabytes"] >= 0
    assert summary["retention"] == summary["student_test_accuracy"] / summary["teacher_test_accuracy"]
    assert summary["train_rows"] + summary["validation_rows"] + summary["test_rows"] == 72
    student, report = AutoModelForSequenceClassification.from_pretrained(folder / "student", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert student.num_parameters() == summary["student_parameters"] < summary["teacher_parameters"]
    for text, label, probability in _quickstart(settings, folder).classify():
        assert text and label in summary["labels"] and 0 <= probability <= 1


def test_other_verbs_read_its_student_and_the_card_tells_its_figures(settings, straight):
    """Prevents a first student that `predict`, `export` and `evaluate` refuse, and a card that says nothing of it."""
    assert FIGURES_FILE == FIGURES_FILE_OF_RUNS
    folder, summary = straight
    student = folder / "student"
    scored = evaluate_folder(student, settings.dataset, "test")
    assert scored["accuracy"] == summary["student_test_accuracy"]
    card = str(model_card(student))
    assert "| same shape, undistilled |" in card and "| sentences per second, batch 1 |" in card
    assert f"| {summary['teacher_test_accuracy']:.4g} |" in card
    assert str(folder.parents[1]) not in card  # above the folders of data, teacher and student
    report, facts = ReportSettings(folder=student), read_facts(student)
    rows = load_rows(report, facts)
    assert len(rows.rows) and load_pair(rows, report, facts).teacher.config.hidden_size == 32


def test_a_finished_run_is_not_trained_again(settings, straight, monkeypatch):
    """Prevents minutes lost by a second look at the table."""
    folder, first = straight

    def trained(*args, **kwargs):
        raise RuntimeError("trained again")

    monkeypatch.setattr("hf_tinybert.quickstart.Trainer.train", trained)
    monkeypatch.setattr("hf_tinybert.quickstart.DistillationTrainer.train", trained)
    assert _quickstart(settings, folder).run() == first


# optimizer steps of the whole run: 2 of the teacher, 8 undistilled, 4 of each phase
@pytest.mark.parametrize("interrupted_after", [2, 13, 17], ids=["teacher", "intermediate layer", "prediction layer"])
def test_interrupted_it_goes_on_and_ends_with_the_same_student(
    settings, straight, tmp_path, monkeypatch, interrupted_after
):
    """Prevents a resumed run that starts again, or ends somewhere else than the straight one."""
    steps = 0
    original = TrainingProgress.on_step_end

    def stop(self, *args, **kwargs):
        nonlocal steps
        steps += 1
        if steps == interrupted_after:
            raise KeyboardInterrupt
        original(self, *args, **kwargs)

    monkeypatch.setattr(TrainingProgress, "on_step_end", stop)
    with pytest.raises(KeyboardInterrupt):
        _quickstart(settings, tmp_path / "resumed").run()
    stage = {2: ".teacher", 13: ".student/intermediate-layer", 17: ".student/prediction-layer"}[interrupted_after]
    assert last_whole_checkpoint(tmp_path / "resumed" / stage) is not None
    _quickstart(settings, tmp_path / "resumed").run()
    whole = load_file(straight[0] / "student" / "model.safetensors")
    resumed = load_file(tmp_path / "resumed" / "student" / "model.safetensors")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_an_output_folder_of_somebody_else_is_refused_before_training(settings, tmp_path):
    """Prevents overwriting, and finding out after minutes."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds something else"):
        _quickstart(settings, tmp_path / "out")


def test_a_teacher_that_no_student_can_start_with_is_refused_before_it_is_fine_tuned(settings, tmp_path):
    """Prevents a minute of training on a MobileBERT before it is told that no student can have its layers."""
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    narrow = {"embedding_size": 16, "intra_bottleneck_size": 16}
    MobileBertModel(MobileBertConfig(vocab_size=40, **narrow, **shape)).save_pretrained(tmp_path / "mobilebert")
    with pytest.raises(ValueError, match="family `mobilebert`.*`hf-tinybert distill --start random`"):
        _quickstart(replace(settings, teacher=str(tmp_path / "mobilebert")), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_it_runs_with_sockets_forbidden(settings, tmp_path):
    """Prevents a hidden download: the quickstart promises to need no network."""
    command = [sys.executable, "-m", "hf_tinybert.cli", "quickstart", "--max-length", "16"]
    command += ["--teacher", settings.teacher, "--dataset", settings.dataset, "--output", str(tmp_path / "out")]
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    environment |= {"PYTHONPATH": str(NO_NETWORK), "OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert "retention" in done.stdout
    assert (tmp_path / "out" / "summary.json").is_file()


def test_the_guard_against_sockets_works(tmp_path):
    """Prevents the test above from passing because nothing was forbidden."""
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(NO_NETWORK)}, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "network is forbidden" in done.stderr
