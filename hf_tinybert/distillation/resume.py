"""Where an interrupted run goes on: in which phase, from which checkpoint."""

from collections.abc import Mapping
from pathlib import Path

from hf_tinybert.distillation.checkpoints import check_checkpoint, last_whole_checkpoint
from hf_tinybert.distillation.objective import Phase
from hf_tinybert.distillation.record import RECORD_FILE, DistillationRecord


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


__all__ = ["resume_point"]
