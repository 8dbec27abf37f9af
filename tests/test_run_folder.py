"""Tests of the output folder of a run in stages."""

import json
import subprocess
import sys
from threading import Thread

import pytest

from hf_tinybert.run_folder import RUN_FILE, RunFolder, check_free, claim_folder, wait_for_stage

_WORK = """
import sys
from pathlib import Path
from hf_tinybert.run_folder import claim_folder
with claim_folder(Path(sys.argv[1]), {"seed": 1}, leads=True):
    print("at work", flush=True)
    sys.stdin.read()
"""


def test_finished_stages_are_found_again(tmp_path):
    """Prevents a second run from repeating, or forgetting, what the first one finished."""
    first = RunFolder(tmp_path / "run", {"seed": 1})
    assert first.finished("teacher") is None
    first.finish("teacher", {"accuracy": 0.5})
    again = RunFolder(tmp_path / "run", {"seed": 1})
    assert again.finished("teacher") == {"accuracy": 0.5}
    assert again.finished("student") is None


def test_of_settings_within_settings_those_that_differ_are_told(tmp_path):
    """Prevents a page of equal settings of all tasks in which the one that was changed is not found."""
    there = {"tasks": {"news": {"data": "a.csv", "kind": "regression"}, "old": {"data": "b.csv"}}}
    RunFolder(tmp_path / "run", there)
    now = {"tasks": {"news": {"data": "a.csv", "kind": "masked-lm"}}}
    with pytest.raises(ValueError) as error:
        RunFolder(tmp_path / "run", now)
    assert "tasks.news.kind: 'regression' there, 'masked-lm' now, tasks.old: {'data'" in str(error.value)
    assert "a.csv" not in str(error.value)


def test_settings_that_decide_nothing_about_the_result_may_differ(tmp_path):
    """Prevents hours of training from being refused because the disk was full, or a check before it was left out."""
    there = {"seed": 1, "cache_dir": "full", "cache_max_gb": 10, "augment_words": {"batch_size": 8}}
    RunFolder(tmp_path / "run", {**there, "shared": {"preflight": True}, "tasks": {"preflight": {"data": "a.csv"}}})
    now = {
        "seed": 1,
        "cache_dir": "free",
        "augment_words": {"batch_size": 64},
        "tasks": {"preflight": {"data": "a.csv"}},
    }
    RunFolder(tmp_path / "run", {**now, "shared": {"preflight": False}})
    with pytest.raises(ValueError, match="got tasks.preflight: {'data': 'a.csv'} there, None now; because"):
        RunFolder(tmp_path / "run", {**now, "shared": {}, "tasks": {}})


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path):
    """Prevents writing into somebody's own folder."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="holds something else"):
        RunFolder(tmp_path, {"seed": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    """Prevents a traceback from mkdir."""
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ValueError, match="holds something else"):
        RunFolder(tmp_path / "run", {"seed": 1})


def test_other_settings_are_refused_by_name(tmp_path):
    """Prevents a table whose teacher and student were trained under different settings."""
    RunFolder(tmp_path, {"seed": 1, "max_length": 64})
    with pytest.raises(ValueError, match="seed: 1 there, 2 now"):
        RunFolder(tmp_path, {"seed": 2, "max_length": 64})


def test_an_unreadable_run_file_is_named(tmp_path):
    """Prevents a bare JSON error."""
    (tmp_path / RUN_FILE).write_text("{")
    with pytest.raises(ValueError, match=RUN_FILE):
        RunFolder(tmp_path, {})


def test_the_run_file_is_replaced_in_one_step(tmp_path):
    """Prevents a half-written run file after kill -9: nothing but the whole file ever has its name."""
    folder = RunFolder(tmp_path, {"seed": 1})
    folder.finish("teacher", {"accuracy": 1.0})
    assert [path.name for path in tmp_path.iterdir()] == [RUN_FILE]
    assert json.loads((tmp_path / RUN_FILE).read_text())["stages"] == {"teacher": {"accuracy": 1.0}}


def test_one_waits_for_what_another_does(tmp_path):
    """Prevents a second process from reading before the first has claimed the folder, or finished the stage."""
    found = []

    def follow():
        found.append(wait_for_stage(tmp_path / "run", seconds=0.01))
        found.append(wait_for_stage(tmp_path / "run", "packed", seconds=0.01))

    follower = Thread(target=follow, daemon=True)
    follower.start()
    follower.join(0.1)
    assert follower.is_alive() and not found
    folder = RunFolder(tmp_path / "run", {"seed": 1})
    folder.finish("other", {"blocks": 2})
    follower.join(0.1)
    assert follower.is_alive() and found == [{}]
    folder.finish("packed", {"blocks": 3})
    follower.join(5)
    assert found == [{}, {"blocks": 3}]


def test_a_claim_that_was_killed_while_it_was_written_is_made_again(tmp_path):
    """Prevents a folder that belongs to nobody from being refused as somebody's, and a race of two processes."""
    (tmp_path / f"{RUN_FILE}.partial").write_text("{")
    check_free(tmp_path)
    RunFolder(tmp_path, {"seed": 1}).finish("stage", {"score": 1})
    check_free(tmp_path)
    assert RunFolder(tmp_path, {"seed": 1}).finished("stage") == {"score": 1}


def test_a_second_run_is_refused_until_the_first_has_ended_however_it_ends(tmp_path):
    """Prevents two commands from mixing their checkpoints, and a folder that nobody can use after kill -9."""
    command = [sys.executable, "-c", _WORK, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "at work\n"
        with pytest.raises(ValueError, match="no other process at work"):
            claim_folder(tmp_path / "run", {"seed": 1}, leads=True).__enter__()
        with claim_folder(tmp_path / "run", {"seed": 1}, leads=False) as folder:  # another process of the same run
            assert folder.finished("teacher") is None
        first.kill()
    with claim_folder(tmp_path / "run", {"seed": 1}, leads=True) as folder:
        folder.finish("teacher", {"accuracy": 0.5})


def test_a_folder_is_free_again_after_an_error_and_holds_nothing_but_the_run(tmp_path):
    """Prevents a notebook that was interrupted from keeping the folder for as long as it is open."""
    with pytest.raises(KeyboardInterrupt), claim_folder(tmp_path, {"seed": 1}, leads=True):
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == [RUN_FILE]
    with claim_folder(tmp_path, {"seed": 1}, leads=True) as folder:
        folder.finish("teacher", {"accuracy": 0.5})
    assert [path.name for path in tmp_path.iterdir()] == [RUN_FILE]
