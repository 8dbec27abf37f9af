"""What earlier calls of an interrupted general distillation left for its figures."""

from collections.abc import Callable
from pathlib import Path

from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.run_folder import RunFolder

_BEFORE = "before"
_RESUMED = "resumed"


class EarlierCalls:
    """The calls before this one, if there were any.

    Args:
        folder: of the run, claimed.
        checkpoint: where this call goes on; None starts at the first step.
        leads: whether this process writes.
    """

    def __init__(self, folder: RunFolder, checkpoint: Path | None, *, leads: bool) -> None:
        self._folder, self._checkpoint, self._leads = folder, checkpoint, leads

    def terms_before(self, evaluate: Callable[[], dict[str, float]]) -> dict[str, float]:
        """The terms on held-out rows before the first step, of this call or of one that was interrupted.

        Args:
            evaluate: gives them; not called where an earlier call did.
        """
        known = self._folder.finished(_BEFORE)
        if known is None:
            known = evaluate()
            if self._leads:
                self._folder.finish(_BEFORE, known)
        return known

    def seconds(self) -> float:
        """Seconds of training up to the checkpoint, in all calls; what came after it is trained again and not counted.

        A checkpoint knows the seconds of the call that wrote it, and `run.json` those of the calls before that one.
        """
        if self._checkpoint is None:
            return 0.0
        step = int(self._checkpoint.name.rpartition("-")[2])
        known = self._folder.finished(_RESUMED) or {"step": 0, "seconds": 0.0}
        if known["step"] != step:
            seconds = known["seconds"] + DistillationRecord.load(self._checkpoint).seconds
            known = {"step": step, "seconds": seconds}
            if self._leads:
                self._folder.finish(_RESUMED, known)
        return float(known["seconds"])


__all__ = ["EarlierCalls"]
