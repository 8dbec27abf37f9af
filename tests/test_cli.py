"""Tests of the command line: what a person sees, and the exit status."""

import json
import re
from pathlib import Path

import pytest
from transformers import AutoModel, BertForSequenceClassification, BertModel
from typer.testing import CliRunner

from hf_tinybert import TinyBertForSequenceClassification
from hf_tinybert.cli import app
from hf_tinybert.models.modeling_tinybert import TinyBertModel

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


@pytest.mark.parametrize("verb", ["doctor", "quickstart", "convert", "benchmark train"])
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


@pytest.fixture
def general_folders(tmp_path, tokenizer, tiny_teacher_config, tiny_student_config):
    """Folders of an encoder with its tokenizer, and of a student."""
    BertModel(tiny_teacher_config).save_pretrained(tmp_path / "teacher")
    tokenizer.save_pretrained(tmp_path / "teacher")
    TinyBertModel(tiny_student_config).save_pretrained(tmp_path / "student")
    return "--teacher", tmp_path / "teacher", "--student", tmp_path / "student", "--phase", "intermediate-layer"


def test_doctor_shows_every_check_and_leaves_with_zero(general_folders):
    """Prevents a shell script from stopping at a distillation that can run."""
    done = _run("doctor", *general_folders)
    assert done.exit_code == 0, done.output
    assert "attention heads" in done.output and "0 failed" in done.output


def test_doctor_leaves_with_one_and_names_the_cure_when_a_check_fails(general_folders):
    """Prevents a shell script from going on to a distillation that cannot work."""
    done = _run("doctor", *general_folders, "--layer-mapping", "2,9")
    assert done.exit_code == 1
    assert "fail" in done.output and "cure: give one teacher layer" in re.sub(r"[\s│]+", " ", done.output)


def test_doctor_speaks_json_to_machines(general_folders):
    """Prevents colours, tables or notices among the figures."""
    done = _run("doctor", *general_folders, "--json")
    report = json.loads(done.stdout)
    assert report["ok"] and {"name", "status", "found", "cure"} == set(report["checks"][0])


def test_doctor_refuses_a_phase_there_is_not(general_folders):
    """Prevents a diagnosis of something else than what was asked."""
    done = _run("doctor", *general_folders, "--phase", "last")
    assert done.exit_code == 2
    assert "phases" in done.output
