"""Tests of the verbs together: what a person sees."""

import re

import pytest


@pytest.mark.parametrize(
    "verb",
    [
        "quickstart",
        "pretrain",
        "finetune",
        "distill",
        "evaluate",
        "predict",
        "trim-vocab",
        "export",
        "demo",
        "doctor",
        "convert",
        "report",
        "card",
        "push",
        "benchmark train",
    ],
)
def test_every_verb_has_an_example_in_its_help(run_cli, verb):
    """Prevents a help page that leaves people guessing."""
    done = run_cli(*verb.split(), "--help")
    assert done.exit_code == 0
    assert f"hf-tinybert {verb}" in re.sub(r"\s+", " ", done.output)


def test_no_verb_shows_the_verbs(run_cli):
    """Prevents an empty answer to the bare command."""
    output = run_cli().output
    assert "quickstart" in output and "convert" in output
