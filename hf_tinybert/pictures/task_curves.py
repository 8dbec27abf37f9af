"""Of the figures of several tasks each task's own, and its curves."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from hf_tinybert.pictures.loss_curves import CurvePanel, curve_panels

_EPOCH, _WHOLE_LOSS = "epoch", "loss"
# the names of a term of a task: in what training logs, and in what an evaluation gives
_IN_TRAINING, _IN_EVALUATION = "/", "_"


def figures_of_task(figures: Mapping[str, Any], task: str) -> dict[str, Any]:
    """The figures of one task: its own, and of the curves and epochs of all tasks what is its own.

    Args:
        figures: `figures.json` of several tasks.
        task: one of them.
    """
    tasks: Mapping[str, Mapping[str, Any]] = figures.get("tasks") or {}
    curves = {
        phase: {
            "training": _rows(logged.get("training") or (), task, tasks, _IN_TRAINING),
            "evaluation": _rows(logged.get("evaluation") or (), task, tasks, _IN_EVALUATION),
        }
        for phase, logged in (figures.get("curves") or {}).items()
    }
    epochs = _rows(figures.get("epochs") or (), task, tasks, _IN_EVALUATION)
    return {
        **tasks.get(task, {}),
        "epochs": epochs,
        "curves": {phase: logged for phase, logged in curves.items() if any(logged.values())},
    }


def overview_panels(figures: Mapping[str, Any]) -> list[CurvePanel]:
    """Of every task the main metric and the whole loss, for a card: all terms of all tasks would fill pages.

    Args:
        figures: `figures.json` of several tasks.
    """
    panels = []
    for task in figures.get("tasks") or {}:
        own = figures_of_task(figures, task)
        curves = {
            phase: {part: [_whole(row) for row in rows if _WHOLE_LOSS in row] for part, rows in logged.items()}
            for phase, logged in own["curves"].items()
        }
        told = curve_panels({**own, "curves": curves})
        panels += [replace(panel, title=f"{task}\n{panel.title}") for panel in told]
    return panels


def _whole(row: Mapping[str, float]) -> dict[str, float]:
    return {_EPOCH: row[_EPOCH], _WHOLE_LOSS: row[_WHOLE_LOSS]}


def _rows(
    logged: Iterable[Mapping[str, float]], task: str, tasks: Iterable[str], between: str
) -> list[dict[str, float]]:
    """What was logged of a task, by the names that its values have alone; rows that say nothing of it are left out."""
    start = f"{task}{between}"
    # of the tasks `a` and `a_b` the value `a_b_loss` is the second's
    longer = tuple(f"{name}{between}" for name in tasks if name != task and name.startswith(task))
    found = []
    for row in logged:
        own = {
            name.removeprefix(start): value
            for name, value in row.items()
            if name.startswith(start) and not name.startswith(longer)
        }
        if own and _EPOCH in row:
            found.append({_EPOCH: row[_EPOCH], **own})
    return found


__all__ = ["figures_of_task", "overview_panels"]
