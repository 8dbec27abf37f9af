import json

import pytest

from hf_tinybert.distillation.objective import Phase
from hf_tinybert.distillation.record import RECORD_FILE
from hf_tinybert.distillation.resume import resume_point

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
