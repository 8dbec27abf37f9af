"""Tests of reading what a report found."""

import json

import pytest

from hf_tinybert.hub.kept_comparisons import COMPARISON_FILE, KeptComparisons, read_comparisons
from hf_tinybert.models.checkpoint_folder import weight_files_sha256


@pytest.fixture
def folder(tmp_path):
    """Of a student, as far as comparisons are concerned."""
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


@pytest.fixture
def own(folder):
    """What every comparison of the folder's weights has."""
    return {"split": "validation", "fingerprints": {"student": weight_files_sha256(folder)}}


def _read(folder, content):
    (folder / COMPARISON_FILE).write_text(json.dumps(content))
    return read_comparisons(folder)


def test_one_task_several_and_one_of_several_are_read(folder, own):
    """Prevents what was found from being lost with the form that it was written in."""
    assert read_comparisons(folder) == KeptComparisons()
    assert dict(_read(folder, own).of_tasks) == {None: own}
    assert dict(_read(folder, {"tasks": {"news": own, "things": own}}).of_tasks) == {"news": own, "things": own}
    old = {**own, "task": "news"}
    assert dict(_read(folder, old).of_tasks) == {"news": old}


def test_what_is_of_other_weights_or_does_not_tell_is_left_out(folder, own):
    """Prevents findings about one student from being told of another that was trained into its folder."""
    other, silent = {**own, "fingerprints": {"student": "ab"}}, {"split": "test"}
    kept = _read(folder, {"tasks": {"news": own, "things": other, "words": silent}})
    assert set(kept.of_tasks) == {"news"} and kept.outdated == {"things", "words"}
    assert _read(folder, other) == KeptComparisons(outdated=frozenset({None}))
    (folder / "model.safetensors").write_bytes(b"weightz")
    assert _read(folder, {"tasks": {"news": own}}) == KeptComparisons(outdated=frozenset({"news"}))


@pytest.mark.parametrize("content", [{}, {"tasks": []}, {"tasks": {"news": 3}}, {"fingerprints": "ab"}])
def test_other_content_holds_nothing(folder, content):
    """Prevents a card and a report that fail for the sake of a file that can be made anew."""
    assert _read(folder, content).of_tasks == {}


def test_a_damaged_file_is_named(folder):
    """Prevents an error that does not say which file to throw away."""
    (folder / COMPARISON_FILE).write_text("{")
    with pytest.raises(ValueError, match=COMPARISON_FILE):
        read_comparisons(folder)
