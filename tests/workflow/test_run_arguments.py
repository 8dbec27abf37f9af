"""Tests of what all training runs share."""

import pytest
import torch
from torch import nn
from transformers import Trainer, TrainingArguments, trainer_pt_utils

from hf_tinybert.workflow.run_arguments import (
    DataSettings,
    check_numbers,
    place_models,
    share_steps,
    stock_arguments,
)


@pytest.mark.parametrize(
    "wrong", [{"train_rows": 0}, {"batch_size": 0}, {"warmup": 1.0}, {"masked_share": -0.1}, {"stride": -1}]
)
def test_values_out_of_range_are_refused_by_name(wrong):
    """Prevents a run on no rows."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DataSettings(data="somewhere", **wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": float("nan")}, {"epochs": float("inf")}, {"learning_rate": 0.0}, {"seed": -1}, {"seed": 2**32}],
)
def test_numbers_that_no_training_begins_with_are_refused(wrong):
    """Prevents a traceback in the trainer, and a folder that is claimed for settings which nobody can repeat."""
    check_numbers({"seed": 0, "epochs": 1.0, "learning_rate": None})
    with pytest.raises(ValueError, match=f"expected .*`{next(iter(wrong))}`.*, got"):
        check_numbers({"seed": 0, **wrong})


def test_settings_are_json():
    """Prevents a finished run from being taken for another one, because a tuple came back as a list."""
    settings = DataSettings(data="somewhere", columns={"text": "body"})
    assert settings.to_json()["columns"] == {"text": "body"} and settings.to_json()["seed"] == 0


def test_the_best_epoch_is_the_highest_score_or_the_lowest_loss(tmp_path):
    """Prevents the worst epoch from being kept."""
    settings = DataSettings(data="somewhere")
    assert stock_arguments(settings, tmp_path, metric="f1")["greater_is_better"] is True
    assert stock_arguments(settings, tmp_path, metric="loss")["greater_is_better"] is False
    last = stock_arguments(DataSettings(data="somewhere", keep_best=False), tmp_path, metric="f1")
    assert "eval_strategy" not in last and last["save_strategy"] == "epoch"


class _Answers(nn.Module):
    """A model that answers each row with its number."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, input_ids, labels=None):
        return {"loss": self.weight.sum(), "logits": input_ids.float()}


def test_an_evaluation_does_not_copy_all_answers_at_every_step(tmp_path, monkeypatch):
    """Prevents the time of an evaluation from growing with the square of its rows, and answers that fill a GPU."""
    copied: list[int] = []
    whole = trainer_pt_utils.nested_concat

    def watched(*arguments, **options):
        copied.append(len(joined := whole(*arguments, **options)))
        return joined

    monkeypatch.setattr(trainer_pt_utils, "nested_concat", watched)
    arguments = TrainingArguments(**stock_arguments(DataSettings(data="somewhere"), tmp_path, metric="loss"))
    arguments.per_device_eval_batch_size = 1
    rows = [{"input_ids": [number], "labels": 0} for number in range(640)]
    trainer = Trainer(_Answers(), arguments, eval_dataset=rows, compute_metrics=lambda _: {})
    assert sorted(trainer.predict(rows).predictions[:, 0].tolist()) == list(range(640))
    assert sum(copied) < 3 * 640 * 50  # logits, labels and losses; all at every step would be 320 times each


def test_a_step_has_the_same_rows_for_any_number_of_processes(tmp_path, monkeypatch):
    """Prevents two processes that train on steps of twice the rows, or one that leaves rows out."""
    arguments = TrainingArguments(str(tmp_path), use_cpu=True)
    monkeypatch.setattr(TrainingArguments, "world_size", property(lambda _: 4))
    share_steps(arguments, 32)
    assert arguments.per_device_train_batch_size == arguments.per_device_eval_batch_size == 8
    with pytest.raises(ValueError, match="`batch_size` that 4 processes share evenly, got 30"):
        share_steps(arguments, 30)


def test_models_go_where_the_run_trains_but_not_where_there_is_no_float64():
    """Prevents a teacher scored on a processor beside an idle GPU, and a start that a Mac's GPU cannot compute."""
    models = nn.Linear(2, 2), nn.Linear(2, 2)
    place_models(models, torch.device("mps"))
    assert {model.weight.device.type for model in models} == {"cpu"}
    place_models(models, torch.device("meta"))  # stands for a GPU
    assert {model.weight.device.type for model in models} == {"meta"}
