"""Tests of `hf-tinybert doctor`."""

import json
import re

import pytest
from transformers import BertModel

from hf_tinybert.models.modeling_tinybert import TinyBertModel


@pytest.fixture
def general_folders(tmp_path, tokenizer, tiny_teacher_config, tiny_student_config):
    """Folders of an encoder with its tokenizer, and of a student."""
    BertModel(tiny_teacher_config).save_pretrained(tmp_path / "teacher")
    tokenizer.save_pretrained(tmp_path / "teacher")
    TinyBertModel(tiny_student_config).save_pretrained(tmp_path / "student")
    return "--teacher", tmp_path / "teacher", "--student", tmp_path / "student", "--phase", "intermediate-layer"


def test_doctor_shows_every_check_and_leaves_with_zero(run_cli, general_folders):
    """Prevents a shell script from stopping at a distillation that can run."""
    done = run_cli("doctor", *general_folders)
    assert done.exit_code == 0, done.output
    assert "attention heads" in done.output and "0 failed" in done.output


def test_doctor_leaves_with_one_and_names_the_cure_when_a_check_fails(run_cli, general_folders):
    """Prevents a shell script from going on to a distillation that cannot work."""
    done = run_cli("doctor", *general_folders, "--layer-mapping", "2,9")
    assert done.exit_code == 1
    assert "fail" in done.output and "cure: give one teacher layer" in re.sub(r"[\s│]+", " ", done.output)


def test_doctor_speaks_json_to_machines(run_cli, general_folders):
    """Prevents colours, tables or notices among the figures."""
    done = run_cli("doctor", *general_folders, "--json")
    report = json.loads(done.stdout)
    assert report["ok"] and {"name", "status", "found", "cure"} == set(report["checks"][0])


def test_doctor_refuses_a_phase_there_is_not(run_cli, general_folders):
    """Prevents a diagnosis of something else than what was asked."""
    done = run_cli("doctor", *general_folders, "--phase", "last")
    assert done.exit_code == 2
    assert "phases" in done.output
