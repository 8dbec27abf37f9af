"""Tests of what is said when a verb cannot do what was asked."""

import errno
import io
import json
import re

import pytest
import torch
import typer
from rich.console import Console
from safetensors import SafetensorError

from hf_tinybert.cli.refusals import EXIT_CODES, EXPECTED_ERRORS, ExitCode, errors_told, refusal, run_display


def test_a_refusal_is_one_message_on_standard_error(capsys):
    """Prevents messages among the figures on standard output, and brackets that rich takes for markup."""
    assert refusal(ValueError("expected [a], got [b]")).exit_code == 2
    shown = capsys.readouterr()
    assert shown.out == "" and "[a]" in shown.err and "Traceback" not in shown.err


def test_a_missing_package_is_expected():
    """Prevents a traceback where an extra is not installed."""
    assert issubclass(ModuleNotFoundError, EXPECTED_ERRORS)


def test_what_the_machine_lacks_is_a_failed_run():
    """Prevents a script from correcting its options where the disk is full."""
    assert refusal(OSError(errno.ENOSPC, "No space left on device")).exit_code == ExitCode.FAILED
    assert refusal(FileNotFoundError(errno.ENOENT, "No such file")).exit_code == ExitCode.REFUSED


@pytest.mark.parametrize(("trained", "code"), [(False, ExitCode.REFUSED), (True, ExitCode.FAILED)])
def test_what_stops_a_run_is_its_failure_from_training_on(trained, code):
    """Prevents a defect that shows after hours, while no bar is drawn, from being taken for a wrong option."""
    console = Console(file=io.StringIO())
    with pytest.raises(typer.Exit) as leaving, run_display(console) as display:
        with display.bar("training") as bar:
            if trained:
                bar.training_begins()
        raise ValueError("expected 3 logits, got 4")
    assert leaving.value.exit_code == code and str(leaving.value.__cause__) == "expected 3 logits, got 4"


def _save_on_a_full_disk():
    torch.save({"weight": torch.zeros(1000)}, "/dev/full")


def _save_weights_on_a_full_disk():
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize("save", [_save_on_a_full_disk, _save_weights_on_a_full_disk])
def test_a_full_disk_is_a_sentence_whichever_library_meets_it(save, capsys):
    """Prevents forty lines of traceback that end in `unexpected pos 704 vs 598`."""
    with pytest.raises(typer.Exit) as leaving, errors_told(True):
        save()
    assert leaving.value.exit_code == ExitCode.FAILED
    shown = capsys.readouterr()
    assert "whether the disk is full" in shown.err and "Errno" not in shown.err
    assert "whether the disk is full" in json.loads(shown.out)["error"]


def test_the_help_names_every_exit_code():
    """Prevents a code that is told nowhere."""
    assert [int(word) for word in re.findall(r"\d+", EXIT_CODES)] == [int(code) for code in ExitCode]


def test_an_error_is_told_to_machines_only(capsys):
    """Prevents JSON between the lines that people read, and an error that is swallowed."""
    with pytest.raises(RuntimeError), errors_told(False):
        raise RuntimeError("broken")
    assert capsys.readouterr().out == ""
    with pytest.raises(RuntimeError), errors_told(True):
        raise RuntimeError("broken")
    assert json.loads(capsys.readouterr().out) == {"error": "RuntimeError: broken", "exit_code": 1}
