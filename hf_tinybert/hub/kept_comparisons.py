"""`comparison.json`: what a report found out about student and teacher, of the weights that lie beside it alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hf_tinybert.models.checkpoint_folder import read_json, weight_files_sha256

COMPARISON_FILE = "comparison.json"
TASKS = "tasks"
"""The field that holds the comparisons of several tasks by name; a student of one task has its own at the top."""


@dataclass(frozen=True)
class KeptComparisons:
    """What a folder keeps.

    Attributes:
        of_tasks: what was found, by task; None is the task of a student that has one.
        outdated: tasks whose comparison is of other weights, or does not tell of which; it is not in `of_tasks`.
    """

    of_tasks: Mapping[str | None, Mapping[str, Any]] = field(default_factory=dict)
    outdated: frozenset[str | None] = frozenset()


def read_comparisons(folder: Path) -> KeptComparisons:
    """Read what a folder keeps; nothing where there is no such file.

    Files of one task of several, as they were written before all tasks were compared, are read too.

    Args:
        folder: of the student.

    Raises:
        ValueError: the file is damaged.
    """
    path = folder / COMPARISON_FILE
    if not path.is_file():
        return KeptComparisons()
    told = _by_task(read_json(path))
    weights = weight_files_sha256(folder)
    own = {name: one for name, one in told.items() if weights is not None and _student_of(one) == weights}
    return KeptComparisons(own, frozenset(told.keys() - own.keys()))


def _by_task(content: Mapping[str, Any]) -> dict[str | None, Mapping[str, Any]]:
    several = content.get(TASKS)
    if isinstance(several, Mapping):
        return {str(name): one for name, one in several.items() if isinstance(one, Mapping)}
    task = content.get("task")
    return {None if task is None else str(task): content}


def _student_of(comparison: Mapping[str, Any]) -> object:
    fingerprints = comparison.get("fingerprints")
    return fingerprints.get("student") if isinstance(fingerprints, Mapping) else None


__all__ = ["COMPARISON_FILE", "TASKS", "KeptComparisons", "read_comparisons"]
