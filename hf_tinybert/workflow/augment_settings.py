"""What an augmentation depends on."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hf_tinybert.data.augmentation import Replacement
from hf_tinybert.workflow.run_arguments import check_numbers
from hf_tinybert.workflow.word_settings import WordSettings

PARTS_SUFFIX = ".parts"
"""Of the folder beside a file of new rows, whose `run.json` tells what they were made of."""


@dataclass(frozen=True, kw_only=True)
class AugmentSettings(WordSettings):
    """Which rows, which words take the place of which, and how often. JSON values only.

    Attributes:
        data: Hub name, folder or file, see `load_task_data`; its training rows are augmented.
        kind: kind of task; None takes the one that the columns show.
        columns: standard column -> its name in the data.
        copies: of each row. Source: TinyBERT, section 4.2: 10 to 30.
        keep_labels: whether gold columns are written too, although a class or a number may be wrong after a
            change. Tags and answers, which stay right, always are.
        train_rows: training rows at most, drawn by the seed; None takes all.
        num_proc: processes over parts of 256 rows. Each reads vectors and models for itself, which pays where there
            are many rows or a masked language model. The rows are the same for any number. A script that asks for
            several needs `if __name__ == "__main__":`.
        seed: of everything random, also of the validation rows where the data has none: that of the distillation.
    """

    data: str
    kind: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    copies: int = 20
    keep_labels: bool = False
    train_rows: int | None = None
    num_proc: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every range before anything is spent."""
        super().__post_init__()
        check_numbers(vars(self))
        for name in ("train_rows", "num_proc"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"expected `{name}` of at least 1, got {value}")
        self.replacement  # noqa: B018 (its ranges)

    @property
    def replacement(self) -> Replacement:
        """How words are replaced.

        Raises:
            ValueError: a value out of range.
        """
        return self.replacement_of(self.copies, self.seed)

    def to_json(self) -> dict[str, Any]:
        """As JSON gives them back: what a finished run is told apart by."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values


__all__ = ["PARTS_SUFFIX", "AugmentSettings"]
