"""Tests of a folder that a refused run gives back."""

import pytest

from hf_tinybert.run_folder import RunFolder, claim_folder
from hf_tinybert.workflow.refused_run import given_back_if_refused


def _refused(folder, display, error=ValueError):
    (folder.path / "answers.json.gz").write_text("of the teacher")
    (folder.path / ".checkpoints").mkdir(exist_ok=True)
    with pytest.raises(error), given_back_if_refused(folder, display, leads=True):
        raise error("refused")


def test_a_run_that_is_refused_before_training_leaves_no_folder(tmp_path, display):
    """Prevents a typing error from taking the folder: the command that mends it was told that it is another run."""
    with claim_folder(tmp_path / "out", {"layers": 8}, leads=True) as folder:
        _refused(folder, display)
    assert not (tmp_path / "out").exists()
    assert RunFolder(tmp_path / "out", {"layers": 2}).is_new


def test_a_folder_that_was_there_stays_with_what_others_put_in_it(tmp_path, display):
    """Prevents a refusal from deleting what the run has not written."""
    folder = RunFolder(tmp_path, {"layers": 8})
    (tmp_path / "notes.txt").write_text("mine")
    _refused(folder, display)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("case", ["trained", "of an earlier call", "interrupted"])
def test_what_has_learnt_something_is_kept(case, tmp_path, display):
    """Prevents hours of training from going with an error that comes after them, or before they go on."""
    folder = RunFolder(tmp_path / "out", {"layers": 2})
    if case == "of an earlier call":
        folder = RunFolder(tmp_path / "out", {"layers": 2})
    display.training_has_begun = case == "trained"
    _refused(folder, display, KeyboardInterrupt if case == "interrupted" else ValueError)
    assert sorted(path.name for path in folder.path.iterdir()) == [".checkpoints", "answers.json.gz", "run.json"]
