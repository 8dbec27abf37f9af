"""The file where measurements are kept and found again."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hf_tinybert.distillation import record


def read_runs(file: Path | None) -> list[dict[str, Any]]:
    """Gives the measurements of a file; none where there is no file.

    Raises:
        ValueError: If the file holds something else.
    """
    if file is None or not file.is_file():
        return []
    try:
        runs = json.loads(file.read_text(encoding="utf-8"))["runs"]
        return [dict(run) for run in runs if run["settings"] and run["machine"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"expected measurements in `{file}`, got something else ({error}); because nothing of yours is "
            "overwritten; name another file"
        ) from error


def write_runs(file: Path | None, runs: Sequence[dict[str, Any]]) -> None:
    """Writes all measurements, whole or not at all; nowhere where there is no file."""
    if file is None:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f"{file.suffix}.partial")
    temporary.write_text(json.dumps({"runs": runs}, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, file)


def public_name(name: str | None) -> str | None:
    """A Hub name as it is; of a folder or file on this machine only its last part."""
    return None if name is None else record.public_name(name)


__all__ = ["public_name", "read_runs", "write_runs"]
