"""Rows that a model is scored on although it has learnt them, or variants of them: those cut by another seed."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_tinybert.models.checkpoint_folder import read_json
from hf_tinybert.run_folder import RUN_FILE
from hf_tinybert.workflow.augment_settings import PARTS_SUFFIX
from hf_tinybert.workflow.row_fingerprint import fingerprint
from hf_tinybert.workflow.run_arguments import DataSettings
from hf_tinybert.workflow.task_data import PreparedData, read_data, sample

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


def warn_of_variants(files: Sequence[str], settings: DataSettings, data: PreparedData) -> None:
    """Warns of rows that `augment` has made of rows that a run holds out.

    Args:
        files: of rows that the run learns from; of those without the folder that `augment` leaves beside them nothing
            is known.
        settings: of the run.
        data: of the run.
    """
    made = {file: _settings(Path(file + PARTS_SUFFIX), None) for file in files} if data.cut else {}
    for file, run in made.items():
        if "rows" not in run or not _is_same(str(run.get("data")), settings.data):
            continue
        rows = read_data(settings.data, str(data.task.kind), settings.columns, settings.seed).splits["train"]
        if fingerprint(sample(rows, run.get("train_rows"), run["seed"])) != run["rows"]:
            logger.warning(
                "`%s` was made by seed %d of other training rows of `%s` than seed %d leaves now: %s, which are cut "
                "out of `train`, are among those that it has variants of, and scores on them are too high. Call "
                "`augment` with `--seed %d` and write it anew, or give a file for each split.",
                file, run["seed"], settings.data, settings.seed, " and ".join(f"`{split}`" for split in data.cut),
                settings.seed,
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


__all__ = ["warn_of_learnt_rows", "warn_of_variants"]
