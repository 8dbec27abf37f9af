"""Which columns of a data set are which of a kind's standard columns, and which kind its columns show."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import ClassLabel, Features, LargeList, List, Value

from hf_tinybert.data.kinds.definition import TaskKind

__all__ = ["ENDINGS", "choose_columns", "infer_kind"]

ENDINGS = "endings"
"""Stands for the columns `ending0`, `ending1`, ... of multiple choice, which together are the choices."""

_TEXTS = (
    "text",
    "sentence",
    "content",
    "document",
    "article",
    "review",
    "comment",
    "utterance",
    "query",
    "headline",
)
_PAIRS = (
    ("text_a", "text_b"),
    ("text", "text_pair"),
    ("text1", "text2"),
    ("sentence1", "sentence2"),
    ("sentence_a", "sentence_b"),
    ("sentence_A", "sentence_B"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("query", "passage"),
    ("anchor", "positive"),
)
_LABELS = ("label", "labels", "label_text", "category", "class", "target", "intent", "topic", "sentiment")
_LABEL_LISTS = ("labels", "label", "label_list", "categories", "topics", "tags", "genres")
_SCORES = ("score", "similarity_score", "similarity", "relatedness_score", "rating", "label", "labels", "target")
_QUESTIONS = ("question", "text", "ctx", "context", "premise", "sentence", "startphrase", "sent1")
_ENDING = "ending"


def _is_text(feature: Any) -> bool:  # noqa: ANN401 (a feature of datasets has no type)
    return isinstance(feature, Value) and feature.dtype in ("string", "large_string")


def _is_number(feature: Any) -> bool:  # noqa: ANN401
    return isinstance(feature, Value) and feature.dtype.startswith(("float", "int", "uint"))


def _is_float(feature: Any) -> bool:  # noqa: ANN401
    return isinstance(feature, Value) and feature.dtype.startswith("float")


def _is_class(feature: Any) -> bool:  # noqa: ANN401
    return isinstance(feature, ClassLabel | Value) and not _is_float(feature)


def _element(feature: Any) -> Any:  # noqa: ANN401
    return feature.feature if isinstance(feature, List | LargeList) else None


def _is_text_list(feature: Any) -> bool:  # noqa: ANN401
    return _is_text(_element(feature))


def _is_class_list(feature: Any) -> bool:  # noqa: ANN401
    return _element(feature) is not None and _is_class(_element(feature))


def _is_answers(feature: Any) -> bool:  # noqa: ANN401
    fields = _element(feature) if isinstance(feature, List | LargeList) else feature
    return isinstance(fields, Mapping) and {"text", "answer_start"} <= set(fields)


def _is_choices(feature: Any) -> bool:  # noqa: ANN401
    return _is_text_list(feature) or (isinstance(feature, Mapping) and _is_text_list(feature.get("text")))


@dataclass(frozen=True)
class _Role:
    """One standard column: the names it goes by, what it holds, and whether the first name found wins."""

    names: tuple[str, ...]
    accepts: Callable[[Any], bool]
    holds: str
    first_wins: bool = False
    optional: bool = False


_TEXT = _Role(_TEXTS, _is_text, "text")
_LABEL = _Role(_LABELS, _is_class, "a class name or id")
_ROLES: Mapping[TaskKind, Mapping[str, _Role]] = {
    TaskKind.TEXT_CLASSIFICATION: {"text": _TEXT, "label": _LABEL},
    TaskKind.PAIR_CLASSIFICATION: {"text": _TEXT, "text_pair": _TEXT, "label": _LABEL},
    TaskKind.MULTI_LABEL_CLASSIFICATION: {
        "text": _TEXT,
        "text_pair": _Role((), _is_text, "text", optional=True),
        "labels": _Role(_LABEL_LISTS, _is_class_list, "a list of class names or ids"),
    },
    TaskKind.REGRESSION: {
        "text": _TEXT,
        "text_pair": _Role((), _is_text, "text", optional=True),
        "score": _Role(_SCORES, _is_number, "a number", first_wins=True),
    },
    TaskKind.TOKEN_CLASSIFICATION: {
        "tokens": _Role(("tokens", "words"), _is_text_list, "a list of words"),
        "tags": _Role(
            ("tags", "ner_tags", "pos_tags", "upos", "chunk_tags", "labels", "ner", "pos"),
            _is_class_list,
            "a list of tag names or ids",
        ),
    },
    TaskKind.QUESTION_ANSWERING: {
        "id": _Role(("id", "qid"), lambda feature: _is_text(feature) or _is_number(feature), "a name", optional=True),
        "question": _Role(("question",), _is_text, "text"),
        "context": _Role(("context", "passage", "paragraph"), _is_text, "text", first_wins=True),
        "answers": _Role(
            ("answers", "answer"), _is_answers, "answers with `text` and `answer_start`", first_wins=True
        ),
    },
    TaskKind.MULTIPLE_CHOICE: {
        "text": _Role(_QUESTIONS, _is_text, "text", first_wins=True, optional=True),
        "choices": _Role(("choices", "options", "endings"), _is_choices, "a list of texts"),
        "label": _Role(("label", "answer", "answerKey", "answer_key", "gold"), _is_class, "the right choice"),
    },
    TaskKind.MASKED_LM: {"text": _TEXT},
    TaskKind.EXTRACTIVE_SUMMARIZATION: {
        "document": _Role(
            ("document", "article", "source", "dialogue", "body", "content", "text"), _is_text, "text", first_wins=True
        ),
        "summaries": _Role(
            ("summaries", "all_summaries", "references", "summary", "highlights", "abstract", "tldr", "target"),
            lambda feature: _is_text(feature) or _is_text_list(feature),
            "a text or a list of texts",
            first_wins=True,
        ),
    },
    TaskKind.SENTENCE_EMBEDDING: {
        "text": _TEXT,
        "text_pair": _Role((), _is_text, "text", optional=True),
        "score": _Role(_SCORES, _is_number, "a number", first_wins=True, optional=True),
    },
}
_PAIR_KINDS = frozenset(kind for kind, roles in _ROLES.items() if "text_pair" in roles)


def choose_columns(features: Features, kind: TaskKind, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Takes the columns asked for, and finds the others by their names where there is no doubt.

    Args:
        features: Columns of the training split and their types.
        kind: Of the task.
        given: Standard column -> its name in the data.

    Returns:
        Standard column -> its name in the data; an optional one that is not there is left out. Choices that stand in
        several columns have the name `ENDINGS`.

    Raises:
        ValueError: If a standard column is unknown, a name is not there or twice, a column holds something else, or
            cannot be told from others.
    """
    roles = _ROLES[kind]
    chosen = dict(given or {})
    _check_given(chosen, features, kind)
    if kind in _PAIR_KINDS and "text" not in chosen and "text_pair" not in chosen:
        chosen |= _pair(features, kind)
    for standard, role in roles.items():
        if standard in chosen:
            continue
        names = [
            name
            for name in role.names
            if name in features and role.accepts(features[name]) and name not in chosen.values()
        ]
        if standard == "choices" and not names and f"{_ENDING}0" in features:
            names = [ENDINGS]
        if len(names) == 1 or (names and role.first_wins):
            chosen[standard] = names[0]
        elif not role.optional:
            raise _no_single_column(standard, role, names, features, kind)
    if len(set(chosen.values())) != len(chosen):
        raise ValueError(
            f"expected a column of its own for each of {list(chosen)}, got {list(chosen.values())}; because a column "
            "is either read or predicted; name other columns."
        )
    return {standard: chosen[standard] for standard in roles if standard in chosen}


