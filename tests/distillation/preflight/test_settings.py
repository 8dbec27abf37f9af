from dataclasses import replace

import pytest
from transformers import Trainer, TrainingArguments

from hf_tinybert.distillation.preflight.report import Status
from hf_tinybert.distillation.preflight.settings import check_accumulation, check_loss_settings, check_steps


def test_settings_that_the_objective_would_ignore_fail(setup):
    """Prevents label smoothing that smooths nothing."""
    assert check_loss_settings(setup).status is Status.OK
    setup.arguments.label_smoothing_factor = 0.1
    assert check_loss_settings(setup).status is Status.FAIL


@pytest.mark.parametrize(("steps", "status"), [(1, Status.WARN), (4, Status.FAIL)])
def test_a_trainer_that_scales_the_loss_itself_fails_where_it_accumulates(setup, steps, status):
    """Prevents gradients four times too large at four accumulation steps."""
    setup.arguments.gradient_accumulation_steps = steps
    assert check_accumulation(setup).found == f"a batch mean, divided by {steps} accumulation steps"
    row = check_accumulation(replace(setup, trainer_class=Trainer))
    assert row.status is status and f"{steps} times too large" in row.found
    assert check_accumulation(replace(setup, trainer_class=None)).status is Status.SKIP


def test_steps_are_counted_as_the_trainer_counts_them(setup):
    """Prevents a figure that the progress bar contradicts."""
    setup.arguments.gradient_accumulation_steps = 4  # 120 rows, 30 batches of 4, 8 steps an epoch
    assert check_steps(setup).found == "intermediate-layer 8 steps at 0.0003, prediction-layer 8 steps at 0.0001"
    setup.arguments.max_steps = 5
    assert "prediction-layer 5 steps" in check_steps(setup).found


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"dataloader_drop_last": True, "per_device_train_batch_size": 256},
            "got none in intermediate-layer: 120 rows",
        ),
        ({"learning_rate": 0.1}, "got 0.1 in prediction-layer"),
        ({"learning_rate": 0.0}, "got 0 in prediction-layer"),
        ({"warmup_steps": 30}, "got 30 of 30 in intermediate-layer"),
    ],
)
def test_a_phase_that_learns_nothing_is_warned_of(setup, changed, words):
    """Prevents an untrained student from being saved as a result."""
    for name, value in changed.items():
        setattr(setup.arguments, name, value)
    row = check_steps(setup)
    assert row.status is Status.WARN and words in row.found and row.cure


def test_stock_arguments_have_one_phase(setup, tmp_path):
    """Prevents the checks from being tied to one trainer."""
    stock = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none", num_train_epochs=2)
    assert check_steps(replace(setup, arguments=stock)).found == "training 30 steps at 5e-05"
    assert check_steps(replace(setup, arguments=None)).status is Status.SKIP
