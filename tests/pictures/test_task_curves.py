"""Tests of what of the curves of several tasks is one task's."""

from hf_tinybert.pictures import CurvePanel, curve_panels, figures_of_task, loss_curves, overview_panels

FIGURES = {
    "tasks": {
        "a": {"main_metric": "accuracy", "scores": {"validation": {"teacher": {"accuracy": 0.9}}}},
        "a_b": {"main_metric": "f1", "scores": {}},
    },
    "epochs": [{"epoch": 1.0, "a_accuracy": 0.5, "a_b_f1": 0.25, "mean_score": 0.4}],
    "curves": {
        "joint": {
            "training": [
                {"epoch": 0.5, "a/prediction_loss": 4.0, "a/loss": 5.0},
                {"epoch": 0.6, "a_b/label_loss": 3.0},
            ],
            "evaluation": [{"epoch": 1.0, "loss": 9.0, "a_prediction_loss": 2.0, "a_loss": 2.5, "a_b_loss": 7.0}],
        }
    },
}


def test_each_task_has_its_own_metric_and_terms():
    """Prevents a term on training rows and the same one on validation rows in two panels, as their names differ."""
    assert curve_panels(figures_of_task(FIGURES, "a")) == [
        CurvePanel("accuracy on validation rows", [], [(1.0, 0.5)], 0.9, from_zero=False),
        CurvePanel("prediction", [(0.5, 4.0)], [(1.0, 2.0)]),
    ]


def test_a_name_that_begins_with_another_ones_is_not_its_own():
    """Prevents the loss of `a_b` from being drawn as the term `b_loss` of `a`."""
    rows = figures_of_task(FIGURES, "a")["curves"]["joint"]
    assert rows["evaluation"] == [{"epoch": 1.0, "prediction_loss": 2.0, "loss": 2.5}]
    assert figures_of_task(FIGURES, "a_b")["curves"]["joint"] == {
        "training": [{"epoch": 0.6, "label_loss": 3.0}],
        "evaluation": [{"epoch": 1.0, "loss": 7.0}],
    }


def test_a_phase_without_a_task_has_no_curve_of_it():
    """Prevents empty panels of a task that nobody teaches, in the phase of hidden states."""
    curves = {"intermediate-layer": {"evaluation": [{"epoch": 1.0, "a_loss": 1.0}]}}
    assert figures_of_task({**FIGURES, "curves": curves}, "a_b")["curves"] == {}


def test_all_tasks_together_have_their_metrics_and_whole_losses():
    """Prevents a card with fifty small pictures."""
    assert [(panel.title, panel.training) for panel in overview_panels(FIGURES)] == [
        ("a\naccuracy on validation rows", []),
        ("a\nloss", [(0.5, 5.0)]),
        ("a_b\nf1 on validation rows", []),
        ("a_b\nloss", []),
    ]
    assert loss_curves(overview_panels(FIGURES)).description.startswith("a: accuracy on validation rows by epoch")
