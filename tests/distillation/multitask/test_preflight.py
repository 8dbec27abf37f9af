"""Tests of the checks before a multi-task run."""

import importlib.util
from pathlib import Path

from hf_tinybert.distillation.multitask.pairing import pair_tasks
from hf_tinybert.distillation.multitask.preflight import preflight_tasks

_SPEC = importlib.util.spec_from_file_location("multitask_setup", Path(__file__).with_name("multitask_setup.py"))
tiny = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tiny)


def _report(args, tasks, **choices):
    student = tiny.student(tuple(tasks))
    paired = pair_tasks(student, args, tasks)
    collators = {name: task.collator for name, task in tasks.items()}
    defaults = {"score_rows": 0, "runs_models": True}
    return preflight_tasks(student, paired, tasks, collators, args, **{**defaults, **choices})


def test_every_task_with_a_teacher_has_checks_of_its_own(build_arguments):
    """Prevents the second task from starting unchecked, and a failure of which nobody knows the task."""
    tasks = {**tiny.tasks(("mood", "words")), "ner": tiny.task("ner", taught=False)}
    names = [check.name for check in _report(build_arguments(phases=["joint"]), tasks).checks]
    assert {"mood: weights", "words: weights", "mood: losses at step 0", "words: batch mean"} <= set(names)
    assert not [name for name in names if name.startswith("ner")]
    assert len(names) == len(set(names))


def test_first_losses_are_those_of_the_task(build_arguments):
    """Prevents a task from being checked by the head of another."""
    tasks = tiny.tasks(("mood", "stars"))
    found = {check.name: check for check in _report(build_arguments(phases=["joint"]), tasks).checks}
    assert "prediction_loss" in found["mood: losses at step 0"].found
    assert "regression_prediction_loss" in found["stars: losses at step 0"].found


def test_without_running_models_nothing_runs(build_arguments):
    """Prevents a forward of a student that a wrapper will spread over processes."""
    report = _report(build_arguments(phases=["joint"]), tiny.tasks(("mood",)), runs_models=False)
    found = {check.name: check for check in report.checks}
    assert found["mood: losses at step 0"].status == "skip"
