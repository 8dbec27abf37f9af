"""Tests of `hf-tinybert convert`."""

import json
from pathlib import Path

from transformers import AutoModel

PARITY = Path(__file__).parent.parent / "data" / "parity"


def test_convert_writes_a_folder_that_automodel_loads(run_cli, tmp_path):
    """Prevents a verb that reports success and leaves nothing usable."""
    done = run_cli("convert", PARITY / "student", tmp_path / "converted")
    assert done.exit_code == 0, done.output
    assert AutoModel.from_pretrained(tmp_path / "converted").config.model_type == "tinybert"


def test_machines_get_json_and_nothing_else(run_cli, tmp_path):
    """Prevents notices of libraries before the figures."""
    done = run_cli("convert", PARITY / "student", tmp_path / "converted", "--json")
    told = {"source": str(PARITY / "student"), "output": str(tmp_path / "converted"), "to": "tinybert"}
    assert json.loads(done.stdout) == told


def test_convert_to_bert_refuses_what_bert_cannot_say(run_cli, tmp_path):
    """Prevents a plain BERT export with other predictions than its source."""
    run_cli("convert", PARITY / "student", tmp_path / "converted")
    done = run_cli("convert", tmp_path / "converted", tmp_path / "plain", "--to", "bert")
    assert done.exit_code == 2
    assert not (tmp_path / "plain").exists()


def test_a_mistake_is_one_message_and_exit_status_two(run_cli, tmp_path):
    """Prevents a traceback in the face of somebody who mistyped a folder."""
    done = run_cli("convert", tmp_path / "nowhere", tmp_path / "out")
    assert done.exit_code == 2
    assert "Traceback" not in done.output
