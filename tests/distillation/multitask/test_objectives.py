"""Tests of what is learned of a task, by what there is to learn from."""

import importlib.util
from pathlib import Path

import pytest

from hf_tinybert.distillation.multitask.objectives import DistillationTask, task_objectives
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.terms import Phase, Term

_SPEC = importlib.util.spec_from_file_location("multitask_setup", Path(__file__).with_name("multitask_setup.py"))
tiny = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tiny)

ANNEALING = {"prediction_loss": [1, 0], "label_loss": [0, 1]}


@pytest.fixture
def weights(build_arguments):
    """`weights(name, task, has_teacher, **arguments)`: every phase's weights as text."""
    student = tiny.student(("mood", "words", "stars"))

    def build(name, task, has_teacher=True, **arguments):
        view = student.for_task(name)
        objectives = task_objectives(build_arguments(**arguments), view, name, task, has_teacher=has_teacher)
        return {
            str(phase): {str(term): str(weight) for term, weight in one.weights.items()}
            for phase, one in objectives.items()
        }

    return build


def _task(name, **fields):
    return DistillationTask(**{"train_dataset": tiny.rows(name), **fields})


def test_a_task_with_teacher_and_labels_learns_what_the_arguments_say(weights):
    """Prevents teacher annealing that a second task switches off."""
    assert weights("mood", _task("mood"), loss_weights=ANNEALING)["prediction-layer"] == {
        "prediction_loss": "1 to 0, linear",
        "label_loss": "0 to 1, linear",
    }
    assert set(weights("stars", _task("stars"))["prediction-layer"]) == {"regression_prediction_loss"}


def test_a_task_without_labels_keeps_its_teacher_to_the_end(weights):
    """Prevents a task that learns nothing any more once the teacher's weight has gone to 0."""
    unlabelled = _task("mood", train_dataset=tiny.rows("mood", labels=False))
    assert weights("mood", unlabelled, loss_weights=ANNEALING)["prediction-layer"] == {"prediction_loss": "1"}
    moving = {"prediction_loss": [1, 0.5]}  # nothing was to take over: left as it was set
    assert weights("mood", unlabelled, loss_weights=moving)["prediction-layer"] == {
        "prediction_loss": "1 to 0.5, linear"
    }


def test_a_probability_shift_needs_labels_of_classes_in_every_task_that_has_a_teacher(weights, build_arguments):
    """Prevents a setting of all tasks that one of them ignores in silence."""
    bare = _task("mood", train_dataset=tiny.rows("mood", labels=False))
    with pytest.raises(ValueError, match="expected labels of the task `mood` for `probability_shift`, got"):
        weights("mood", bare, probability_shift=True)
    with pytest.raises(ValueError, match="task `stars`: expected `probability_shift` with classes .*got `regression`"):
        weights("stars", _task("stars"), probability_shift=True)
    student = tiny.student(("mood", "stars"))
    arguments = build_arguments(probability_shift=True)
    shifted = task_objectives(arguments, student.for_task("mood"), "mood", _task("mood"), has_teacher=True)
    assert [one.shifts_predictions for one in shifted.values()] == [False, True]
    untaught = task_objectives(arguments, student.for_task("stars"), "stars", _task("stars"), has_teacher=False)
    assert not any(one.shifts_predictions for one in untaught.values())


def test_a_task_without_teacher_learns_its_labels_and_sits_out_the_first_phase(weights):
    """Prevents labels that count for nothing at first because another task's teacher is annealed."""
    assert weights("mood", _task("mood"), has_teacher=False, loss_weights=ANNEALING) == {
        "prediction-layer": {"label_loss": "1"}
    }
    assert weights("words", _task("words"), has_teacher=False) == {"prediction-layer": {"masked_lm_loss": "1"}}


def test_weights_and_objectives_of_ones_own_come_first(weights):
    """Prevents a task's own choice from being overruled by the arguments for all."""
    own = weights("mood", _task("mood", loss_weights={"embedding_loss": 0, "prediction_loss": 2}))
    assert own["prediction-layer"] == {"prediction_loss": "2"}
    assert "embedding_loss" not in own["intermediate-layer"]
    objectives = {Phase.JOINT: DistillationObjective({Term.LOGITS_MSE: 1.0})}
    assert weights("mood", _task("mood", objectives=objectives)) == {"joint": {"logits_mse_loss": "1"}}


def test_a_task_with_nothing_to_learn_from_is_refused(weights):
    """Prevents a head that stays at random without a word."""
    unlabelled = _task("mood", train_dataset=tiny.rows("mood", labels=False))
    with pytest.raises(ValueError, match="expected a teacher or labels for the task `mood`, got neither"):
        weights("mood", unlabelled, has_teacher=False)
    with pytest.raises(ValueError, match="a term that the task `mood` can learn .* no teacher"):
        weights("mood", _task("mood"), has_teacher=False, phases=["intermediate-layer"])
    labels_alone = {"prediction_loss": 0, "label_loss": 1}
    with pytest.raises(ValueError, match="a term that the task `mood` can learn .* no labels"):
        weights("mood", unlabelled, loss_weights=labels_alone)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"train_dataset": [{"input_ids": [1]}]}, "as a `datasets.Dataset`, got `list`"),
        ({"loss_weights": {"prediction": 1}}, "expected `loss_weights` for .*, got prediction"),
        ({"full_score": 0}, "positive `full_score`, got 0"),
        (
            {
                "objectives": {Phase.JOINT: DistillationObjective({Term.PREDICTION: 1.0})},
                "loss_weights": {"prediction_loss": 2},
            },
            "expected no `loss_weights` of a task with `objectives`, got both",
        ),
    ],
)
def test_what_no_task_can_be_is_refused(fields, message):
    """Prevents a typing error from being found after the first task has trained for hours."""
    with pytest.raises(ValueError, match=message):
        _task("mood", **fields)
