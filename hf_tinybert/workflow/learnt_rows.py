"""Rows that a model is scored on although it has learnt them: those of a split that was cut by another seed."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_tinybert.models.checkpoint_folder import read_json
from hf_tinybert.run_folder import RUN_FILE

logger = logging.getLogger(__name__)


def warn_of_learnt_rows(
    model: str | Path, data: str | Path, seed: int, cut: Sequence[str], *, head: str | None = None
) -> None:
    """Warns of rows that are held out of data of which the model was trained on others, by another seed.

    Args:
        model: folder with the `run.json` of its training; of others, and of Hub names, nothing is known.
        data: name of the data.
        seed: by which splits are cut out of its `train`.
        cut: those splits; none where the data has files for all of them.
        head: of a multi-task model, the one that is scored.
    """
    run = _settings(Path(model), head)
    before = run.get("seed", seed)
    if not cut or before == seed or not _is_same(str(run.get("data")), str(data)):
        return
    logger.warning(
        "%s of `%s` are cut out of `train` by seed %d, and `%s` was trained on what seed %d leaves there: it has "
        "learnt most of these rows, and its scores are too high. Give the seed %d, or a file for each split.",
        " and ".join(f"`{split}`" for split in cut), data, seed, Path(model).name, before, before,
    )  # fmt: skip


def _settings(folder: Path, head: str | None) -> Mapping[str, Any]:
    """Of the run that trained a model; of several tasks those of one."""
    file = folder / RUN_FILE
    told: dict[str, Any] = read_json(file).get("settings") or {} if file.is_file() else {}
    tasks = told.get("tasks")
    if not isinstance(tasks, Mapping):
        return told
    name = head or next(iter(tasks), None)
    return {**told, **(told.get("shared") or {}), **(tasks.get(name) or {})}


def _is_same(before: str, now: str) -> bool:
    both_here = Path(before).exists() and Path(now).exists()
    return Path(before).resolve() == Path(now).resolve() if both_here else before == now


__all__ = ["warn_of_learnt_rows"]
