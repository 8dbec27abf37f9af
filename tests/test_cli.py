"""Tests of the command line: what a person sees, and the exit status."""

import re
from pathlib import Path

import pytest
from transformers import AutoModel
from typer.testing import CliRunner

from hf_tinybert.cli import app

PARITY = Path(__file__).parent / "data" / "parity"


def _run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_convert_writes_a_folder_that_automodel_loads(tmp_path):
    """Prevents a verb that reports success and leaves nothing usable."""
    done = _run("convert", PARITY / "student", tmp_path / "converted")
    assert done.exit_code == 0, done.output
    assert AutoModel.from_pretrained(tmp_path / "converted").config.model_type == "tinybert"


def test_convert_to_bert_refuses_what_bert_cannot_say(tmp_path):
    """Prevents a plain BERT export with other predictions than its source."""
    _run("convert", PARITY / "student", tmp_path / "converted")
    done = _run("convert", tmp_path / "converted", tmp_path / "plain", "--to", "bert")
    assert done.exit_code == 2
    assert not (tmp_path / "plain").exists()


@pytest.mark.parametrize("verb", ["quickstart", "convert"])
def test_every_verb_has_an_example_in_its_help(verb):
    """Prevents a help page that leaves people guessing."""
    done = _run(verb, "--help")
    assert done.exit_code == 0
    assert f"hf-tinybert {verb}" in re.sub(r"\s+", " ", done.output)


def test_a_mistake_is_one_message_and_exit_status_two(tmp_path):
    """Prevents a traceback in the face of somebody who mistyped a folder."""
    done = _run("convert", tmp_path / "nowhere", tmp_path / "out")
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_no_verb_shows_the_verbs():
    """Prevents an empty answer to the bare command."""
    output = _run().output
    assert "quickstart" in output and "convert" in output
