"""Tests of what a general distillation can be told."""

import json

import pytest

from hf_tinybert.distillation import DistillationArguments
from hf_tinybert.distillation.terms import Reads
from hf_tinybert.workflow import PretrainSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"texts": ()},
        {"block_length": 2},
        {"held_out_blocks": 0},
        {"batch_size": 0},
        {"checkpoint_steps": 0},
        {"max_steps": 0},
        {"epochs": 0.0},
        {"epochs": -1.0},
        {"warmup": 1.0},
        {"learning_rate": float("nan")},
        {"warmup": -0.1},
        {"start": "zeros"},
        {"start": "trained"},
        {"shape": "5L-100"},
        {"width": 0},
        {"masked_lm": 0.0},
        {"masked_lm": -1.0},
        {"masked_lm": float("nan")},
        {"masked_lm": 1.0, "loss_weights": {"masked_lm_loss": 2.0}},
        {"masked_lm": 1.0, "loss_weights": {"label_loss": 2.0}},
        {"tasks": {"news": {"data": "news.csv"}}},
        {"masked_lm": 1.0, "tasks": {"text": {"data": "news.csv"}}},
        {"masked_lm": 1.0, "tasks": {"a.b": {"data": "news.csv"}}},
        {"masked_lm": 1.0, "tasks": {"news": {"kind": "regression"}}},
        {"masked_lm": 1.0, "tasks": {"news": {"data": "news.csv", "teacher": "bert"}}},
        {"masked_lm": 1.0, "tasks": {"news": {"data": "news.csv", "weight": 0.0}}},
        {"masked_lm": 1.0, "tasks": {"news": {"data": "news.csv", "train_rows": 0}}},
        {"sampling": "random"},
        {"sampling": "annealed"},
        {"masked_lm": 1.0, "sampling": "temperature"},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_at_once(wrong):
    """Prevents a mistake from being found after the texts were read."""
    with pytest.raises(ValueError, match="expected"):
        PretrainSettings(**{"texts": ("books.txt",), **wrong})


@pytest.mark.parametrize(
    "wrong",
    [{"learning_rate": 0.0}, {"recipe": "magic"}, {"loss_weights": {"magic_loss": 1.0}}],
    ids=str,
)
def test_what_the_trainer_does_not_know_is_refused(wrong, tmp_path):
    """Prevents an option that is ignored."""
    with pytest.raises(ValueError, match="expected"):
        PretrainSettings(texts=("books.txt",), **wrong).arguments(tmp_path)


def test_what_is_given_reaches_the_arguments(tmp_path):
    """Prevents options without effect, and a phase that compares predictions of a student without a head."""
    made = PretrainSettings(
        texts=("books.txt",),
        epochs=2.0,
        max_steps=7,
        learning_rate=1e-4,
        batch_size=5,
        checkpoint_steps=3,
        recipe="minilmv2",
        layer_mapping="last",
        seed=4,
    ).arguments(tmp_path)
    assert made.phases == ["intermediate-layer"]
    assert (made.intermediate_num_train_epochs, made.intermediate_max_steps) == (2.0, 7)
    assert (made.intermediate_learning_rate, made.per_device_train_batch_size) == (1e-4, 5)
    assert (made.save_steps, made.recipe, made.layer_mapping, made.seed) == (3, "minilmv2", "last", 4)
    weights = PretrainSettings(texts=("books.txt",), loss_weights={"hidden_states_loss": 0.5}).arguments(tmp_path)
    assert weights.loss_weights == {"hidden_states_loss": 0.5}


def test_settings_come_back_from_json():
    """Prevents a finished run from being refused as another one."""
    values = PretrainSettings(texts=("books.txt", "owner/more"), columns=("text", "body")).to_json()
    assert values == json.loads(json.dumps(values))
    assert values["texts"] == ["books.txt", "owner/more"] and values["columns"] == ["text", "body"]


def test_processes_share_a_step_evenly_or_not_at_all(tmp_path, monkeypatch):
    """Prevents a step that grows with the number of processes, and blocks that no process takes."""
    monkeypatch.setattr(DistillationArguments, "world_size", 4)
    made = PretrainSettings(texts=("books.txt",), batch_size=32).arguments(tmp_path)
    assert (made.per_device_train_batch_size, made.per_device_eval_batch_size) == (8, 8)
    with pytest.raises(ValueError, match="expected a `batch_size` that 4 processes share evenly, got 30"):
        PretrainSettings(texts=("books.txt",), batch_size=30).arguments(tmp_path)


@pytest.mark.parametrize("recipe", [None, "distilbert", "pkd"])
def test_masked_lm_is_trained_at_once_with_the_intermediate_terms(tmp_path, recipe):
    """Prevents a recipe's terms for the labels of a task from coming in, and a rate or a length without effect."""
    given = {"prediction_kl_loss": 0.5, "hidden_states_loss": 3.0}
    settings = PretrainSettings(
        texts=("books.txt",), recipe=recipe, masked_lm=2.0, loss_weights=given, epochs=1.5, max_steps=7
    )
    made = settings.arguments(tmp_path)
    (phase,) = made.phase_settings()
    assert (phase.phase, phase.num_train_epochs, phase.max_steps, phase.learning_rate) == ("joint", 1.5, 7, 1e-3)
    objective = made.objective(phase.phase, masked_lm=True)
    read = {name for name in objective.weights if objective.reads_of(name) & Reads.LOGITS}
    assert read == {"prediction_kl_loss", "masked_lm_loss"}
    weights = objective.weights_at(0.0)
    assert weights.items() >= {"masked_lm_loss": 2.0, **given}.items()


def test_settings_without_masked_lm_are_those_of_runs_before_it():
    """Prevents a run that was interrupted, or finished, before there was masked LM from being refused as another."""
    assert not {"masked_lm", "tasks", "sampling"} & set(PretrainSettings(texts=("books.txt",)).to_json())
    masked = PretrainSettings(texts=("books.txt",), masked_lm=2.0).to_json()
    assert masked["masked_lm"] == 2.0 and not {"tasks", "sampling"} & set(masked)
    tasks = {"news": {"data": "news.csv", "weight": 2.0}}
    several = PretrainSettings(texts=("books.txt",), masked_lm=2.0, tasks=tasks, batch_size=4, seed=3)
    assert several.to_json().items() >= {"masked_lm": 2.0, "tasks": tasks, "sampling": "proportional"}.items()
    assert several.task_weight("news") == 2.0
    data = several.data_of("news")
    assert (data.data, data.batch_size, data.seed) == ("news.csv", 4, 3)


@pytest.mark.parametrize("weights", [{"nope_loss": 1.0}, {"label_loss": -1.0}, {"label_loss": float("nan")}])
def test_weights_that_are_none_are_refused_as_they_are_read(weights):
    """Prevents a misspelt term from being told after the data was tokenised."""
    with pytest.raises(ValueError, match="`loss_weights`.*got (nope_loss|-1.0|nan)"):
        PretrainSettings(texts=("text.txt",), loss_weights=weights)
