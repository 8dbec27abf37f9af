"""A run that is refused when its folder is already claimed: the folder is given back."""

from collections.abc import Iterator
from contextlib import contextmanager

from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.run_folder import RunFolder
from hf_tinybert.workflow.kept_answers import ANSWERS_FILE
from hf_tinybert.workflow.run_arguments import CHECKPOINTS

_WRITTEN_BEFORE_TRAINING = (CHECKPOINTS, ANSWERS_FILE)


@contextmanager
def given_back_if_refused(folder: RunFolder, display: ProgressDisplay, *, leads: bool) -> Iterator[None]:
    """Within it, an error before training leaves a folder that this call claimed as it was.

    The same command with another setting, or another teacher in the same place, may then have it. What an interruption
    leaves is kept, and so is what an earlier call began: the same call goes on there.

    Args:
        folder: of the run, claimed.
        display: of the run; knows whether training has begun.
        leads: whether this process is the first of the run, or the only one.
    """
    try:
        yield
    except Exception:
        if leads and folder.is_new and not display.training_has_begun:
            folder.give_back(_WRITTEN_BEFORE_TRAINING)
        raise


__all__ = ["given_back_if_refused"]
