"""What the stages of a quickstart share: settings, texts, tokens, and the folders of its models."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import DatasetDict
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.preprocessing import label_names
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.quickstart.settings import QuickstartSettings
from hf_tinybert.run_folder import RunFolder

TEACHER_FOLDER = "teacher"
UNDISTILLED_FOLDER = "undistilled"
STUDENT_FOLDER = "student"
MODEL_FOLDERS = (TEACHER_FOLDER, UNDISTILLED_FOLDER, STUDENT_FOLDER)
BATCH_SIZE = 32

# the display shows progress; pinning memory without an accelerator only warns
QUIET: dict[str, Any] = {
    "report_to": "none",
    "disable_tqdm": True,
    "dataloader_pin_memory": torch.accelerator.is_available(),
}
"""Training arguments of every Trainer here."""


@dataclass(frozen=True)
class Workspace:
    """What every stage works with.

    Attributes:
        settings: of the run.
        folder: of the run; each model has a folder in it, under its name.
        display: where progress is shown.
        teacher_source: Hub name or folder of the teacher before it is fine-tuned.
        tokenizer: of all models.
        texts: columns `text` and `label`, by split.
        rows: the same, tokenised.
    """

    settings: QuickstartSettings
    folder: RunFolder
    display: ProgressDisplay
    teacher_source: str
    tokenizer: PreTrainedTokenizerBase
    texts: DatasetDict
    rows: DatasetDict

    @property
    def labels(self) -> list[str]:
        """Names of the classes, by id."""
        return label_names(self.texts)

    def model_folder(self, name: str) -> Path:
        """Where a model is saved."""
        return self.folder.path / name

    def checkpoints(self, stage: str) -> Path:
        """Where a stage keeps its checkpoints until it has finished."""
        return self.folder.path / f".{stage}"

    def load(self, name: str) -> PreTrainedModel:
        """A saved model, by its Auto class."""
        model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(self.model_folder(name))
        return model


__all__ = [
    "BATCH_SIZE",
    "MODEL_FOLDERS",
    "QUIET",
    "STUDENT_FOLDER",
    "TEACHER_FOLDER",
    "UNDISTILLED_FOLDER",
    "Workspace",
]
