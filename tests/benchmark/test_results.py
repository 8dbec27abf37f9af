"""Tests of the file of measurements."""

import pytest

from hf_tinybert.benchmark.results import public_name, read_runs, write_runs

RUNS = [{"settings": {"seed": 0}, "machine": {"cores": 2}, "summary": {}}]


def test_what_is_written_is_read(tmp_path):
    """Prevents measurements from being made again, or half a file from being left behind."""
    file = tmp_path / "results" / "speed.json"
    assert read_runs(file) == read_runs(None) == []
    write_runs(file, RUNS)
    write_runs(None, RUNS)
    assert read_runs(file) == RUNS and [one.name for one in file.parent.iterdir()] == ["speed.json"]


@pytest.mark.parametrize("content", ["mine", "{}", '{"runs": [{}]}', "[1]"])
def test_another_file_is_refused(content, tmp_path):
    """Prevents a file of yours from being overwritten."""
    (tmp_path / "mine.json").write_text(content)
    with pytest.raises(ValueError, match="nothing of yours is overwritten"):
        read_runs(tmp_path / "mine.json")


def test_paths_of_a_machine_are_not_written(tmp_path):
    """Prevents the folders of a machine from standing in published results."""
    assert public_name(str(tmp_path)) == tmp_path.name
    assert public_name("user/model") == "user/model" and public_name(None) is None
