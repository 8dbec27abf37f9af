"""Tests of fine-tuning: what is kept, what resumes, what is refused before anything is spent."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from hf_tinybert.data.tasks import Task
from hf_tinybert.progress import TrainingProgress
from hf_tinybert.workflow import FinetuneSettings, finetune
from hf_tinybert.workflow.finetuning import model_with_new_head
from hf_tinybert.workflow.model_folder import load_config

FEW = {"max_length": 32, "batch_size": 8, "epochs": 1}


@pytest.fixture
def settings(data_of, encoder) -> FinetuneSettings:
    """Three steps an epoch on sentences in three classes."""
    return FinetuneSettings(data=data_of("text-classification"), model=encoder, train_rows=24, **FEW)


def test_the_best_epoch_is_kept(settings, tmp_path, display):
    """Prevents the last epoch from being saved where an earlier one was better."""
    settings = replace(settings, epochs=4, learning_rate=3e-3)
    figures = finetune(settings, tmp_path / "out", display)
    assert len(figures["epochs"]) == 4
    best = max(epoch["accuracy"] for epoch in figures["epochs"])
    assert figures["scores"]["validation"]["accuracy"] == pytest.approx(best, abs=1e-4)
    assert "test" not in figures["scores"]


def test_the_test_split_is_scored_when_asked_for(settings, tmp_path, display):
    """Prevents a look at the test split that nobody asked for, or none where one did."""
    figures = finetune(replace(settings, score_test=True), tmp_path / "out", display)
    assert set(figures["scores"]) == {"validation", "test"}


def test_labels_and_lengths_are_saved_beside_the_model(settings, tmp_path, display):
    """Prevents a teacher whose classes nobody can name."""
    finetune(settings, tmp_path / "out", display)
    task = Task.load(tmp_path / "out")
    assert task.settings.labels == ("business", "culture", "sport") and task.settings.max_length == 32
    assert load_config(str(tmp_path / "out")).id2label == {0: "business", 1: "culture", 2: "sport"}


# two epochs of 3 steps; 6 is the last one, after which the best model is loaded
@pytest.mark.parametrize("interrupted_after", [5, 6])
def test_interrupted_it_ends_with_the_same_model(
    settings, tmp_path, display, monkeypatch, earlier_calls_took, interrupted_after
):
    """Prevents a resumed run that starts again, ends elsewhere than the straight one, or tells half of its cost."""
    settings = replace(settings, epochs=2)
    finetune(settings, tmp_path / "straight", display)
    original, steps = TrainingProgress.on_step_end, 0

    def stop(self, *args, **kwargs):
        nonlocal steps
        steps += 1
        if steps == interrupted_after:
            raise KeyboardInterrupt
        original(self, *args, **kwargs)

    monkeypatch.setattr(TrainingProgress, "on_step_end", stop)
    with pytest.raises(KeyboardInterrupt):
        finetune(settings, tmp_path / "resumed", display)
    assert list((tmp_path / "resumed" / ".checkpoints").glob("checkpoint-*"))
    monkeypatch.undo()
    earlier_calls_took(tmp_path / "resumed", 5000.0)
    assert 5000.0 < finetune(settings, tmp_path / "resumed", display)["seconds"] < 6000.0
    straight, resumed = (load_file(tmp_path / name / "model.safetensors") for name in ("straight", "resumed"))
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)


def test_a_finished_run_gives_its_figures_again(settings, tmp_path, display, monkeypatch):
    """Prevents minutes lost by a second look."""
    first = finetune(settings, tmp_path / "out", display)

    def trained(*args, **kwargs):
        raise RuntimeError("trained again")

    monkeypatch.setattr("hf_tinybert.workflow.supervised.SupervisedTrainer.train", trained)
    assert finetune(settings, tmp_path / "out", display) == json.loads(json.dumps(first))
    with pytest.raises(ValueError, match="learning_rate"):
        finetune(replace(settings, learning_rate=1e-3), tmp_path / "out", display)


def test_an_interrupted_run_does_not_go_on_with_other_rows(settings, tmp_path, display, monkeypatch):
    """Prevents a model that has learnt from two data sets, and is scored on one."""
    lines = Path(settings.data, "train.jsonl").read_text().splitlines(keepends=True)
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(lines))
    settings = replace(settings, data=str(data))

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("hf_tinybert.workflow.supervised.SupervisedTrainer.train", killed)
        finetune(settings, tmp_path / "out", display)
    data.write_text("".join(lines[:40]))
    with pytest.raises(ValueError, match=r"the rows with which the run .* began"):
        finetune(settings, tmp_path / "out", display)


@pytest.mark.parametrize("changed", ["model", "data"])
def test_a_finished_run_of_another_content_under_the_same_names_is_refused(
    settings, tmp_path, display, train_anew, changed
):
    """Prevents a model of a former base or of former rows, given again as that of what lies there now."""
    model, data = (
        shutil.copytree(one, tmp_path / name) for name, one in (("model", settings.model), ("data", settings.data))
    )
    settings = replace(settings, model=str(model), data=str(data))
    figures = finetune(settings, tmp_path / "out", display)
    if changed == "model":
        train_anew(model)
    else:
        lines = (data / "train.jsonl").read_text().splitlines(keepends=True)
        (data / "train.jsonl").write_text("".join(lines[1:]))
    with pytest.raises(ValueError, match=rf"finished run in .*, got another content of `.*{changed}`; "):
        finetune(settings, tmp_path / "out", display)
    shutil.rmtree(model)
    shutil.rmtree(data)
    assert finetune(settings, tmp_path / "out", display) == json.loads(json.dumps(figures))


def test_an_interrupted_run_does_not_go_on_with_another_model(settings, tmp_path, display, monkeypatch, train_anew):
    """Prevents a model whose first steps are of another base than its last ones."""
    settings = replace(settings, model=str(shutil.copytree(settings.model, tmp_path / "model")))

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("hf_tinybert.workflow.supervised.SupervisedTrainer.train", killed)
        finetune(settings, tmp_path / "out", display)
    train_anew(settings.model)
    with pytest.raises(ValueError, match=r"began with, got another content of `.*model`; "):
        finetune(settings, tmp_path / "out", display)


def test_a_folder_of_somebody_else_is_refused_before_training(settings, tmp_path, display):
    """Prevents overwriting, and finding out after an hour."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds something else"):
        finetune(settings, tmp_path, display)


