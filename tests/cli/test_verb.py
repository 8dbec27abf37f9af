"""Tests of what all verbs have in common."""

import json

import pytest
import typer
from typer.testing import CliRunner

from hf_tinybert.cli import options
from hf_tinybert.cli.refusals import EXIT_CODES, refusal
from hf_tinybert.cli.termination import Terminated
from hf_tinybert.cli.verb import Verb


@pytest.fixture
def run():
    """A verb that stops with an error, run with words."""

    def run_stopped(error, *words, name="verb"):
        def verb(number: int = 0, as_json: options.AsJson = False) -> None:
            try:
                raise error
            except ValueError as expected:
                raise refusal(expected) from expected

        app = typer.Typer()
        app.command(name, cls=Verb)(verb)
        return CliRunner().invoke(app, words)

    return run_stopped


@pytest.mark.parametrize(
    ("error", "words", "code", "said"),
    [
        (ValueError("expected ö"), [], 2, "expected ö"),
        (RuntimeError("out of memory"), [], 1, "RuntimeError: out of memory"),
        (KeyboardInterrupt(), [], 130, "interrupted"),
        (Terminated(), [], 143, "terminated"),
        (ValueError(), ["--number", "many"], 2, "--number"),
        (ValueError(), ["--colour"], 2, "--colour"),
    ],
)
def test_a_machine_is_told_of_every_error(run, error, words, code, said):
    """Prevents a program that reads figures from meeting an empty output, or a table of usage."""
    done = run(error, "--json", *words)
    told = json.loads(done.stdout)
    assert done.exit_code == code == told["exit_code"] and said in told["error"]


def test_a_person_reads_errors_on_standard_error_alone(run):
    """Prevents JSON between the lines that people read."""
    done = run(ValueError("expected x"))
    assert done.exit_code == 2 and done.stdout == "" and "expected x" in done.stderr


@pytest.mark.parametrize(("name", "goes_on"), [("pretrain", True), ("evaluate", False)])
def test_who_is_interrupted_is_told_whether_the_command_goes_on(run, name, goes_on):
    """Prevents hours that are thought lost, and a promise of what keeps nothing."""
    done = run(KeyboardInterrupt(), name=name)
    assert done.exit_code == 130 and ("the same command goes on" in done.stderr) is goes_on


def test_the_help_tells_the_exit_codes(run):
    """Prevents scripts that guess."""
    assert EXIT_CODES[:30] in run(ValueError(), "--help").output


def test_leaving_without_an_error_tells_none(run):
    """Prevents `doctor`, which leaves with 1 after its report, from printing a second object."""
    assert run(typer.Exit(1), "--json").stdout == ""
