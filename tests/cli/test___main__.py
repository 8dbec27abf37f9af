"""Tests of `python -m hf_tinybert.cli`."""

import runpy
import sys

import pytest


def test_the_module_is_the_command(monkeypatch, capsys):
    """Prevents a module that is imported and does nothing."""
    monkeypatch.setattr(sys, "argv", ["hf-tinybert", "--help"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("hf_tinybert.cli", run_name="__main__", alter_sys=True)
    assert not stop.value.code and "distill" in capsys.readouterr().out
