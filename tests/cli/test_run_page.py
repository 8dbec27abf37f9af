"""Tests of the page of a run that is done."""

import io
import json
import os
import shlex
import shutil
from pathlib import Path

import pytest
from rich.console import Console

import hf_tinybert.report
from hf_tinybert.cli.recipe import read_recipe
from hf_tinybert.cli.run_page import report_command, write_run_page
from hf_tinybert.cli.termination import Terminated
from hf_tinybert.report import Report


@pytest.fixture
def copied(student, tmp_path) -> Path:
    """A copy of a distilled student's folder."""
    return Path(shutil.copytree(student, tmp_path / "student"))


def _page(folder):
    return write_run_page(folder, Console(file=io.StringIO()))


def test_distill_writes_the_page_once_and_tells_its_path(distilled, copied, run_cli):
    """Prevents a page that nobody asked for twice, and one of another split that a second look replaces."""
    done = distilled(copied, "--report")
    page = copied / "report.html"
    assert done.exit_code == 0 and f"Report: {page}" in done.output.replace("\n", "")
    assert "12 validation rows" in page.read_text(encoding="utf-8")
    page.write_text("of another split")
    told = json.loads(distilled(copied, "--report", "--json").stdout)
    assert told["report"] == str(page) and page.read_text() == "of another split"
    os.utime(page, ns=(0, 0))  # of an earlier run
    assert _page(copied).path == page and page.read_text(encoding="utf-8") != "of another split"
    assert json.loads(distilled(copied, "--json").stdout)["report"] is None
    kept = read_recipe(copied / "recipe.yaml", [], "distill").values
    assert kept["report"] is False  # the last call had `--no-report`
    assert (
        json.loads(run_cli("distill", copied / "recipe.yaml", "--output", copied, "--json").stdout)["report"] is None
    )


def test_a_page_that_fails_is_one_line_and_the_run_stays_done(distilled, copied, monkeypatch):
    """Prevents hours that look lost for the sake of a picture."""

    def fails(*arguments):
        raise RuntimeError("no [memory]\nleft")

    monkeypatch.setattr(hf_tinybert.report, "write_report", fails)
    done = distilled(copied, "--report")
    assert done.exit_code == 0 and "No report: " in done.output and "Traceback" not in done.output
    assert "validation accuracy" in done.output
    page = _page(copied)
    assert page.path is None and "\n" not in page.line and f"hf-tinybert report {copied}" in page.line


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt, 130), (Terminated, 143)])
def test_a_stop_while_the_page_is_written_is_a_stop(distilled, copied, monkeypatch, stop, code):
    """Prevents a script's next command from starting after Ctrl-C, and a batch system's end that counts as done."""

    def stopped(*arguments):
        raise stop

    with monkeypatch.context() as patched:
        patched.setattr(hf_tinybert.report, "write_report", stopped)
        done = distilled(copied, "--report", "--json")
    assert done.exit_code == code == json.loads(done.stdout)["exit_code"]
    assert "the same command goes on" in done.stderr and not (copied / "report.html").exists()
    assert json.loads(distilled(copied, "--report", "--json").stdout)["report"] == str(copied / "report.html")


def test_of_several_tasks_all_are_asked_for_and_what_is_missing_is_told(copied, monkeypatch):
    """Prevents a page of one task at the end of a run of several, and a teacher that is gone without a word."""
    asked = []

    def writes(settings, display):
        asked.append(settings.tasks)
        return Report(settings.folder / "report.html", {"things": "its teacher is gone", "news": "so are its data"})

    monkeypatch.setattr(hf_tinybert.report, "write_report", writes)
    page = _page(copied)
    assert asked == [()] and page.path == copied / "report.html"
    assert "without a comparison: things: its teacher is gone; news: so are its data" in page.line


def test_the_command_can_be_copied_whatever_the_folder_is_called():
    """Prevents an advice that the shell takes for two folders."""
    shown = Console(file=io.StringIO(), width=200)
    shown.print(report_command(Path("my runs/[v2] 学生")))
    words = shlex.split(shown.file.getvalue())
    assert words == ["hf-tinybert", "report", str(Path("my runs/[v2] 学生"))]
