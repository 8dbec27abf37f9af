"""The names and types by which the standard columns of each kind of task are found in a data set."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from datasets import ClassLabel, LargeList, List, Value

from hf_tinybert.data.kinds.definition import TaskKind

__all__ = [
    "CHOICE_TEXT_NAMES",
    "NUMBERED_CHOICE",
    "PAIR_NAMES",
    "ROLES",
    "TEXT",
    "Role",
    "is_class",
    "is_text",
    "is_texts",
]

_TEXT_NAMES = (
    "text", "sentence", "content", "document", "article", "review", "comment", "utterance", "query", "headline",
    "tweet",
)  # fmt: skip
PAIR_NAMES = (
    ("text", "text_pair"),
    ("text_a", "text_b"),
    ("text1", "text2"),
    ("sentence1", "sentence2"),
    ("sentence_1", "sentence_2"),
    ("sentence_a", "sentence_b"),
    ("sentence_A", "sentence_B"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "passage"),
    ("query", "passage"),
)
# Of several that are there together, the first one: the others are its parts.
CHOICE_TEXT_NAMES = (
    ("startphrase",),
    ("sent1",),
    ("ctx",),
    ("context", "question"),
    ("article", "question"),
    ("premise", "question"),
    ("question",),
    ("question_stem",),
    ("text",),
    ("context",),
    ("premise",),
    ("goal",),
    ("sentence",),
)
NUMBERED_CHOICE = re.compile(r"(ending|choice|option|answer|solution|sol)_?(\d+)")


def _is_nothing(feature: Any) -> bool:  # noqa: ANN401 (a feature of datasets has no type)
    return False


def _is_anything(feature: Any) -> bool:  # noqa: ANN401
    return True


def is_text(feature: Any) -> bool:  # noqa: ANN401
    """Whether a feature of a data set holds strings."""
    return isinstance(feature, Value) and feature.dtype in ("string", "large_string")


def _is_list_of(feature: Any, fits: Callable[[Any], bool]) -> bool:  # noqa: ANN401
    return isinstance(feature, List | LargeList) and fits(feature.feature)


def is_texts(feature: Any) -> bool:  # noqa: ANN401
    """Whether a feature of a data set holds lists of strings."""
    return _is_list_of(feature, is_text)


def is_class(feature: Any) -> bool:  # noqa: ANN401
    """Whether a feature of a data set holds names, ids or truth values."""
    known = isinstance(feature, Value) and feature.dtype.startswith(("int", "uint", "bool", "null"))
    return known or isinstance(feature, ClassLabel) or is_text(feature)


def _is_classes(feature: Any) -> bool:  # noqa: ANN401
    return _is_list_of(feature, is_class)


def _is_float(feature: Any) -> bool:  # noqa: ANN401
    return isinstance(feature, Value) and feature.dtype.startswith(("float", "double"))


def _is_number(feature: Any) -> bool:  # noqa: ANN401
    return _is_float(feature) or (isinstance(feature, Value) and feature.dtype.startswith(("int", "uint")))


def _is_answers(feature: Any) -> bool:  # noqa: ANN401
    inner = feature.feature if isinstance(feature, List | LargeList) else feature
    return isinstance(inner, dict) and {"text", "answer_start"} <= set(inner)


def _is_choices(feature: Any) -> bool:  # noqa: ANN401
    return is_texts(feature) or (isinstance(feature, dict) and is_texts(feature.get("text")))


def _is_document(feature: Any) -> bool:  # noqa: ANN401
    return is_text(feature) or is_texts(feature)


class Role(NamedTuple):
    """How a standard column is found.

    Attributes:
        names: It often has in the data.
        fits: Whether a feature is of its usual type, by which kinds of task are told from each other.
        wanted: The usual type in words.
        reads: Whether a feature is of another type that is read too, or refused with an error of its own.
    """

    names: tuple[str, ...]
    fits: Callable[[Any], bool]
    wanted: str
    reads: Callable[[Any], bool] = _is_nothing


_LABEL_NAMES = ("label", "labels", "label_text", "category", "class", "target", "intent", "topic", "sentiment")
_CLASS = Role(_LABEL_NAMES, is_class, "classes", _is_anything)
_SCORE = Role(
    ("score", "similarity", "similarity_score", "relatedness_score", "label", "labels", "target"),
    _is_float,
    "numbers",
    _is_number,
)
TEXT = Role(_TEXT_NAMES, is_text, "text")
ROLES: Mapping[TaskKind, Mapping[str, Role]] = {
    TaskKind.TEXT_CLASSIFICATION: {"text": TEXT, "label": _CLASS},
    TaskKind.PAIR_CLASSIFICATION: {"text": TEXT, "text_pair": TEXT, "label": _CLASS},
    TaskKind.MULTI_LABEL_CLASSIFICATION: {
        "text": TEXT,
        "text_pair": TEXT,
        "labels": Role(("labels", "label", "categories", "topics", "tags"), _is_classes, "lists of classes"),
    },
    TaskKind.REGRESSION: {"text": TEXT, "text_pair": TEXT, "score": _SCORE},
    TaskKind.SENTENCE_EMBEDDING: {"text": TEXT, "text_pair": TEXT, "score": _SCORE},
    TaskKind.MASKED_LM: {"text": TEXT},
    TaskKind.TOKEN_CLASSIFICATION: {
        "tokens": Role(("tokens", "words"), is_texts, "lists of words"),
        "tags": Role(
            ("tags", "ner_tags", "pos_tags", "upos", "upos_tags", "chunk_tags", "labels", "label_list", "ner", "pos"),
            _is_classes,
            "lists of tags",
        ),
    },
    TaskKind.QUESTION_ANSWERING: {
        "id": Role(("id",), is_class, "text or numbers"),
        "question": Role(("question",), is_text, "text"),
        "context": Role(("context", "passage", "paragraph"), is_text, "text"),
        "answers": Role(("answers", "answer"), _is_answers, "objects of `text` and `answer_start`"),
    },
    TaskKind.MULTIPLE_CHOICE: {
        "text": TEXT,
        "choices": Role(("choices", "endings", "options", "answers"), _is_choices, "lists of texts"),
        "label": Role(("label", "labels", "answerKey", "answer", "correct", "gold"), is_class, "positions"),
    },
    TaskKind.EXTRACTIVE_SUMMARIZATION: {
        "document": Role(
            ("document", "article", "text", "dialogue", "source", "content", "body"), is_text, "text", _is_document
        ),
        "summaries": Role(
            ("summaries", "all_summaries", "references", "summary", "highlights", "abstract", "tldr", "target"),
            _is_document,
            "texts, or lists of texts",
        ),
    },
}
