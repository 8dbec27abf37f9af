"""Tests of `hf-tinybert finetune`."""

import json
from unittest.mock import Mock

from hf_tinybert.workflow import finetuning


def test_it_fine_tunes_and_shows_the_scores(run_cli, news, encoder, few_steps, tmp_path):
    """Prevents options that do not reach the run, or a table without its scores."""
    done = run_cli("finetune", news, "--model", encoder, "--output", tmp_path / "out", *few_steps, "--test")
    assert done.exit_code == 0, done.output
    assert "accuracy" in done.output and "validation" in done.output and "test" in done.output
    assert json.loads((tmp_path / "out" / "figures.json").read_text())["settings"]["columns"] == {"text": "body"}


def test_machines_get_json_and_nothing_else(run_cli, news, encoder, few_steps, tmp_path):
    """Prevents progress, tables or notices among the figures."""
    done = run_cli("finetune", news, "--model", encoder, "--output", tmp_path / "out", *few_steps, "--json")
    figures = json.loads(done.stdout)
    assert figures["kind"] == "text-classification" and figures["main_metric"] == "accuracy"


def test_what_fails_after_the_training_is_a_failed_run(run_cli, news, encoder, few_steps, monkeypatch, tmp_path):
    """Prevents a script from correcting its options where the run failed after hours, between two bars."""
    monkeypatch.setattr(finetuning, "save_figures", Mock(side_effect=ValueError("expected a figure")))
    done = run_cli("finetune", news, "--model", encoder, "--output", tmp_path / "out", *few_steps)
    assert done.exit_code == 1, done.output
    assert done.stderr.count("error:") == 1 and "expected a figure" in done.stderr


def test_bad_input_is_one_message_and_exit_status_two(run_cli, news, encoder, few_steps, tmp_path):
    """Prevents a traceback, or an output folder that the corrected command trips over."""
    cases = [
        [tmp_path / "nowhere", "--model", encoder],
        [news, "--model", tmp_path / "nowhere"],
        [news, "--model", encoder, "--kind", "sentiment"],
        [news, "--model", encoder, "--kind", "sentence-embedding"],
        [news, "--model", encoder, "--column", "text"],
        [news, "--model", encoder, "--learning-rate", "0"],
        [news, "--model", encoder, "--max-length", "999"],
    ]
    for case in cases:
        options = [] if "--column" in case or "--max-length" in case else few_steps[:2]
        done = run_cli("finetune", *case, *options, "--output", tmp_path / "out")
        assert done.exit_code == 2, (case, done.output)
        assert done.stderr.count("error:") == 1 and done.exception.__class__ is SystemExit
        assert not (tmp_path / "out").exists()