def infer_kind(features: Features, given: Mapping[str, str] | None = None) -> TaskKind:
    """Gives the kind of task that the columns of a data set show.

    Args:
        features: Columns of the training split and their types.
        given: Standard column -> its name in the data.

    Raises:
        ValueError: If they show none, or could be read as several.
    """
    named = dict(given or {})
    names = {*features, *named}
    if "tokens" in names or ("words" in names and _is_text_list(features.get("words"))):
        return TaskKind.TOKEN_CLASSIFICATION
    if "answers" in names and "question" in names:
        return TaskKind.QUESTION_ANSWERING
    if {"choices", "options", "endings", f"{_ENDING}0"} & names:
        return TaskKind.MULTIPLE_CHOICE
    if "document" in named or {"summaries", "summary", "highlights", "all_summaries"} & names:
        return TaskKind.EXTRACTIVE_SUMMARIZATION
    pair = "text_pair" in named or ("text" not in named and len(_pairs(features)) == 1)
    fits = [kind for kind in _BY_TEXT if (kind in _OF_PAIRS if pair else kind not in _ONLY_PAIRS)]
    possible = [kind for kind in fits if _fits(features, kind, named)]
    if not possible:
        raise ValueError(
            f"expected columns that show the kind of task, got {list(features)}; because a wrong guess would train on "
            "the wrong columns; name the kind, and the columns if their names are not the usual ones."
        )
    return possible[0]


