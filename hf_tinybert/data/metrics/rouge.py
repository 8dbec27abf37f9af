"""ROUGE: how many words and word sequences a summary shares with a reference."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import datasets
import evaluate

__all__ = ["Rouge", "rouge_words"]

ROUGE_TYPES = ("rouge1", "rouge2", "rougeL", "rougeLsum")

# Latin words as rouge-score cuts them; scripts without spaces by character; words of all other scripts whole.
_WORD = re.compile(
    r"[a-z0-9]+"
    r"|[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]"
    r"|[^\W\d_\x00-\u024f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+"
)
_SHORTEST_STEMMED = 4


class Rouge(evaluate.Metric):
    """F1 of ROUGE, best over the references of a row and mean over rows, in [0, 1].

    Called as `evaluate.load("rouge")` would be, with a text or a list of texts as the reference of each row. Different
    from there: the mean is exact and not drawn by bootstrap, and texts in other scripts than Latin count (a Chinese
    character is a word), where rouge-score finds no word in them.
    """

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description="F1 of ROUGE-1, ROUGE-2 and ROUGE-L.",
            citation="",
            inputs_description="predictions: a text per row; references: a text or a list of texts per row.",
            features=[
                datasets.Features({"predictions": text, "references": datasets.List(text)}),
                datasets.Features({"predictions": text, "references": text}),
            ],
        )

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[str | Sequence[str]],
        rouge_types: Sequence[str] = ROUGE_TYPES,
        use_stemmer: bool = False,
    ) -> dict[str, float]:
        from rouge_score.rouge_scorer import RougeScorer

        scorer = RougeScorer(list(rouge_types), tokenizer=_Words(use_stemmer))
        totals = dict.fromkeys(rouge_types, 0.0)
        for predicted, true in zip(predictions, references, strict=True):
            scores = scorer.score_multi([true] if isinstance(true, str) else list(true), predicted)
            for name in rouge_types:
                totals[name] += scores[name].fmeasure
        return {name: total / max(len(predictions), 1) for name, total in totals.items()}


def rouge_words(text: str, *, stemmed: bool = True) -> list[str]:
    """Gives the words that ROUGE compares: lower case, without punctuation, English endings cut off.

    Args:
        text: any.
        stemmed: whether words of more than three letters are cut to their Porter stem.
    """
    words = _WORD.findall(text.lower())
    return [_stem(word) if len(word) >= _SHORTEST_STEMMED else word for word in words] if stemmed else words


class _Words:
    """`rouge_words` as rouge-score asks for it."""

    def __init__(self, stemmed: bool) -> None:
        self._stemmed = stemmed

    def tokenize(self, text: str) -> list[str]:
        return rouge_words(text, stemmed=self._stemmed)


@lru_cache(maxsize=1 << 18)
def _stem(word: str) -> str:
    return _stemmer()(word)


@lru_cache(maxsize=1)
def _stemmer() -> Callable[[str], str]:
    from nltk.stem.porter import PorterStemmer

    stem: Callable[[str], Any] = PorterStemmer().stem
    return stem
