"""Tests of what a step costs the host, and that it is told as the stock Trainer tells it."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import Trainer, TrainerCallback

from hf_tinybert.distillation.stepping_trainer import SteppingTrainer
from hf_tinybert.distillation.trainer import DistillationTrainer

WAITS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::_unique2", "aten::equal"}


class _Waits(TorchDispatchMode):
    """What the host asks of the device, by name."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function._schema.name in WAITS:
            self.found.append(function._schema.name)
        return function(*args, **(kwargs or {}))


class _SecondStep(TrainerCallback):
    """Watches all of the second step: its batch, forwards, backward, clipping, optimizer and schedule."""

    def __init__(self):
        self.waits = _Waits()

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 1:
            self.waits.__enter__()
        elif state.global_step == 2:
            self.waits.__exit__(None, None, None)


ALL_TERMS = {"phases": ["joint"]}
PREDICTIONS = {"phases": ["prediction-layer"]}
HIDDEN_STATES = {"phases": ["intermediate-layer"], "loss_weights": {"attention_scores_loss": 0}}


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("terms", [ALL_TERMS, PREDICTIONS, HIDDEN_STATES], ids=["all", "predictions", "hidden states"])
def test_a_step_waits_for_nothing(build_trainer, build_rows, tmp_path, monkeypatch, terms, cached):
    """Prevents a host that stands still until the device is done, where it could launch the next kernels."""
    # it looks at a batch where that is made, and before it is on the device
    monkeypatch.setattr("hf_tinybert.distillation.rows_trainer.MasksWherePadded", lambda collator: collator)
    watch = _SecondStep()
    arguments = {**terms, "logging_steps": 100, "max_steps": 3, "intermediate_max_steps": 3}
    trainer = build_trainer(
        {**arguments, "teacher_cache_dir": str(tmp_path / "cache") if cached else None},
        train_dataset=build_rows(12, labels=False),
        callbacks=[watch],
    )
    trainer.train()
    assert watch.waits.found == []


@pytest.mark.parametrize("terms", [PREDICTIONS, HIDDEN_STATES], ids=["predictions", "hidden states"])
def test_masks_without_waiting_train_the_same_student(build_trainer, build_rows, tmp_path, monkeypatch, terms):
    """Prevents a run of another result where no attention is read."""
    trained = []
    for waits in (False, True):
        if waits:
            monkeypatch.setattr("hf_tinybert.distillation.pairing.mask_without_waiting", lambda *models: None)
        settings = {**terms, "max_steps": 3, "intermediate_max_steps": 3, "eval_strategy": "epoch"}
        rows = build_rows(12, labels=False)
        trainer = build_trainer(settings, train_dataset=rows, eval_dataset=rows)
        trainer.train()
        stock = [model.config._attn_implementation == "sdpa" for model in (trainer.model, trainer.teacher)]
        assert stock == [waits, waits]
        trained.append((trainer.model.state_dict(), [logs.get("eval_loss") for logs in trainer.state.log_history]))
    (one, one_losses), (other, other_losses) = trained
    assert all(torch.equal(one[name], other[name]) for name in one) and one_losses == other_losses


class _Overflowing(DistillationTrainer):
    """Whose losses of the second and the fourth batch are no numbers."""

    batches = 0

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if not model.training:
            return loss
        self.batches += 1
        added = {2: torch.nan, 4: torch.inf}.get(self.batches, 0.0)  # to the value, not to the gradient
        return loss + added


def _told(build_trainer, settings, rows):
    """Losses and operations in the logs of a run."""
    plain = build_trainer(settings, train_dataset=rows, eval_dataset=rows)
    data = {"train_dataset": rows, "eval_dataset": rows, "data_collator": plain.data_collator}
    trainer = _Overflowing(plain.model, plain.args, teacher=plain.teacher, **data)
    trainer.train()
    assert trainer.args.logging_nan_inf_filter is settings["logging_nan_inf_filter"]
    told = ("loss", "eval_loss", "total_flos")
    return [{name: entry[name] for name in told if name in entry} for entry in trainer.state.log_history]


@pytest.mark.parametrize("filters", [True, False])
def test_what_a_step_does_otherwise_is_told_as_by_the_stock_trainer(build_trainer, build_rows, monkeypatch, filters):
    """Prevents a NaN in the logs where the stock Trainer leaves it out, and a filter that cannot be turned off."""
    settings = {"phases": ["joint"], "logging_steps": 3, "learning_rate": 0.0, "num_train_epochs": 3}
    settings |= {"logging_nan_inf_filter": filters, "eval_strategy": "epoch"}
    found = _told(build_trainer, settings, build_rows(8))
    for name in ("_run_epoch", "training_step", "floating_point_ops", "evaluation_loop"):
        monkeypatch.setattr(SteppingTrainer, name, getattr(Trainer, name))
    expected = _told(build_trainer, settings, build_rows(8))
    assert any("eval_loss" in entry for entry in found) and found[-1]["total_flos"] > 0
    assert all(math.isfinite(entry["loss"]) is filters for entry in found if "loss" in entry)
    assert [entry.keys() for entry in found] == [entry.keys() for entry in expected]
    for entry, other in zip(found, expected, strict=True):
        assert entry == pytest.approx(other, nan_ok=True)
