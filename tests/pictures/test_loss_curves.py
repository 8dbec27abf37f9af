"""Tests of the curves of a training."""

from hf_tinybert.pictures.loss_curves import CurvePanel, curve_panels, loss_curve, loss_curves

FIGURES = {
    "main_metric": "accuracy",
    "scores": {"validation": {"student": {"accuracy": 0.8}, "teacher": {"accuracy": 0.9}}},
    "epochs": [{"epoch": 1.0, "accuracy": 0.7, "loss": 2.0}, {"epoch": 2.0, "accuracy": 0.8, "loss": 1.0}],
}
PHASES = {
    "intermediate-layer": {"training": [{"epoch": 0.5, "hidden_states_loss": 3.0}], "evaluation": []},
    "prediction-layer": {"training": [], "evaluation": [{"epoch": 1.0, "prediction_loss": 0.5}]},
}


def test_every_term_of_every_phase_has_a_panel():
    """Prevents a phase, or the metric it was for, that is not drawn."""
    panels = curve_panels({**FIGURES, "curves": PHASES})
    assert panels == [
        CurvePanel("accuracy on validation rows", [], [(1.0, 0.7), (2.0, 0.8)], 0.9, from_zero=False),
        CurvePanel("hidden states, intermediate-layer", [(0.5, 3.0)], []),
        CurvePanel("prediction, prediction-layer", [], [(1.0, 0.5)]),
    ]


def test_older_figures_have_the_loss_of_their_epochs():
    """Prevents an empty page of a fine-tuned model, or of a run before curves were kept."""
    assert curve_panels(FIGURES)[1:] == [CurvePanel("loss", [], [(1.0, 2.0), (2.0, 1.0)])]
    assert curve_panels({}) == []


def test_a_curve_holds_its_points_and_the_teachers_line():
    """Prevents a curve of other rows, and a teacher that is not drawn."""
    picture = loss_curve(curve_panels(FIGURES)[0], "accuracy")
    own, teacher = picture.figure.axes[0].lines
    assert own.get_xydata().tolist() == [[1.0, 0.7], [2.0, 0.8]]
    assert set(teacher.get_ydata()) == {0.9}
    assert "0.7 at first, 0.8 at the end; teacher 0.9" in picture.description


def test_losses_begin_at_zero():
    """Prevents a thousandth that looks like a fall to nothing."""
    axes = loss_curve(CurvePanel("loss", [(1.0, 5.0), (2.0, 4.99)], []), "loss").figure.axes[0]
    assert axes.get_ylim()[0] == 0 and axes.get_ylim()[1] > 5


def test_a_card_has_all_panels_in_one_picture():
    """Prevents panels lost at the end of a row."""
    panels = [CurvePanel(f"term {number}", [(1.0, 1.0)], []) for number in range(4)]
    axes = loss_curves(panels).figure.axes
    assert [one.get_title(loc="left") for one in axes if one.axison] == [panel.title for panel in panels]


def test_a_metric_that_does_not_move_is_a_level_line():
    """Prevents noise in the seventh digit that fills the picture."""
    points = [(1.0, 0.30555), (2.0, 0.30556)]
    low, high = loss_curve(CurvePanel("f1", [], points, from_zero=False), "f1").figure.axes[0].get_ylim()
    assert low < 0.305 and high > 0.306 and high - low < 0.01
