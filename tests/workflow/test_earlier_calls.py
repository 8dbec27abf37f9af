"""Tests of what interrupted calls of a general distillation leave for its figures."""

import pytest

from hf_tinybert.run_folder import RunFolder
from hf_tinybert.workflow.earlier_calls import terms_before


@pytest.fixture
def folder(tmp_path):
    """Opens the folder of the run as a new call does."""
    return lambda: RunFolder(tmp_path / "run", {"seed": 1})


def test_the_terms_before_the_first_step_are_those_of_the_first_call(folder):
    """Prevents a student that was trained for hours from being told as the one before its first step."""
    assert terms_before(folder(), lambda: {"loss": 2.0}, leads=True) == {"loss": 2.0}
    assert terms_before(folder(), lambda: pytest.fail("evaluated again"), leads=True) == {"loss": 2.0}


def test_a_process_that_does_not_lead_writes_nothing(folder):
    """Prevents two processes from writing one file, of which the second undoes what the first wrote."""
    folder()
    assert terms_before(folder(), lambda: {"loss": 2.0}, leads=False) == {"loss": 2.0}
    assert folder().finished("before") is None
