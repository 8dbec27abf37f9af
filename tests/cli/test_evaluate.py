"""Tests of `hf-tinybert evaluate`."""

import json
from pathlib import Path

import pytest

from hf_tinybert.workflow import FolderScores


def test_it_scores_a_split(run_cli, student, news):
    """Prevents scores of another split than was asked for."""
    figures = json.loads(Path(student, "figures.json").read_text())
    done = run_cli("evaluate", student, news, "--split", "validation", "--column", "text=body", "--json")
    scores = json.loads(done.stdout)
    assert scores["metrics"] == pytest.approx(figures["scores"]["validation"]["student"], abs=1e-4)


def test_people_get_a_table(run_cli, student, news):
    """Prevents figures that only a machine can read."""
    done = run_cli("evaluate", student, news, "--column", "text=body")
    assert done.exit_code == 0 and "matthews_correlation" in done.output


@pytest.mark.parametrize("wrong", [["--split", "dev"], ["--kind", "regression"], ["--task", "news"]], ids=" ".join)
def test_bad_input_is_one_message_and_exit_status_two(run_cli, student, news, wrong):
    """Prevents a traceback."""
    done = run_cli("evaluate", student, news, "--column", "text=body", *wrong)
    assert done.exit_code == 2 and done.stderr.count("error:") == 1


def test_what_needs_no_model_is_told_too(run_cli, monkeypatch):
    """Prevents a summariser that is scored alone, for people or for machines, and an empty key for other kinds."""
    beside = {"lead": {"rougeL": 0.238}, "oracle": {"rougeL": 0.393}}
    scored = [FolderScores({"rougeL": 0.25}, beside), FolderScores({"rougeL": 0.25}, beside), FolderScores({}, {})]
    monkeypatch.setattr("hf_tinybert.workflow.score_folder", lambda *asked, **more: scored.pop(0))
    assert json.loads(run_cli("evaluate", "folder", "rows", "--json").stdout)["without_model"] == beside
    shown = run_cli("evaluate", "folder", "rows").output
    assert "0.238" in shown and "0.393" in shown and "oracle" in shown
    assert "without_model" not in json.loads(run_cli("evaluate", "folder", "rows", "--json").stdout)
