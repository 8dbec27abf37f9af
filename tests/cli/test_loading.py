"""Tests of what verbs load and `--help` does not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hf_tinybert.cli.loading import leads

COMMAND = Path(sys.executable).with_name("hf-tinybert")
HEAVY = ("torch", "transformers", "datasets", "gradio")


@pytest.mark.parametrize(
    "verb", ["", "finetune", "distill", "evaluate", "predict", "quickstart", "doctor", "convert", "demo"]
)
def test_help_imports_nothing_heavy(verb):
    """Prevents seconds of waiting for a help page."""
    code = (
        f"import sys; sys.argv = ['/bin/hf-tinybert', *{verb.split()!r}, '--help']\n"
        "from hf_tinybert.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    code = stop.code\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "raise SystemExit(f'{code} {loaded}' if code or loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_a_verb_of_the_installed_command_knows_tinybert(first_of_many_answers):
    """Prevents a command that cannot load what it saved, because only the import of the package registers."""
    assert '"label"' in first_of_many_answers.stdout, first_of_many_answers.stderr


def test_a_machine_reads_figures_alone(news, encoder, few_steps, tmp_path):
    """Prevents what libraries print when they are imported from standing before the JSON."""
    command = [COMMAND, "finetune", news, "--model", encoder, "--output", tmp_path / "out", *few_steps, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert json.loads(done.stdout)["kind"] == "text-classification", done.stderr


def test_the_first_of_several_processes_speaks_for_all(monkeypatch):
    """Prevents a table per process, and JSON that is there twice."""
    monkeypatch.delenv("RANK", raising=False)
    assert leads()
    monkeypatch.setenv("RANK", "0")
    assert leads()
    monkeypatch.setenv("RANK", "1")
    assert not leads()
