"""Where an interrupted run goes on: in which phase, from which checkpoint."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_tinybert.distillation.checkpoints import check_checkpoint, last_whole_checkpoint
from hf_tinybert.distillation.record import RECORD_FILE, DistillationRecord
from hf_tinybert.distillation.terms import Phase

logger = logging.getLogger(__name__)

FINISHED_FILE = "finished.json"


def resume_point(asked: str | bool | None, folders: Mapping[Phase, Path]) -> tuple[Phase, Path | None]:
    """The phase to start with and its checkpoint; phases before it are done.

    Args:
        asked: a checkpoint folder, True for the last whole one of the last phase begun, or nothing to start anew.
        folders: where each phase writes its checkpoints, in the order of the phases.

    Returns:
        The phase, and None where it starts at its first step.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the checkpoint is damaged or of another run's phase, or there is none.
    """
    phases = list(folders)
    if not asked:
        return phases[0], None
    if not isinstance(asked, bool):
        folder = Path(asked)
        check_checkpoint(folder)
        phase = DistillationRecord.load(folder).phase if (folder / RECORD_FILE).is_file() else phases[0]
        if phase not in phases:
            raise ValueError(
                f"expected a checkpoint of {', '.join(phases)}, got one of {phase}: `{folder}`; because this run "
                "has no such phase; set `phases` as they were when it was written"
            )
        return Phase(phase), folder
    for last in reversed(phases):
        checkpoint = last_whole_checkpoint(folders[last])
        if checkpoint is not None:
            return last, checkpoint
    raise ValueError(
        f"expected a whole checkpoint in {', '.join(f'`{folder}`' for folder in folders.values())}, got none; because "
        "there is nothing to resume from; train without `resume_from_checkpoint`"
    )


def seconds_until(checkpoint: Path) -> dict[Phase, float]:
    """How long each phase was trained until a checkpoint was written, in all calls of its run.

    Args:
        checkpoint: one without a record tells nothing.
    """
    if not (checkpoint / RECORD_FILE).is_file():
        return {}
    record = DistillationRecord.load(checkpoint)
    by_phase = record.phase_seconds or {record.phase: record.seconds}
    return {Phase(phase): seconds for phase, seconds in by_phase.items()}


def mark_finished(folder: Path, global_step: int) -> None:
    """Note that a phase has ended at a step: early stopping leaves no other trace."""
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / f"{FINISHED_FILE}.partial"
    written.write_text(json.dumps({"global_step": global_step}) + "\n", encoding="utf-8")
    written.replace(folder / FINISHED_FILE)


def finished_step(folder: Path) -> int | None:
    """The step at which a phase has ended; None while it has not."""
    path = folder / FINISHED_FILE
    return int(json.loads(path.read_text(encoding="utf-8"))["global_step"]) if path.is_file() else None


def forget_finished(folder: Path) -> None:
    """A phase begins anew."""
    (folder / FINISHED_FILE).unlink(missing_ok=True)


def warn_of_earlier_run(folders: Mapping[Phase, Path]) -> None:
    """Say that a later `resume_from_checkpoint=True` could go on with checkpoints of an earlier run."""
    found = [folder for folder in folders.values() if last_whole_checkpoint(folder) is not None]
    if found:
        logger.warning(
            "`%s` holds checkpoints of an earlier run; a later `resume_from_checkpoint=True` may go on with those; "
            "choose another `output_dir`, or delete them",
            found[-1],
        )


def warn_of_other_run(checkpoint: Path, now: DistillationRecord) -> None:
    """Say in what a run goes on otherwise than its checkpoint was trained; a checkpoint without record passes.

    Args:
        checkpoint: that is resumed from.
        now: of the run, in the same phase.
    """
    if not (checkpoint / RECORD_FILE).is_file():
        return
    before, after = _compared(DistillationRecord.load(checkpoint)), _compared(now)
    other = [
        f"{name} {before[name][1]} before, {shown} now"
        for name, (identity, shown) in after.items()
        if before[name][0] not in (identity, None)  # older records lack some
    ]
    if other:
        logger.warning(
            "`%s` was trained otherwise than the run goes on: %s; pass the same, or start a run of its own from the "
            "student that was saved",
            checkpoint,
            "; ".join(other),
        )


def check_same_optimizer(checkpoint: Path, now: DistillationRecord) -> None:
    """Refuse to go on with other parts of the student frozen, or with factors of other parts' learning rates.

    Args:
        checkpoint: that is resumed from; one without record passes.
        now: of the run, in the same phase.

    Raises:
        ValueError: an optimizer numbers what it trains group by group, so that its moments would be those of others.
    """
    before = DistillationRecord.load(checkpoint) if (checkpoint / RECORD_FILE).is_file() else now
    for name, was, given in (
        ("frozen", sorted(before.frozen), sorted(now.frozen)),
        ("learning_rate_factors", before.learning_rate_factors, now.learning_rate_factors),
    ):
        if was != given:
            raise ValueError(
                f"expected `{name}` as in `{checkpoint}`, {was or 'none'}, got {given or 'none'}; because the "
                "optimizer of the checkpoint has moments of what it trained then, in that order; pass the same, or "
                "start a run of its own from the student that was saved"
            )


def _compared(record: DistillationRecord) -> dict[str, tuple[object, object]]:
    """What decides the loss: what tells it apart, and how it is shown."""
    mapping = _mapping(record.layer_mapping, record.learned_mapping)
    if record.tasks is not None:
        mapping = {n: _mapping(of.get("layer_mapping"), of.get("learned_mapping")) for n, of in record.tasks.items()}
    return {
        "teacher": (record.teacher_sha256, f"{record.teacher or 'in memory'} ({record.teacher_sha256[:8]})"),
        "layer mapping": (mapping, mapping),
        "loss weights": (record.loss_weights, record.loss_weights),
        "loss layers": (record.loss_layers, record.loss_layers),
        "temperature": (record.temperature, record.temperature),
        "probability shift": (record.probability_shift, record.probability_shift),
        "label smoothing": (record.label_smoothing, record.label_smoothing),
        "relation heads": (record.relation_heads, record.relation_heads),
        "loss reduction": (record.loss_reduction, record.loss_reduction),
        "task sampling": (record.task_sampling, record.task_sampling),
    }


def _mapping(layers: list[int] | None, learned: Mapping[str, Any] | None) -> object:
    """Which layers are imitated: by which strategy where that is learned."""
    return layers if learned is None else learned["strategy"]


__all__ = [
    "FINISHED_FILE",
    "check_same_optimizer",
    "finished_step",
    "forget_finished",
    "mark_finished",
    "resume_point",
    "seconds_until",
    "warn_of_earlier_run",
    "warn_of_other_run",
]
