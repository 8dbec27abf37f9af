"""Tests of `hf-tinybert trim-vocab`."""

import json
from pathlib import Path

import pytest


def test_it_writes_a_smaller_student_that_answers(run_cli, student, news, tmp_path):
    """Prevents a folder that the other verbs do not read."""
    texts = Path(news) / "train.jsonl"
    done = run_cli("trim-vocab", student, texts, "--column", "body", "--coverage", "0.9", "--output", tmp_path / "s")
    assert done.exit_code == 0, done.output
    for word in ("pieces", "parameters", "of which embeddings", "unknown tokens", "texts cut as before"):
        assert word in done.output
    done = run_cli("evaluate", tmp_path / "s", news, "--column", "text=body", "--json")
    assert done.exit_code == 0, done.output


def test_machines_get_json_and_nothing_else(run_cli, student, news, tmp_path):
    """Prevents options without effect."""
    (tmp_path / "list.txt").write_text("song\n", encoding="utf-8")
    options = ["--coverage", "0.8", "--min-count", "2", "--size", "60", "--keep", tmp_path / "list.txt"]
    texts = Path(news) / "train.jsonl"
    output = ["--column", "body", "--all-characters", "--output", tmp_path / "s", "--json"]
    done = run_cli("trim-vocab", student, texts, *options, *output)
    assert done.exit_code == 0, done.stderr
    settings = json.loads(done.stdout)["settings"]
    wanted = {"coverage": 0.8, "min_count": 2, "size": 60, "all_characters": True, "columns": ["body"]}
    assert {name: settings[name] for name in wanted} == wanted
    assert settings["keep"] == str(tmp_path / "list.txt")


@pytest.mark.parametrize(
    "wrong",
    [["--coverage", "0"], ["--size", "2"], ["--keep", "nowhere.txt"], ["--column", "label", "--size", "0"]],
    ids=" ".join,
)
def test_bad_input_is_one_message_and_exit_status_two(run_cli, student, news, tmp_path, wrong):
    """Prevents a traceback, or a folder that stays."""
    done = run_cli("trim-vocab", student, Path(news) / "train.jsonl", *wrong, "--output", tmp_path / "s")
    assert done.exit_code == 2, done.output
    assert done.stderr.count("error:") == 1 and not (tmp_path / "s").exists()
