"""The best evaluation of each task, and the folder that keeps the weights it was reached with."""

import math
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_UNFINISHED, _OLD = ".unfinished", ".old"


def is_best(value: float, earlier: Iterable[Mapping[str, Any]], key: str, *, greater: bool) -> bool:
    """Whether a figure is better than in every earlier evaluation; NaN never is.

    Args:
        value: now.
        earlier: logs of the evaluations before; those without the figure are passed over.
        key: of the figure in the logs.
        greater: whether higher is better.
    """
    if math.isnan(value):
        return False
    seen = [logs[key] for logs in earlier if key in logs and not math.isnan(logs[key])]
    return all(value > other if greater else value < other for other in seen)


def unfinished(folder: Path) -> Path:
    """Where to write what shall replace a folder; empty."""
    written = folder.with_name(f"{folder.name}{_UNFINISHED}")
    shutil.rmtree(written, ignore_errors=True)
    written.mkdir(parents=True)
    return written


def replace_folder(folder: Path) -> None:
    """Put what was written in the place of a folder; a process that dies in between leaves a whole one of the two."""
    old = folder.with_name(f"{folder.name}{_OLD}")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    folder.with_name(f"{folder.name}{_UNFINISHED}").rename(folder)
    shutil.rmtree(old, ignore_errors=True)


__all__ = ["is_best", "replace_folder", "unfinished"]
