"""What a smaller vocabulary depends on."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from hf_tinybert.data.raw_text import DEFAULT_COLUMNS
from hf_tinybert.idle_settings import check_not_idle
from hf_tinybert.models.piece_choice import PieceChoice
from hf_tinybert.workflow.run_sources import RunSources


@dataclass(frozen=True, kw_only=True)
class TrimSettings:
    """Which model, which texts, and which of their pieces stay. JSON values only.

    Attributes:
        model: folder or Hub name of the model.
        texts: files of text or data sets of the hub, see `read_documents`; none where `keep` alone chooses.
        columns: that hold documents, see `read_documents`.
        coverage: share of the texts' tokens at which choosing ends, the most frequent pieces first. 1 keeps every
            piece of the texts.
        min_count: times that a piece stands in the texts at least.
        size: pieces at most, special tokens and all; None for no limit.
        keep: file of pieces that stay however rare, one a line.
        all_characters: whether all pieces of one character stay, so that no text becomes unknown that was not before.
    """

    model: str
    texts: tuple[str, ...] = ()
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    coverage: float = 1.0
    min_count: int = 1
    size: int | None = None
    keep: str | None = None
    all_characters: bool = False

    def __post_init__(self) -> None:
        """Check every range before anything is spent."""
        if not self.texts and self.keep is None:
            raise ValueError(
                "expected `texts` or a file of pieces to `keep`, got neither; because they say which pieces stay"
            )
        self.choice  # noqa: B018 (its ranges)
        if not self.texts:
            check_not_idle(self, ("columns", "coverage", "min_count"), "`texts`", "no piece is counted without")

    @property
    def sources(self) -> RunSources:
        """What a model of these settings is made of."""
        return RunSources(models=(self.model,), files=(*self.texts, *(() if self.keep is None else (self.keep,))))

    @property
    def choice(self) -> PieceChoice:
        """How pieces are chosen.

        Raises:
            ValueError: a value out of range.
        """
        return PieceChoice(self.coverage, self.min_count, self.size, self.all_characters)

    def to_json(self) -> dict[str, Any]:
        """As JSON gives them back: what a finished run is told apart by."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values


__all__ = ["TrimSettings"]
