"""Tests of `hf-tinybert demo`."""

import pytest

import hf_tinybert.demo
from hf_tinybert.cli.termination import Terminated


@pytest.fixture
def shown(monkeypatch):
    """What was to be shown and where; no server runs."""
    told = {}

    def build(comparisons, title):
        told.update(comparisons=comparisons, title=title)
        return object()

    def serve(page, settings):
        told["settings"] = settings
        return "http://127.0.0.1:7860/"

    def hold(page):
        told["held"] = True
        raise told.get("stop", KeyboardInterrupt)

    monkeypatch.setattr(hf_tinybert.demo, "hold", hold)
    monkeypatch.setattr(hf_tinybert.demo, "import_gradio", lambda: None)
    monkeypatch.setattr(hf_tinybert.demo, "build_page", build)
    monkeypatch.setattr(hf_tinybert.demo, "serve", serve)
    return told


def test_a_page_is_served_on_this_machine_alone(run_cli, student, shown):
    """Prevents a page that the whole network can open unasked, or a command that ends before anyone has seen it."""
    done = run_cli("demo", student, "--no-teacher")
    assert done.exit_code == 0 and "http://127.0.0.1:7860/" in done.stdout
    settings = shown["settings"]
    assert settings.host == "127.0.0.1" and not settings.share and not settings.open_browser
    assert shown["held"] and list(shown["comparisons"]) == ["text-classification"]


def test_sigterm_ends_it_with_its_own_code(run_cli, student, shown):
    """Prevents a service manager from reading that the page had ended by itself."""
    shown["stop"] = Terminated
    done = run_cli("demo", student, "--no-teacher")
    assert done.exit_code == 143 and done.stderr.strip().endswith("terminated")


def test_what_is_wrong_is_told_before_a_page_is_served(run_cli, student, shown):
    """Prevents a page of a model that was not asked for."""
    both = run_cli("demo", student, "--teacher", student, "--no-teacher")
    assert both.exit_code == 2 and "leave one out" in both.stderr
    port = run_cli("demo", student, "--port", "99999")
    assert port.exit_code == 2 and "from 1 to 65535, got 99999" in port.stderr
    missing = run_cli("demo", student, "--teacher", "nowhere/at-all")
    assert missing.exit_code == 2 and "nowhere/at-all" in missing.stderr and "settings" not in shown
