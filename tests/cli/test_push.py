"""Tests of `hf-tinybert push`."""

import json

from tests.hub.fake_hub import TOKEN


def test_push_publishes_what_a_real_distillation_left(run_cli, student, hub):
    """Prevents a verb that knows the folders of tests only, or that says what did not happen."""
    done = run_cli("push", student, "tester/student", "--private", "--tag", "news", "--form", "tinybert")
    assert done.exit_code == 0, done.output
    assert hub.repositories["tester/student"].private
    files = hub.files("tester/student")
    assert {"model.safetensors", "distillation.json", "README.md"} <= set(files)
    assert not {"figures.json", "run.json", "recipe.yaml", "training_args.bin"} & set(files)
    assert "Published:" in done.output and TOKEN not in done.output


def test_machines_get_json_and_nothing_else(run_cli, student, hub):
    """Prevents a program from searching for the address in sentences."""
    told = json.loads(run_cli("push", student, "tester/student", "--form", "tinybert", "--json").stdout)
    assert told["repo_id"] == "tester/student" and "model.safetensors" in told["files"]
    assert "tester/student" in told["url"]


def test_a_hub_that_is_not_there_is_one_sentence(run_cli, student, hub, monkeypatch):
    """Prevents a traceback of the HTTP library where the connection fails, which may go well at a second try."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    done = run_cli("push", student, "tester/student", "--form", "tinybert")
    assert done.exit_code == 1
    assert "expected an answer of the Hub" in done.output and "give the same command again" in done.output


def test_a_name_that_the_hub_cannot_have_is_refused_before_it_is_asked(run_cli, student, hub):
    """Prevents an upload that is made ready for a repository that cannot be."""
    done = run_cli("push", student, "a b/c", "--form", "tinybert")
    assert done.exit_code == 2 and "a b/c" in done.output and not hub.requests


def test_a_refusal_is_one_message(run_cli, student, hub, monkeypatch):
    """Prevents a traceback, and a token in it, where the Hub refuses."""
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    done = run_cli("push", student, "tester/student", "--form", "tinybert")
    assert done.exit_code == 2
    assert "Traceback" not in done.output and "hf_wrong" not in done.output
