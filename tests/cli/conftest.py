"""What the tests of the command line share."""

import pytest
from typer.testing import CliRunner

from hf_tinybert.cli import app


@pytest.fixture
def run_cli():
    """Runs `hf-tinybert` with arguments, in this process."""
    return lambda *arguments, **options: CliRunner().invoke(app, [str(argument) for argument in arguments], **options)
