"""Tests of what no multi-task run can do."""

import pytest

from hf_tinybert.distillation.multitask.run_checks import (
    check_before_teachers,
    check_best_of_tasks,
    check_figures,
    check_phases,
)
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.terms import Phase, Term
from tests.distillation.multitask import multitask_setup as tiny

TAUGHT = {
    Phase.INTERMEDIATE: DistillationObjective({Term.HIDDEN_STATES: 1.0}),
    Phase.PREDICTION: DistillationObjective({Term.PREDICTION: 1.0}),
}
FROM_LABELS = {Phase.PREDICTION: DistillationObjective({Term.LABEL: 1.0})}


def _task(name, *, evaluated=True, scored=False):
    rows = tiny.rows(name, 2)
    return tiny.task(
        name, 2, taught=False, eval_dataset=rows if evaluated else None, compute_metrics=dict if scored else None
    )


def test_a_phase_in_which_no_task_learns_is_refused(build_arguments):
    """Prevents a run of labels alone from ending in an error about tasks that it was given."""
    check_phases(build_arguments(), {"mood": FROM_LABELS, "ner": TAUGHT})
    check_phases(build_arguments(phases=["prediction-layer"]), {"mood": FROM_LABELS})
    with pytest.raises(ValueError, match="in the phase `intermediate-layer`, got `mood`, which do not"):
        check_phases(build_arguments(), {"mood": FROM_LABELS})


def test_two_figures_of_one_name_are_refused():
    """Prevents the loss of one task from being told, and kept for the best, as a term of another."""
    check_figures({}, {"ner": TAUGHT, "ner_2": TAUGHT, "prediction": TAUGHT})
    with pytest.raises(ValueError, match="got `ner_prediction_loss` twice by the tasks `ner`, `ner_prediction`"):
        check_figures({}, {"ner": TAUGHT, "ner_prediction": FROM_LABELS})


def test_the_name_of_the_mean_over_all_tasks_is_taken():
    """Prevents the `score` of a task `mean` from being told, and kept for the best, as the mean of all tasks."""
    check_figures({"mean": _task("mood")}, {"mean": TAUGHT})
    with pytest.raises(ValueError, match="would be called `mean_score`"):
        check_figures({"mean": _task("mood", scored=True)}, {"mean": TAUGHT})


def test_tasks_are_checked_as_the_trainer_will(build_arguments):
    """Prevents hours of teachers' scores before a run is refused, and one task's weights from being asked of all."""
    student, tokenizer = tiny.student(("mood", "ner")), tiny.tokenizer()
    before = {name: value.clone() for name, value in student.state_dict().items()}
    three_heads = tiny.teacher("ner", num_attention_heads=3, hidden_size=36)
    tasks = {"mood": tiny.task("mood"), "ner": tiny.task("ner", teacher=three_heads)}
    with pytest.raises(ValueError, match="task `ner`: expected numbers of attention heads"):
        check_before_teachers(student, build_arguments(), tasks, tokenizer)
    without = {"attention_scores_loss": 0.0}
    tasks["ner"] = tiny.task("ner", teacher=three_heads, loss_weights=without)
    check_before_teachers(student, build_arguments(), tasks, tokenizer)
    assert before.keys() == student.state_dict().keys() and three_heads.training
    student.bert.requires_grad_(False)
    with pytest.raises(ValueError, match="got a frozen encoder"):
        check_before_teachers(student, build_arguments(), tasks, tokenizer)
    with pytest.raises(ValueError, match="in the phase `intermediate-layer`"):
        check_before_teachers(student, build_arguments(), {"mood": tiny.task("mood", taught=False)}, tokenizer)


@pytest.mark.parametrize("metric", ["loss", "mean_score", "eval_mood_accuracy", "ner_prediction_loss", "mood_loss"])
def test_a_metric_that_evaluations_give_may_choose_the_best_model(build_arguments, metric):
    """Prevents a refusal of what works."""
    tasks = {"mood": _task("mood", scored=True), "ner": _task("ner")}
    args = build_arguments(eval_strategy="epoch", metric_for_best_model=metric)
    check_best_of_tasks(args, tasks, dict.fromkeys(tasks, TAUGHT))


@pytest.mark.parametrize("metric", ["accuracy", "ner_f1", "words_loss", "mood_label_loss"])
def test_a_metric_that_no_evaluation_gives_is_refused(build_arguments, metric):
    """Prevents a run that ends in a KeyError at its first evaluation, a whole epoch later."""
    tasks = {"mood": _task("mood"), "ner": _task("ner"), "words": _task("words", evaluated=False)}
    if metric == "accuracy":
        tasks["mood"] = _task("mood", scored=True)
    args = build_arguments(eval_strategy="epoch", metric_for_best_model=metric)
    with pytest.raises(ValueError, match=f"`mood_prediction_loss`.* got `{metric}`"):
        check_best_of_tasks(args, tasks, dict.fromkeys(tasks, TAUGHT))
    check_best_of_tasks(build_arguments(metric_for_best_model=metric), tasks, dict.fromkeys(tasks, TAUGHT))


def test_a_phase_that_evaluates_no_task_is_refused_where_it_chooses_the_best(build_arguments):
    """Prevents the first phase from ending in a KeyError where only a task without a teacher has rows to evaluate."""
    tasks = {"mood": _task("mood", evaluated=False), "ner": _task("ner")}
    objectives = {"mood": TAUGHT, "ner": FROM_LABELS}
    args = build_arguments(eval_strategy="epoch", metric_for_best_model="loss")
    with pytest.raises(ValueError, match="`eval_dataset` in the phase `intermediate-layer`, got none"):
        check_best_of_tasks(args, tasks, objectives)
    check_best_of_tasks(args, {**tasks, "mood": _task("mood")}, objectives)
