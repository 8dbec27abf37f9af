"""Tests of the command line: what a person sees, and the exit status."""

import json
import re
from pathlib import Path

import pytest
from transformers import AutoModel, BertForSequenceClassification
from typer.testing import CliRunner

from hf_tinybert import TinyBertForSequenceClassification
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


@pytest.mark.parametrize("verb", ["quickstart", "convert", "benchmark train"])
def test_every_verb_has_an_example_in_its_help(verb):
    """Prevents a help page that leaves people guessing."""
    done = _run(*verb.split(), "--help")
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


def test_benchmark_train_measures_and_prints_a_table(tmp_path, tokenizer, tiny_teacher_config, tiny_student_config):
    """Prevents a verb whose options do not reach the measurement."""
    BertForSequenceClassification(tiny_teacher_config).save_pretrained(tmp_path / "teacher")
    TinyBertForSequenceClassification(tiny_student_config).save_pretrained(tmp_path / "student")
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    (tmp_path / "rows.csv").write_text("line\n" + "the film is good\n" * 4, encoding="utf-8")
    folders = [part for name in ("teacher", "student", "tokenizer") for part in (f"--{name}", tmp_path / name)]
    sizes = ["--max-length", 8, "--batch-size", 2, "--steps", 2, "--textbook-steps", 1, "--repeats", 1]
    data = ["--dataset", tmp_path / "rows.csv", "--text-column", "line", "--json", tmp_path / "speed.json"]
    done = _run("benchmark", "train", *data, *folders, *sizes, "--phase", "prediction-layer", "--arm", "engine")
    assert done.exit_code == 0, done.output
    assert "engine" in done.output and "prediction-layer" in done.output
    (run,) = json.loads((tmp_path / "speed.json").read_text())["runs"]
    assert run["settings"]["batch_size"] == 2 and run["settings"]["arms"] == ["engine"]


def test_benchmark_train_refuses_an_unknown_arm():
    """Prevents a traceback for a typing mistake."""
    done = _run("benchmark", "train", "--dataset", "nowhere", "--arm", "turbo")
    assert done.exit_code == 2
    assert "Traceback" not in done.output
