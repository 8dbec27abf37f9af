"""Result files of the benchmarks: which runs they hold, and how several processes at once add to one."""

import json
import os
import statistics
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from hf_tinybert.machine import machine

Run = dict[str, Any]


def read_results(file: Path) -> dict[str, Any]:
    """What a result file holds; an empty one if there is none."""
    if not file.exists():
        return {"machine": machine(), "summary": {}, "runs": []}
    results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return results


def holds(file: Path, key: Mapping[str, Any]) -> bool:
    """Whether a result file has a run with these values.

    Args:
        file: of results.
        key: what tells a run apart, JSON values.
    """
    return any({name: run.get(name) for name in key} == key for run in read_results(file)["runs"])


def add_run(file: Path, run: Run, summary: Callable[[list[Run]], Any] | None = None, **more: object) -> None:
    """Adds a run to a result file in one step, whoever else adds to it.

    Args:
        file: of results, made if there is none.
        run: JSON values.
        summary: of all runs, kept beside them.
        more: kept beside the runs, in the place of what has the same name.
    """
    with alone(file):
        results = read_results(file)
        results["runs"].append(run)
        if summary is not None:
            results["summary"] = summary(results["runs"])
        _write(file, results | more)


def change_results(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes a result file in one step.

    Args:
        file: of results, made if there is none.
        change: of what it holds, in place.
    """
    with alone(file):
        results = read_results(file)
        change(results)
        _write(file, results)


def alone(path: Path) -> FileLock:
    """For `with`: one process at a time makes or changes what is at a path, which several runs need."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name(f".{path.name}.lock"))


def spread(values: Iterable[float]) -> dict[str, float]:
    """Mean, least and most."""
    numbers = list(values)
    return {"mean": round(statistics.fmean(numbers), 5), "min": min(numbers), "max": max(numbers)}


def _write(file: Path, results: Mapping[str, Any]) -> None:
    temporary = file.with_suffix(".json.partial")
    temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, file)
