"""What every verb loads before it runs, and `--help` does without; and a standard output for figures alone."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from rich.console import Console


@contextmanager
def loading() -> Iterator[None]:
    """Shows that libraries are imported within, and makes the Auto classes know TinyBERT; quiet ones, too."""
    with Console(stderr=True, quiet=not leads()).status("loading torch and transformers"):
        from hf_tinybert.progress import quiet_libraries
        from hf_tinybert.registration import register_auto_classes

        register_auto_classes()
        quiet_libraries()
        yield


@contextmanager
def figures_alone(wanted: bool = True) -> Iterator[None]:
    """Within it, what libraries print goes to standard error: a machine reads standard output.

    Args:
        wanted: whether a machine does.
    """
    if not wanted:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


def leads() -> bool:
    """Whether this process speaks for all that `torchrun` or `accelerate launch` started; alone it does."""
    return os.environ.get("RANK", "0") == "0"


__all__ = ["figures_alone", "leads", "loading"]