# in the order in which they are tried: the answer column decides, and masked LM is what needs none
_BY_TEXT = (
    TaskKind.MULTI_LABEL_CLASSIFICATION,
    TaskKind.REGRESSION,
    TaskKind.PAIR_CLASSIFICATION,
    TaskKind.TEXT_CLASSIFICATION,
    TaskKind.MASKED_LM,
)
_OF_PAIRS = frozenset(
    {TaskKind.MULTI_LABEL_CLASSIFICATION, TaskKind.REGRESSION, TaskKind.PAIR_CLASSIFICATION},
)
_ONLY_PAIRS = frozenset({TaskKind.PAIR_CLASSIFICATION})


def _fits(features: Features, kind: TaskKind, given: dict[str, str]) -> bool:
    if not set(given) <= set(_ROLES[kind]):
        return False
    try:
        chosen = choose_columns(features, kind, given)
    except ValueError:
        # several candidates for a column show the kind as well as one does; the choice between them is refused later
        return _has_answer(features, kind, given) and kind is not TaskKind.MASKED_LM
    if kind is TaskKind.REGRESSION:
        return _is_float(features[chosen["score"]])
    return kind is not TaskKind.MASKED_LM or not any(name in features for name in _LABELS)


def _has_answer(features: Features, kind: TaskKind, given: Mapping[str, str]) -> bool:
    *_, (standard, role) = _ROLES[kind].items()
    accepts = _is_float if kind is TaskKind.REGRESSION else role.accepts
    names = (given[standard],) if standard in given else role.names
    return any(name in features and accepts(features[name]) for name in names)


def _pairs(features: Features) -> list[tuple[str, str]]:
    return [pair for pair in _PAIRS if all(name in features and _is_text(features[name]) for name in pair)]


def _pair(features: Features, kind: TaskKind) -> dict[str, str]:
    found = _pairs(features)
    if len(found) == 1:
        return dict(zip(("text", "text_pair"), found[0], strict=True))
    if found or kind is TaskKind.PAIR_CLASSIFICATION:
        raise ValueError(
            f"expected exactly one pair of text columns, got {found or 'none'} among {list(features)}; because a "
            "wrong guess would train on the wrong columns; name the columns `text` and `text_pair`."
        )
    return {}


def _check_given(given: Mapping[str, str], features: Features, kind: TaskKind) -> None:
    roles = _ROLES[kind]
    for standard, name in given.items():
        if standard not in roles:
            raise ValueError(
                f"expected columns out of {list(roles)} for {kind}, got `{standard}`; because these are what the kind "
                "reads and answers; name one of them."
            )
        if name not in features:
            raise ValueError(
                f"expected the column `{name}`, got only {list(features)}; because it was asked for by name; "
                "correct the name."
            )
        if not roles[standard].accepts(features[name]):
            raise ValueError(
                f"expected {roles[standard].holds} in the column `{name}`, got {features[name]}; because it is to be "
                f"the `{standard}` of {kind}; name another column, or another kind."
            )


def _no_single_column(
    standard: str, role: _Role, names: Sequence[str], features: Features, kind: TaskKind
) -> ValueError:
    found = f"{len(names)} candidates {list(names)}" if names else "none"
    return ValueError(
        f"expected exactly one column that can be the `{standard}` of {kind}, {role.holds}, got {found} among "
        f"{list(features)}; because a wrong guess would train on the wrong column; name the column of `{standard}`."
    )
