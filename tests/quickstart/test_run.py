"""Tests of a quickstart on a tiny teacher and a tiny data set; the real ones run in CI by its command."""

import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.tokenization_utils_base import VERY_LARGE_INTEGER

from hf_tinybert.distillation.checkpoints import last_whole_checkpoint
from hf_tinybert.progress import ProgressDisplay, TrainingProgress
from hf_tinybert.quickstart import Quickstart

NO_NETWORK = Path(__file__).parent.parent / "no_network"


def _quickstart(settings, output) -> Quickstart:
    return Quickstart(settings, output, ProgressDisplay(Console(file=io.StringIO())))


def test_a_tokenizer_without_a_limit_has_that_of_its_model(settings, tmp_path):
    """Prevents students of DeBERTa-v3 whose folder lets texts through that they have no positions for."""
    shutil.copytree(settings.teacher, tmp_path / "teacher")
    tokenizer = AutoTokenizer.from_pretrained(settings.teacher, model_max_length=VERY_LARGE_INTEGER)
    tokenizer.save_pretrained(tmp_path / "teacher")
    unlimited = replace(settings, teacher=str(tmp_path / "teacher"), max_length=65)
    with pytest.raises(ValueError, match="to 64 .*, got 65"):
        _quickstart(unlimited, tmp_path / "out")


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


def test_a_finished_run_is_not_trained_again(settings, straight, monkeypatch):
    """Prevents minutes lost by a second look at the table."""
    folder, first = straight

    def trained(*args, **kwargs):
        raise RuntimeError("trained again")

    monkeypatch.setattr("hf_tinybert.quickstart.training.Trainer.train", trained)
    monkeypatch.setattr("hf_tinybert.quickstart.training.DistillationTrainer.train", trained)
    assert _quickstart(settings, folder).run() == first


def test_a_finished_run_of_other_texts_is_refused(settings, straight, tmp_path):
    """Prevents the figures of a file from before it was mended."""
    folder = shutil.copytree(straight[0], tmp_path / "out")
    dataset = Path(settings.dataset)
    kept = dataset.read_text()
    try:
        dataset.write_text(kept.replace("sport", "culture", 1))
        with pytest.raises(ValueError, match="got another content of `dataset`"):
            _quickstart(settings, folder).run()
    finally:
        dataset.write_text(kept)


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
