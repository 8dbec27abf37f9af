"""Tests of what a run knows of its phases."""

import itertools
import json
from dataclasses import fields
from types import SimpleNamespace

import pytest

from hf_tinybert.distillation import run_phases
from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.distillation.run_phases import RunPhases
from hf_tinybert.distillation.terms import Phase

FIRST, SECOND = Phase.INTERMEDIATE, Phase.PREDICTION


@pytest.fixture
def phases(build_arguments) -> RunPhases:
    """Of a run of two phases that has not begun."""
    return RunPhases(build_arguments())


def _checkpoint(folder, step):
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    (checkpoint / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    return checkpoint


def test_each_of_several_phases_has_a_folder_and_a_single_one_has_that_of_the_run(phases, build_arguments, tmp_path):
    """Prevents checkpoints of one phase from being taken for those of another."""
    assert phases.folder(SECOND) == tmp_path / "run" / SECOND
    assert phases.folder(SECOND, tmp_path / "trial") == tmp_path / "trial" / SECOND
    assert RunPhases(build_arguments(phases=["joint"])).folder(Phase.JOINT) == tmp_path / "run"


def test_phases_that_are_done_are_not_left(phases, caplog):
    """Prevents a resumed run from training its first phase again, or a new one from leaving it out."""
    settings, checkpoint = phases.left(None)
    assert [one.phase for one in settings] == [FIRST, SECOND] and checkpoint is None
    written = _checkpoint(phases.folder(SECOND), 3)
    settings, checkpoint = phases.left(True)
    assert [one.phase for one in settings] == [SECOND] and checkpoint == written
    assert not caplog.records
    assert [one.phase for one in phases.left(None)[0]] == [FIRST, SECOND]
    assert "checkpoints of an earlier run" in caplog.text


def test_a_phase_that_stopped_early_is_over_when_it_is_resumed_and_not_when_it_begins_anew(phases):
    """Prevents steps after early stopping, and a phase of a new run that is over before its first step."""
    phases.enter(FIRST, [])
    phases.note_early_end(4, 9)
    with phases.training(resumed=True):
        assert not phases.is_over(3, 9) and phases.is_over(4, 9)
    with phases.training(resumed=False):
        assert not phases.is_over(4, 9) and phases.is_over(9, 9)
    with phases.training(resumed=True):
        assert not phases.is_over(4, 9)


@pytest.mark.parametrize(("phase", "step"), [(FIRST, 9), (SECOND, 4)])
def test_an_end_that_needs_no_note_leaves_none(phases, phase, step):
    """Prevents the last phase of a run that is told to train longer from being over at the step it stopped at."""
    phases.enter(phase, [])
    phases.note_early_end(step, 9)
    assert not phases.folder(phase).exists()


def test_seconds_are_those_of_each_phase_also_of_one_that_fails(phases, monkeypatch):
    """Prevents a cost that leaves out the running phase, or counts what lies between two."""
    ticks = itertools.count()
    monkeypatch.setattr(run_phases, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    phases.enter(FIRST, [])
    with phases.training(resumed=False):
        assert phases.seconds_so_far() == {FIRST: 1.0}
    next(ticks)
    phases.enter(SECOND, [])
    with pytest.raises(KeyboardInterrupt), phases.training(resumed=False):
        raise KeyboardInterrupt
    assert phases.seconds == phases.seconds_so_far() == {FIRST: 2.0, SECOND: 1.0}


def test_a_resumed_run_counts_the_seconds_until_its_checkpoint_once(phases, monkeypatch):
    """Prevents the cost of the last call alone, and seconds after the checkpoint from being counted twice."""
    ticks = itertools.count()
    monkeypatch.setattr(run_phases, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    written = _checkpoint(phases.folder(SECOND), 3)
    told = {field.name: None for field in fields(DistillationRecord)}
    told |= {"phase": str(SECOND), "seconds": 12.0, "phase_seconds": {str(FIRST): 10.0, str(SECOND): 2.0}}
    DistillationRecord(**told).save(written)
    for _ in range(2):  # a second try in the same process
        phases.left(True)
        phases.enter(SECOND, [])
        with phases.training(resumed=True):
            assert phases.seconds_so_far() == {FIRST: 10.0, SECOND: 3.0}
        assert phases.seconds == {FIRST: 10.0, SECOND: 4.0}
        assert phases.earlier_seconds == {FIRST: 10.0, SECOND: 2.0}
    phases.left(None)
    assert phases.seconds == phases.earlier_seconds == {}
