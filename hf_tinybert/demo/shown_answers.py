"""Predictions of every kind as what a page can show: a headline, bars, a text with marked passages."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hf_tinybert.data.kinds.definition import Prediction
from hf_tinybert.data.metrics.entities import OUTSIDE
from hf_tinybert.data.sentences import split_sentences
from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.demo.input_forms import Asked

Passages = list[tuple[str, str | None]]
"""A text in parts, each with its mark or None; together they are the text."""


@dataclass(frozen=True)
class ShownAnswer:
    """One answer, in plain text: whoever shows it escapes it.

    Attributes:
        headline: the answer itself.
        bars: name -> share in [0, 1], the likeliest first; empty where the kind has none.
        passages: the text with its marks; empty where the kind has none.
    """

    headline: str
    bars: Mapping[str, float] = field(default_factory=dict)
    passages: Passages = field(default_factory=list)


@dataclass(frozen=True)
class AnswerForm:
    """How the answers of a kind are shown.

    Attributes:
        show: makes what is shown of a prediction, of what was asked and of the name of the mask.
        bars: whether there are bars.
        passages: whether there is a text with marks.
        names_marks: whether the marks differ, so that each is named beside its passage.
    """

    show: Callable[[Prediction, Asked, str], ShownAnswer]
    bars: bool = False
    passages: bool = False
    names_marks: bool = False


def marked(text: str, spans: Iterable[tuple[int, int, str]]) -> Passages:
    """A text cut at its marked spans.

    Args:
        text: any.
        spans: (start, end, mark) in characters, the end exclusive, in order and apart from each other.
    """
    parts: Passages = []
    place = 0
    for start, end, mark in spans:
        parts += [(text[place:start], None), (text[start:end], mark)]
        place = end
    return [part for part in [*parts, (text[place:], None)] if part[0]]


def word_spans(text: str, words: Sequence[str]) -> list[tuple[int, int]]:
    """Characters of every word of a text that was split into them, the end exclusive."""
    spans: list[tuple[int, int]] = []
    place = 0
    for word in words:
        start = text.index(word, place)
        place = start + len(word)
        spans.append((start, place))
    return spans


def _classes(prediction: Prediction, asked: Asked, mask: str) -> ShownAnswer:
    return ShownAnswer(f"{prediction['label']} · {_percent(prediction['score'])}", _sorted(prediction["scores"]))


def _labels(prediction: Prediction, asked: Asked, mask: str) -> ShownAnswer:
    return ShownAnswer(", ".join(prediction["labels"]) or "none of the labels", _sorted(prediction["scores"]))


def _number(prediction: Prediction, asked: Asked, mask: str) -> ShownAnswer:
    return ShownAnswer(f"{prediction['score']:.3f}")


def _tags(prediction: Prediction, asked: Asked, mask: str) -> ShownAnswer:
    words = word_spans(asked.text, prediction["tokens"])
    if "entities" not in prediction:
        named = [(*span, tag) for span, tag in zip(words, prediction["tags"], strict=True) if tag != OUTSIDE]
        return ShownAnswer(_counted(len(named), "tagged word"), passages=marked(asked.text, named))
    entities = prediction["entities"]
    spans = [(words[one["start"]][0], words[one["end"] - 1][1], one["type"]) for one in entities]
    counts = Counter(one["type"] for one in entities)
    types = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    headline = f"{_counted(len(entities), 'entity', 'entities')}{': ' if types else ''}{types}"
    return ShownAnswer(headline, passages=marked(asked.text, spans))


def _span(prediction: Prediction, asked: Asked, mask: str) -> ShownAnswer:
    score = _percent(prediction["score"])
    if not prediction["answer"]:
        return ShownAnswer(f"no answer in this text · {score}", passages=marked(asked.text, []))
    span = (prediction["start"], prediction["end"], "answer")
    return ShownAnswer(f"{prediction['answer']} · {score}", passages=marked(asked.text, [span]))


def _choice(prediction: Prediction, asked: Asked, mask: str) -> ShownAnswer:
    # numbered, because two choices may be alike
    names = [f"{number}. {text}" for number, text in enumerate(asked.row["choices"], start=1)]
    best = prediction["choice"]
    bars = dict(zip(names, prediction["scores"], strict=True))
    return ShownAnswer(f"{names[best]} · {_percent(prediction['scores'][best])}", _sorted(bars))


def _filled(prediction: Prediction, asked: Asked, mask: str) -> ShownAnswer:
    first, *others = asked.text.split(mask)
    parts: Passages = [(first, None)]
    for token, rest in zip(prediction["tokens"], others, strict=True):
        word = token["token"]
        if word.startswith("##"):  # a piece that continues a word, as BERT writes it
            parts[-1] = (parts[-1][0].rstrip(), parts[-1][1])
            word = word[2:]
        parts += [(word, "filled"), (rest, None)]
    headline = ", ".join(f"{token['token']} · {_percent(token['score'])}" for token in prediction["tokens"])
    return ShownAnswer(headline, passages=[part for part in parts if part[0]])


def _summary(prediction: Prediction, asked: Asked, mask: str) -> ShownAnswer:
    sentences, kept = split_sentences(asked.text), prediction["sentences"]
    passages = marked(asked.text, [(*sentences[position], "kept") for position in kept])
    return ShownAnswer(f"{len(kept)} of {_counted(len(sentences), 'sentence')} kept", passages=passages)


def _similarity(prediction: Prediction, asked: Asked, mask: str) -> ShownAnswer:
    return ShownAnswer(f"similarity {prediction['similarity']:.3f}")


def _sorted(scores: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(scores.items(), key=lambda one: -one[1]))


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _counted(count: int, one: str, several: str | None = None) -> str:
    return f"{count or 'no'} {one if count == 1 else several or one + 's'}"


_CLASSES = AnswerForm(_classes, bars=True)
ANSWER_FORMS: Mapping[TaskKind, AnswerForm] = {
    TaskKind.TEXT_CLASSIFICATION: _CLASSES,
    TaskKind.PAIR_CLASSIFICATION: _CLASSES,
    TaskKind.MULTI_LABEL_CLASSIFICATION: AnswerForm(_labels, bars=True),
    TaskKind.REGRESSION: AnswerForm(_number),
    TaskKind.TOKEN_CLASSIFICATION: AnswerForm(_tags, passages=True, names_marks=True),
    TaskKind.QUESTION_ANSWERING: AnswerForm(_span, passages=True),
    TaskKind.MULTIPLE_CHOICE: AnswerForm(_choice, bars=True),
    TaskKind.MASKED_LM: AnswerForm(_filled, passages=True),
    TaskKind.EXTRACTIVE_SUMMARIZATION: AnswerForm(_summary, passages=True),
    TaskKind.SENTENCE_EMBEDDING: AnswerForm(_similarity),
}

__all__ = ["ANSWER_FORMS", "AnswerForm", "Passages", "ShownAnswer", "marked", "word_spans"]
