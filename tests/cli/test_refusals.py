"""Tests of what is said when a verb cannot do what was asked."""

import errno
import io
import json
import re

import httpx2
import huggingface_hub
import pytest
import torch
import typer
from huggingface_hub.errors import HfHubHTTPError
from rich.console import Console
from safetensors import SafetensorError

from hf_tinybert.cli.refusals import EXIT_CODES, EXPECTED_ERRORS, ExitCode, errors_told, refusal, run_display
from hf_tinybert.run_folder import RunFolder


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


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, ExitCode.REFUSED),
        (403, ExitCode.REFUSED),
        (404, ExitCode.REFUSED),
        (429, ExitCode.FAILED),
        (500, ExitCode.FAILED),
        (503, ExitCode.FAILED),
    ],
)
def test_a_hub_that_may_answer_later_is_a_failed_run(monkeypatch, status, code):
    """Prevents a script from correcting its options where the Hub is busy, and from trying a wrong token for ever."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    answer = httpx2.Response(status, request=httpx2.Request("GET", "https://huggingface.co/a/b"))
    error = HfHubHTTPError("no", response=answer)
    assert refusal(error).exit_code == code
    with pytest.raises(FileNotFoundError) as wrapped:  # as our own readers say it in their words
        raise FileNotFoundError("expected a model folder or a Hub name, got `a/b`") from error
    assert refusal(wrapped.value).exit_code == code


def test_names_of_the_hub_are_refused_where_it_must_not_be_asked(monkeypatch):
    """Prevents a script from trying again and again what HF_HUB_OFFLINE forbids."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert refusal(ConnectionError("offline mode is enabled")).exit_code == ExitCode.REFUSED


def test_another_process_at_work_is_no_trouble_of_the_network(monkeypatch, tmp_path):
    """Prevents a timeout of a lock from being taken for one of a connection."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    folder = RunFolder(tmp_path / "run", {})
    with folder.alone(), pytest.raises(ValueError) as taken, RunFolder(tmp_path / "run", {}).alone():
        pass
    assert refusal(taken.value).exit_code == ExitCode.REFUSED


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "owner/model", "news.csv"),
        ("evaluate", "STUDENT", "owner/data"),
        ("distill", "NEWS", "--teacher", "owner/model"),
        ("push", "STUDENT", "tester/student", "--form", "tinybert"),
    ],
    ids=["model", "data", "teacher", "push"],
)
def test_every_verb_says_of_a_busy_hub_that_the_run_failed(run_cli, news, student, hub, monkeypatch, tmp_path, words):
    """Prevents exit code 2, which tells a script to give up, from verbs that read or write names of the Hub."""
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)  # between its own tries
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    hub.broken = "busy"
    folders = {"STUDENT": student, "NEWS": news}
    output = ["--output", tmp_path / "out"] if words[0] == "distill" else []
    done = run_cli(*(folders.get(word, word) for word in words), *output)
    assert done.exit_code == ExitCode.FAILED, done.output
    assert "error:" in done.output and "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


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


@pytest.mark.parametrize(
    "said",
    [
        "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:24985.",
        "NCCL error in: ProcessGroupNCCL.cpp:1970, remote process exited or there was a network error",
    ],
    ids=["gloo", "nccl"],
)
def test_the_end_of_another_process_is_a_sentence(capsys, said):
    """Prevents a traceback of the processes that are left, below which nobody finds the error of the first."""
    with pytest.raises(typer.Exit) as leaving, errors_told(False):
        raise RuntimeError(said)
    assert leaving.value.exit_code == ExitCode.FAILED
    shown = capsys.readouterr().err
    assert "got one that has ended" in shown and "look at what that one said" in shown and "Traceback" not in shown


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