def test_bad_data_leaves_no_folder_behind(settings, tmp_path, display):
    """Prevents a half-made output folder that the corrected command then trips over."""
    (tmp_path / "data.jsonl").write_text('{"text": "a goal", "label": "sport"}\n{broken\n')
    with pytest.raises(ValueError):
        finetune(replace(settings, data=str(tmp_path / "data.jsonl")), tmp_path / "out", display)
    assert not (tmp_path / "out").exists()


def test_a_fine_tuned_model_gets_a_head_for_other_classes(teacher_of, encoder):
    """Prevents a second fine-tuning from failing at the size of the first one's head."""
    task = Task.load(Path(teacher_of("text-classification")))
    other = Task(replace(task.settings, labels=("good", "bad")))
    source = teacher_of("text-classification")
    assert model_with_new_head(source, load_config(source), other).config.num_labels == 2


def test_weights_of_half_precision_are_trained_in_float32(teacher_of, tmp_path):
    """Prevents Adam in float16, as DeBERTa-v3 is published: small steps are lost, and 0 / 0 ends the training."""
    source = Path(teacher_of("text-classification"))
    AutoModelForSequenceClassification.from_pretrained(source).half().save_pretrained(tmp_path)
    model = model_with_new_head(str(tmp_path), load_config(str(tmp_path)), Task.load(source))
    assert model.dtype is model.config.dtype is torch.float32


def test_a_student_can_be_fine_tuned_too(student_of, settings, tmp_path, display):
    """Prevents a TinyBERT from being loaded as another family."""
    folder, _ = student_of("text-classification")
    figures = finetune(replace(settings, model=folder), tmp_path / "out", display)
    assert load_config(str(tmp_path / "out")).model_type == "tinybert" and figures["parameters"] > 0


def test_embeddings_have_nothing_to_be_fine_tuned_on(data_of, encoder, tmp_path, display):
    """Prevents a training without any loss."""
    with pytest.raises(ValueError, match="sentence-embedding"):
        FinetuneSettings(data=data_of("sentence-embedding"), kind="sentence-embedding")


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"learning_rate": -1.0}])
def test_trainings_of_nothing_are_refused(wrong):
    """Prevents a run without a step."""
    with pytest.raises(ValueError, match="positive"):
        FinetuneSettings(data="somewhere", **wrong)
