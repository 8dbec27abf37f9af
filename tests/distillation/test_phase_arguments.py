"""Tests of the training arguments of one phase."""

import pytest
from transformers import TrainerCallback

from hf_tinybert.data import accuracy_from_logits
from hf_tinybert.distillation.phase_arguments import phase_arguments
from hf_tinybert.distillation.terms import Phase


def test_a_phase_that_fails_leaves_the_arguments_of_the_run(build_trainer):
    """Prevents a second call that trains with the steps and the learning rate of a phase that was interrupted."""
    trainer = build_trainer(
        {
            "intermediate_learning_rate": 3e-4,
            "intermediate_max_steps": 3,
            "learning_rate": 1e-4,
            "metric_for_best_model": "accuracy",
        }
    )
    args, before, seen = trainer.args, trainer.args.to_dict(), {}

    def interrupted():
        with phase_arguments(args, args.phase_settings()[0], trainer._tasks):
            seen.update(args.to_dict())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    changed = {name: value for name, value in seen.items() if value != before[name]}
    loss = {"metric_for_best_model": "loss", "greater_is_better": False}
    assert changed == {"learning_rate": 3e-4, "max_steps": 3, **loss}
    assert args.to_dict() == before


def test_phases_have_run_names_of_their_own(build_trainer):
    """Prevents reporters that open a run per training from writing two phases into one."""
    names = []

    class Names(TrainerCallback):
        def on_train_begin(self, args, state, control, **kwargs):
            names.append(args.run_name)

    trainer = build_trainer({"run_name": "news"})
    trainer.add_callback(Names())
    trainer.train()
    assert names == [f"news-{Phase.INTERMEDIATE}", f"news-{Phase.PREDICTION}"]
    assert trainer.args.run_name == "news"


@pytest.mark.parametrize("metric", ["accuracy", "prediction_loss", "hidden_states_loss"])
def test_each_phase_chooses_its_best_model_by_what_it_evaluates(build_trainer, build_rows, metric):
    """Prevents a failure at the first evaluation of the other phase, and a choice by an untrained head."""
    settings = {"load_best_model_at_end": True, "eval_strategy": "epoch", "save_strategy": "epoch"}
    trainer = build_trainer(
        {**settings, "metric_for_best_model": metric, "greater_is_better": metric == "accuracy"},
        eval_dataset=build_rows(4),
        compute_metrics=accuracy_from_logits,
    )
    trainer.train()
    assert trainer.state.best_metric is not None
    assert trainer.args.metric_for_best_model == metric


@pytest.mark.parametrize("metric", ["news_accuracy", "eval_news_prediction_loss"])
def test_of_several_evaluation_sets_each_phase_takes_a_figure_of_the_same(build_trainer, build_rows, metric):
    """Prevents a run that ends at the first evaluation of its first phase: there is no loss of all sets together."""
    settings = {"load_best_model_at_end": True, "eval_strategy": "epoch", "save_strategy": "epoch"}
    trainer = build_trainer(
        {**settings, "metric_for_best_model": metric, "greater_is_better": metric == "news_accuracy"},
        eval_dataset={"news": build_rows(4), "new": build_rows(3)},
        compute_metrics=accuracy_from_logits,
    )
    args, first = trainer.args, trainer.args.phase_settings()[0]
    with phase_arguments(args, first, trainer._tasks, ("news", "new")):
        assert (args.metric_for_best_model, args.greater_is_better) == ("news_loss", False)
    trainer.train()
    key = f"eval_{metric.removeprefix('eval_')}"
    (logged,) = [logs[key] for logs in trainer.state.log_history if key in logs]
    assert trainer.state.best_metric == logged


@pytest.mark.parametrize(
    ("metric", "sets", "why"),
    [
        ("loss", {"a", "b"}, "expected a `metric_for_best_model` of one of the evaluation sets"),
        ("a_f1", {"a", "b"}, "expected a `metric_for_best_model` of .*`compute_metrics`"),
        ("accuracy", set(), "expected a `metric_for_best_model` of .*`compute_metrics`"),
    ],
)
def test_a_metric_that_no_evaluation_gives_is_refused(build_trainer, build_rows, metric, sets, why):
    """Prevents an error at the first evaluation, when the phases before it have been trained."""
    settings = {"eval_strategy": "epoch", "save_strategy": "best", "metric_for_best_model": metric}
    rows = {name: build_rows(3) for name in sorted(sets)} or build_rows(3)
    trainer = build_trainer(settings, eval_dataset=rows)
    with pytest.raises(ValueError, match=why):
        trainer.train()
    assert trainer.state.global_step == 0
    trainer.args.metric_for_best_model = "a_prediction_loss" if sets else "prediction_loss"
    trainer.train()


def test_a_loss_whose_temperature_moves_is_warned_of_as_the_measure_of_the_best_model(
    build_trainer, build_rows, caplog
):
    """Prevents a lower temperature from being taken for a better student."""
    settings = {"phases": ["joint"], "eval_strategy": "epoch", "save_strategy": "best", "temperature": [8, 1]}
    for metric, warned in (("hidden_states_loss", False), ("prediction_loss", True), ("loss", True)):
        caplog.clear()
        trainer = build_trainer({**settings, "metric_for_best_model": metric}, eval_dataset=build_rows(3))
        trainer._check_evaluations()
        assert ("the temperature moves" in caplog.text) is warned


def test_a_loss_whose_weights_move_is_warned_of_as_the_measure_of_the_best_model(build_trainer, build_rows, caplog):
    """Prevents a term that fades from making every later model the best one, whatever it has learned."""
    settings = {"phases": ["joint"], "eval_strategy": "epoch", "save_strategy": "best", "max_steps": 1}
    moving = {**settings, "loss_weights": {"prediction_loss": [1, 0]}}
    for metric, warned in (("prediction_loss", False), ("loss", True)):
        trainer = build_trainer({**moving, "metric_for_best_model": metric}, eval_dataset=build_rows(3))
        trainer._check_evaluations()
        assert ("the weights of `prediction_loss` move" in caplog.text) is warned
    caplog.clear()
    build_trainer({**settings, "metric_for_best_model": "loss"}, eval_dataset=build_rows(3))._check_evaluations()
    assert not caplog.text
