"""Tests of the layer mapping of a run beside the one that its student was built by."""

from types import SimpleNamespace

import pytest

from hf_tinybert.distillation.start_mapping import mapping_of_run
from tests.distillation.test_record import RECORD


def test_a_searched_mapping_is_that_of_the_start(tmp_path):
    """Prevents a student that starts from the layers which were found and imitates others."""
    assert mapping_of_run("search", (2, 4), SimpleNamespace(mapping=(0, 1, 4))) == (0, 1, 4)
    RECORD.save(tmp_path)
    assert mapping_of_run("search", (4, 12), tmp_path) == (0, 3, 6, 9, 12)
    assert mapping_of_run("search", (4, 12), str(tmp_path)) == (0, 3, 6, 9, 12)


def test_a_searched_mapping_of_a_task_is_its_own(tmp_path):
    """Prevents a task of a multi-task student from imitating the layers of another one's teacher."""
    tasks = {"news": {"layer_mapping": [0, 1, 2]}, "things": {"layer_mapping": [0, 2, 4]}}
    type(RECORD)(**{**RECORD.__dict__, "layer_mapping": [], "tasks": tasks}).save(tmp_path)
    assert mapping_of_run("search", (2, 4), tmp_path, task="things") == (0, 2, 4)


def test_a_search_without_a_start_is_refused(tmp_path):
    """Prevents a mapping that was asked for from becoming the uniform one without a word."""
    for start, told in ((None, "none"), (tmp_path, f"`{tmp_path}` without `distillation.json`")):
        with pytest.raises(ValueError, match=f"with `layer_mapping` search, got {told}; because"):
            mapping_of_run("search", (2, 4), start)


def test_other_mappings_are_resolved_whatever_the_start(caplog):
    """Prevents a start that overrules what the run was told to imitate, or that does so without a word."""
    assert mapping_of_run("uniform", (2, 4), None) == (0, 2, 4)
    assert mapping_of_run("1,3", (2, 4), SimpleNamespace(mapping=(0, 1, 3))) == (0, 1, 3)
    assert not caplog.messages
    assert mapping_of_run("last", (2, 4), SimpleNamespace(mapping=(0, 2, 4))) == (0, 3, 4)
    assert "initialised by the layer mapping (0, 2, 4) and imitates (0, 3, 4)" in caplog.text
