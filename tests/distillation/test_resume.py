import json
import shutil
from dataclasses import fields

import pytest
import torch
from transformers import TrainerCallback

from hf_tinybert.distillation.record import RECORD_FILE, DistillationRecord
from hf_tinybert.distillation.resume import (
    finished_step,
    forget_finished,
    mark_finished,
    resume_point,
    seconds_until,
    warn_of_earlier_run,
    warn_of_other_run,
)
from hf_tinybert.distillation.terms import Phase

FIRST, SECOND = Phase.INTERMEDIATE, Phase.PREDICTION


@pytest.fixture
def folders(tmp_path):
    return {phase: tmp_path / phase for phase in (FIRST, SECOND)}


def _checkpoint(folder, step, record=None, whole=True):
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    if whole:
        (checkpoint / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    if record is not None:
        (checkpoint / RECORD_FILE).write_text(json.dumps(record))
    return checkpoint


@pytest.mark.parametrize("asked", [None, False])
def test_a_new_run_starts_at_the_first_phase(folders, asked):
    """Prevents a run from going on where it was told to start anew."""
    _checkpoint(folders[SECOND], 4)
    assert resume_point(asked, folders) == (FIRST, None)


def test_the_last_whole_checkpoint_of_the_last_phase_begun_is_found(folders):
    """Prevents steps from being repeated, and a checkpoint whose writer was killed from being taken."""
    early = _checkpoint(folders[FIRST], 2)
    assert resume_point(True, folders) == (FIRST, early)
    _checkpoint(folders[FIRST], 4, whole=False)
    assert resume_point(True, folders) == (FIRST, early)
    late = _checkpoint(folders[SECOND], 1)
    assert resume_point(True, folders) == (SECOND, late)


def test_nothing_to_resume_from_is_said(folders):
    """Prevents a run that was meant to go on from starting anew."""
    with pytest.raises(ValueError, match="nothing to resume from"):
        resume_point(True, folders)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        resume_point(str(folders[FIRST] / "checkpoint-9"), folders)


def test_a_checkpoint_of_another_runs_phase_is_refused(folders, build_trainer, tmp_path):
    """Prevents the projections and optimizer of one objective from being taken for those of another."""
    trainer = build_trainer({"phases": ["joint"], "max_steps": 1, "save_strategy": "steps", "save_steps": 1})
    trainer.train()
    checkpoint = next((tmp_path / "run").glob("checkpoint-1"))
    assert resume_point(str(checkpoint), {Phase.JOINT: tmp_path / "run"}) == (Phase.JOINT, checkpoint)
    with pytest.raises(
        ValueError, match="expected a checkpoint of intermediate-layer, prediction-layer, got one of joint"
    ):
        resume_point(str(checkpoint), folders)


@pytest.mark.parametrize(
    ("told", "by_phase"),
    [({FIRST: 4.0, SECOND: 1.5}, {FIRST: 4.0, SECOND: 1.5}), ({}, {SECOND: 5.5})],
    ids=["new", "old"],
)
def test_a_checkpoint_tells_the_seconds_of_all_calls_until_it(folders, told, by_phase):
    """Prevents a run that was begun with an earlier version, or goes on from strange weights, from being refused."""
    record = {field.name: None for field in fields(DistillationRecord)} | {"phase": SECOND, "seconds": 5.5}
    assert seconds_until(_checkpoint(folders[SECOND], 4, {**record, "phase_seconds": told})) == by_phase
    assert seconds_until(_checkpoint(folders[SECOND], 6)) == {}


def test_the_end_of_a_phase_is_noted_and_forgotten(tmp_path):
    """Prevents a phase that early stopping has ended from being trained on after a kill."""
    assert finished_step(tmp_path / "phase") is None
    mark_finished(tmp_path / "phase", 7)
    assert finished_step(tmp_path / "phase") == 7
    forget_finished(tmp_path / "phase")
    assert finished_step(tmp_path / "phase") is None


def test_checkpoints_of_an_earlier_run_are_warned_of(folders, caplog):
    """Prevents a resumed run from silently going on with another run's second phase."""
    warn_of_earlier_run(folders)
    assert not caplog.records
    _checkpoint(folders[SECOND], 4)
    warn_of_earlier_run(folders)
    assert "checkpoints of an earlier run" in caplog.text


def test_what_decides_the_loss_otherwise_than_in_the_checkpoint_is_warned_of(folders, caplog):
    """Prevents a resumed run that trains on some rows twice and on others never, or to other targets, unsaid."""
    sampling = {"strategy": "proportional", "temperature": 2.0, "last_exponent": 0.2}
    told = {"teacher": "t", "teacher_class": "T", "teacher_sha256": "0", "student_class": "S", "layer_mapping": [0]}
    told |= {"learned_mapping": None, "recipe": None, "phases": [SECOND], "phase": SECOND, "global_step": 4, "seed": 0}
    told |= {"loss_weights": {}, "loss_layers": {}, "temperature": 1.0, "loss_reduction": "mean", "metrics": {}}
    told |= {"seconds": 1.0, "versions": {}, "task_sampling": sampling}
    checkpoint = _checkpoint(folders[SECOND], 4, told)
    warn_of_other_run(checkpoint, DistillationRecord(**told))
    assert not caplog.records
    warn_of_other_run(
        checkpoint, DistillationRecord(**{**told, "task_sampling": {**sampling, "strategy": "annealed"}})
    )
    assert "task sampling" in caplog.text and "annealed" in caplog.text
    caplog.clear()
    for name, was, now in (
        ("label_smoothing", 0.0, 0.1),
        ("relation_heads", 0, 12),
        ("tasks", {"a": {"layer_mapping": [0, 2]}}, {"a": {"layer_mapping": [0, 1]}}),
        ("tasks", {"a": {"learned_mapping": None}}, {"a": {"learned_mapping": {"strategy": "attention"}}}),
    ):
        checkpoint = _checkpoint(folders[SECOND], 5 + len(caplog.records), {**told, name: was})
        warn_of_other_run(checkpoint, DistillationRecord(**{**told, name: was}))
        warn_of_other_run(checkpoint, DistillationRecord(**{**told, name: now}))
        wanted = "layer mapping" if name == "tasks" else name.replace("_", " ")
        assert wanted in caplog.records[-1].getMessage()
    assert len(caplog.records) == 4
    before_there_was_such_a_field = _checkpoint(folders[SECOND], 20, told)
    warn_of_other_run(before_there_was_such_a_field, DistillationRecord(**told, label_smoothing=0.1, relation_heads=2))
    assert len(caplog.records) == 4


class _StopAfter(TrainerCallback):
    def __init__(self, steps):
        self.steps = steps

    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step >= self.steps


def test_a_phase_that_was_stopped_early_is_not_trained_on_after_a_resume(build_trainer, build_student, tmp_path):
    """Prevents a run killed between its phases from training the first one to the end that it had left out."""
    settings = {"intermediate_max_steps": 6, "max_steps": 2, "save_strategy": "steps", "save_steps": 1}
    first = build_trainer(settings, model=build_student(), callbacks=[_StopAfter(2)])
    first.train()
    shutil.rmtree(tmp_path / "run" / "prediction-layer")
    second = build_trainer(settings, model=build_student())
    second.train(resume_from_checkpoint=True)
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], tensor)
