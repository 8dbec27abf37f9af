"""The command `hf-tinybert`: parse, call, report. A module per verb; nothing heavy is imported before one runs."""

from hf_tinybert.cli.app import app, main

__all__ = ["app", "main"]
