"""What every verb loads before it runs, and `--help` does without."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def loading() -> Iterator[None]:
    """Shows that libraries are imported within, and makes the Auto classes know TinyBERT; quiet ones, too."""
    with Console(stderr=True).status("loading torch and transformers"):
        from hf_tinybert.progress import quiet_libraries
        from hf_tinybert.registration import register_auto_classes

        register_auto_classes()
        quiet_libraries()
        yield


__all__ = ["loading"]
