"""Tests of the terms that figures keep of a training."""

from types import SimpleNamespace

from transformers import TrainerControl, TrainerState, TrainingArguments

from hf_tinybert.workflow.loss_history import LossHistory

LOGS = [
    {"loss": 3.0, "hidden_states_loss": 1.0, "grad_norm": 9.0, "learning_rate": 0.1, "epoch": 0.5, "step": 5},
    {"eval_loss": 2.0, "eval_hidden_states_loss": 1.23456789e-7, "eval_accuracy": 0.5, "epoch": 1.0, "step": 10},
    {"train_loss": 2.5, "train_runtime": 1.0, "epoch": 1.0, "step": 10},
]


def _end(phase, checkpoints, logs, process_zero=True):
    history = LossHistory(SimpleNamespace(phase=phase), checkpoints)
    state = TrainerState(log_history=logs, is_world_process_zero=process_zero)
    history.on_train_end(TrainingArguments(str(checkpoints), use_cpu=True), state, TrainerControl())
    return history.curves()


def test_losses_alone_are_kept_training_and_evaluation_apart(tmp_path):
    """Prevents curves of learning rates and timings, and small terms that are rounded to nothing."""
    assert _end("joint", tmp_path, LOGS) == {
        "joint": {
            "training": [{"epoch": 0.5, "loss": 3.0, "hidden_states_loss": 1.0}],
            "evaluation": [{"epoch": 1.0, "loss": 2.0, "hidden_states_loss": 1.23457e-7}],
        }
    }


def test_of_several_tasks_the_whole_loss_of_each_is_kept(tmp_path):
    """Prevents a loss of a task that is known on validation rows alone, as its name has a slash in training."""
    logs = [{"news/loss": 3.0, "news/prediction_loss": 1.0, "epoch": 0.5, "step": 5}]
    row = {"epoch": 0.5, "news/loss": 3.0, "news/prediction_loss": 1.0}
    assert _end("joint", tmp_path, logs)["joint"]["training"] == [row]


def test_a_phase_that_an_interrupted_run_finished_is_not_lost(tmp_path):
    """Prevents curves of the last phase alone, after an interruption between two."""
    _end("intermediate-layer", tmp_path / "checkpoints", LOGS)
    assert list(_end("prediction-layer", tmp_path / "checkpoints", LOGS)) == ["intermediate-layer", "prediction-layer"]


def test_one_process_writes(tmp_path):
    """Prevents several processes that replace each other's file."""
    assert _end("joint", tmp_path, LOGS, process_zero=False) == {}


def test_a_distillation_has_its_curves_in_its_figures(student_of):
    """Prevents a report without curves: every term, on training and on validation rows."""
    _, figures = student_of("text-classification")
    (curves,) = figures["curves"].values()
    terms = {"epoch", "loss", "embedding_loss", "hidden_states_loss", "attention_scores_loss", "prediction_loss"}
    assert all(set(row) == terms for part in ("training", "evaluation") for row in curves[part])
    assert [row["epoch"] for row in curves["evaluation"]] == [1.0] and len(curves["training"]) > 1
