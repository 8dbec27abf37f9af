"""What a report is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hf_tinybert.idle_settings import check_not_idle

REPORT_FILE = "report.html"
_SPLITS = ("train", "validation", "test")
_OF_COMPARISON = ("data", "teacher", "columns", "split", "rows", "batch_size")


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """What a report is of, and on which rows student and teacher are compared.

    Attributes:
        folder: of a model, as `hf-tinybert distill` or `finetune` write it; gets the page.
        data: Hub name, folder or file of labelled rows; None takes the one that the folder's run names.
        teacher: Hub name or folder, or those of several that taught as one, in their order; None likewise.
        columns: standard column -> its name in the data; empty takes those of the run.
        tasks: of a multi-task folder, those that the page tells of; all of them if none is named.
        split: of the data: `train`, `validation` or `test`.
        rows: compared at most, drawn by the run's seed.
        batch_size: rows at once.
        compare: whether student and teacher answer rows; without it the page is drawn from the files alone.
    """

    folder: Path
    data: str | None = None
    teacher: str | tuple[str, ...] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    split: str = "validation"
    rows: int = 1000
    batch_size: int = 32
    compare: bool = True

    def __post_init__(self) -> None:
        """Check before anything is read."""
        if self.split not in _SPLITS:
            raise ValueError(f"expected a split out of {', '.join(_SPLITS)}, got `{self.split}`")
        for name in ("rows", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"expected `{name}` of at least 1, got {getattr(self, name)}; because nothing would be compared"
                )
        if not self.compare:
            needed = "a comparison of student and teacher"
            check_not_idle(self, _OF_COMPARISON, needed, "no model answers", "a page from the files alone")


__all__ = ["REPORT_FILE", "ReportSettings"]
