"""Tests of what a multi-task folder tells of its tasks."""

import importlib.util
import json
from pathlib import Path

from hf_tinybert.data.task_sampling import TaskSampling
from hf_tinybert.distillation.multitask.pairing import pair_tasks
from hf_tinybert.distillation.multitask.record import told_of_tasks
from hf_tinybert.distillation.task_distillation import TaskDistillation

_SPEC = importlib.util.spec_from_file_location("multitask_setup", Path(__file__).with_name("multitask_setup.py"))
tiny = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tiny)


def test_every_task_tells_its_teacher_mapping_and_weights(build_arguments):
    """Prevents one teacher's name from standing for all, and a task without one from having it."""
    student = tiny.student(("mood", "ner"))
    tasks = {"mood": tiny.task("mood"), "ner": tiny.task("ner", taught=False)}
    paired = pair_tasks(student, build_arguments(layer_mapping="first"), tasks)
    running = {
        name: TaskDistillation(
            student, one.objectives, one.pair and one.pair.teacher_outputs(one.pair.teacher), predicts_vocabulary=False
        )
        for name, one in paired.items()
    }
    for one in running.values():
        one.enter("intermediate-layer")
    told = told_of_tasks(paired, running, {"mood": "BertForX"}, {"mood": "00ff"}, TaskSampling("annealed"))
    assert told["tasks"]["mood"] == {
        "teacher": "",
        "teacher_class": "BertForX",
        "teacher_sha256": "00ff",
        "layer_mapping": [0, 1, 2],
        "learned_mapping": None,
        "loss_weights": {"embedding_loss": 1.0, "hidden_states_loss": 1.0, "attention_scores_loss": 1.0},
    }
    assert told["tasks"]["ner"]["teacher"] is None and told["tasks"]["ner"]["loss_weights"] == {}
    assert set(told["loss_weights"]) == {f"mood/{term}" for term in told["tasks"]["mood"]["loss_weights"]}
    assert told["task_sampling"] == {"strategy": "annealed", "temperature": 2.0, "last_exponent": 0.2}
    json.dumps(told)
