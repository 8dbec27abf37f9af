"""What an export depends on."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hf_tinybert.export.formats import ExportFormat
from hf_tinybert.idle_settings import check_not_idle

_OF_SCORES = ("columns", "split", "rows", "largest_loss")


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """Which model, in which form, and what it is compared on. JSON values only.

    Attributes:
        model: Hub name or folder with a trained head.
        to: the form, see `ExportFormat`.
        task: of a multi-task folder, the head to export.
        kind: of a model without `task.json`, as others publish them.
        data: Hub name, folder or file; its rows are scored by the model and by what was exported. None scores nothing,
            which int8 does not allow.
        columns: standard column -> its name in the data.
        split: of the data that is scored.
        rows: of it at most, drawn by the seed; None takes all.
        largest_difference: between any number that the model gives and the exported one, on sentences; not of int8,
            which rounds on purpose.
        largest_loss: of the main metric, as a share of the model's score. Not a published figure: a percent is what
            this package asks of a student.
        seed: of drawn rows, and of splits that are cut out of `train`.
    """

    model: str
    to: str = str(ExportFormat.ONNX)
    task: str | None = None
    kind: str | None = None
    data: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    split: str = "validation"
    rows: int | None = None
    largest_difference: float = 1e-4
    largest_loss: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what can be checked before anything is loaded."""
        if self.to not in list(ExportFormat):
            raise ValueError(f"expected `to` out of {', '.join(ExportFormat)}, got `{self.to}`")
        if self.rows is not None and self.rows < 1:
            raise ValueError(f"expected `rows` of at least 1, got {self.rows}")
        for name in ("largest_difference", "largest_loss"):
            if getattr(self, name) < 0:
                raise ValueError(f"expected `{name}` of at least 0, got {getattr(self, name)}")
        if self.data is None:
            check_not_idle(self, _OF_SCORES, "`data`", "no rows are scored without")
        if self.form is ExportFormat.ONNX_INT8:
            reason = "its numbers are rounded on purpose, and its score is compared alone"
            check_not_idle(self, ["largest_difference"], "another form", reason, f"`{self.to}`")
        if self.form is ExportFormat.ONNX_INT8 and self.data is None:
            raise ValueError(
                "expected labelled rows for int8, got no data; because its answers differ from the model's, and only "
                "a score tells whether they are as good; name the data by `--data`"
            )

    @property
    def form(self) -> ExportFormat:
        """The form of `to`."""
        return ExportFormat(self.to)

    def to_json(self) -> dict[str, Any]:
        """As JSON gives them back."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values


__all__ = ["ExportSettings"]
