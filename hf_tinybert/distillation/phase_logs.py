"""Where the reporters of the stock Trainer write when a run has several phases."""

from collections.abc import Iterable
from pathlib import Path

from transformers import TrainerCallback
from transformers.integrations.integration_utils import TensorBoardCallback, default_logdir


class PhaseLogs:
    """Gives every phase a TensorBoard run of its own.

    Steps count anew in every phase, and TensorBoard drops points of a run whose steps begin again.

    Args:
        output_dir: of the training run.
    """

    def __init__(self, output_dir: Path) -> None:
        self._default = output_dir / default_logdir()
        self._folders: dict[TensorBoardCallback, Path] = {}

    def enter(self, phase: str, callbacks: Iterable[TrainerCallback]) -> None:
        """Write to the phase's folder from its start on, below the folder that was set or the stock one."""
        for callback in callbacks:
            if isinstance(callback, TensorBoardCallback):
                folder = self._folders.setdefault(callback, Path(callback.logging_dir or self._default))
                callback.logging_dir = str(folder / phase)


__all__ = ["PhaseLogs"]
