"""Tests of what interrupted calls of a general distillation leave for its figures."""

from dataclasses import fields, replace

import pytest

from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.run_folder import RunFolder
from hf_tinybert.workflow.earlier_calls import EarlierCalls

RECORD = DistillationRecord(**{field.name: None for field in fields(DistillationRecord)})


@pytest.fixture
def folder(tmp_path):
    """Opens the folder of the run as a new call does."""
    return lambda: RunFolder(tmp_path / "run", {"seed": 1})


@pytest.fixture
def checkpoint(tmp_path):
    """`checkpoint(step, seconds)`: the folder of a checkpoint, written by a call after these seconds of its own."""

    def write(step, seconds):
        path = tmp_path / "run" / f"checkpoint-{step}"
        path.mkdir()
        replace(RECORD, global_step=step, seconds=seconds).save(path)
        return path

    return write


def test_the_terms_before_the_first_step_are_those_of_the_first_call(folder):
    """Prevents a student that was trained for hours from being told as the one before its first step."""
    assert EarlierCalls(folder(), None, leads=True).terms_before(lambda: {"loss": 2.0}) == {"loss": 2.0}
    again = EarlierCalls(folder(), None, leads=True)
    assert again.terms_before(lambda: pytest.fail("evaluated again")) == {"loss": 2.0}


def test_the_seconds_of_all_calls_up_to_the_checkpoint_are_counted_once(folder, checkpoint):
    """Prevents the steps of all calls from being divided by the seconds of the last one, or of some counted twice."""
    assert EarlierCalls(folder(), None, leads=True).seconds() == 0.0
    third = checkpoint(3, 30.0)
    assert EarlierCalls(folder(), third, leads=True).seconds() == 30.0
    # a call that was interrupted before it wrote a checkpoint leaves nothing
    assert EarlierCalls(folder(), third, leads=True).seconds() == 30.0
    assert EarlierCalls(folder(), checkpoint(6, 20.0), leads=True).seconds() == 50.0


def test_a_process_that_does_not_lead_writes_nothing(folder, checkpoint):
    """Prevents two processes from writing one file, of which the second undoes what the first wrote."""
    folder()
    follows = EarlierCalls(folder(), checkpoint(3, 30.0), leads=False)
    assert follows.terms_before(lambda: {"loss": 2.0}) == {"loss": 2.0} and follows.seconds() == 30.0
    opened = folder()
    assert opened.finished("before") is None and opened.finished("resumed") is None
