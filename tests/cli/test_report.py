"""Tests of `hf-tinybert report`."""

import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def copied(student, tmp_path) -> Path:
    """A copy of a distilled student's folder."""
    return Path(shutil.copytree(student, tmp_path / "student"))


def test_a_distilled_folder_gets_its_page(run_cli, copied):
    """Prevents a run whose own folder is not enough for its report, and a page that nobody finds."""
    done = run_cli("report", copied, "--rows", 6)
    assert done.exit_code == 0, done.output
    assert f"Report: {copied / 'report.html'}" in done.output.replace("\n", "")
    page = (copied / "report.html").read_text(encoding="utf-8")
    assert "6 validation rows" in page and "hidden states" in page


def test_a_page_without_its_comparison_is_told(run_cli, copied):
    """Prevents a half page that looks like a whole one."""
    done = run_cli("report", copied, "--files-only")
    assert done.exit_code == 0, done.output
    assert "Student and teacher are not compared" in done.output
    told = json.loads(run_cli("report", copied, "--files-only", "--json").stdout)
    assert told["report"] == str(copied / "report.html") and told["without_comparison"]
    assert told["tasks_without_comparison"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        ["--split", "dev"],
        ["--data", "nowhere.csv"],
        ["--rows", "0"],
        ["--column", "text"],
        ["--task", "a", "--task", "b"],
    ],
)
def test_bad_input_is_one_message_and_exit_status_two(run_cli, copied, wrong):
    """Prevents a traceback, or an option that is ignored."""
    done = run_cli("report", copied, *wrong)
    assert done.exit_code == 2 and done.stderr.count("error:") == 1
    assert not (copied / "report.html").exists()
