"""The heads of a multi-task model as its configuration describes them: one dictionary of JSON values per task."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

# The kinds of head that one encoder can share with others, and the problem type of those that read the whole text.
TASK_KINDS: dict[str, str | None] = {
    "extractive-summarization": None,
    "masked-lm": None,
    "multi-label-classification": "multi_label_classification",
    "multiple-choice": None,
    "pair-classification": "single_label_classification",
    "question-answering": None,
    "regression": "regression",
    "sentence-embedding": None,
    "text-classification": "single_label_classification",
    "token-classification": None,
}
SUMMARY_LABELS = {0: "skip", 1: "keep"}
_WITH_LABELS = frozenset(
    {"multi-label-classification", "pair-classification", "text-classification", "token-classification"}
)
_FIELDS = frozenset(
    {
        "classifier_activation",
        "embedding_size",
        "id2label",
        "kind",
        "normalize",
        "num_labels",
        "pooling",
        "problem_type",
        "similarity",
    }
)
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def plain_tasks(tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The tasks as they are kept: by name, JSON values, label ids as numbers, `label2id` left out as it says no more.

    By name, because config.json is written so: in another order a loaded model's parameters, and with them the states
    of an optimizer, would be in another order than the saved one's.
    """
    return {name: _plain(tasks[name]) for name in sorted(tasks)}


def check_tasks(tasks: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse tasks that no multi-task model can have.

    Raises:
        ValueError: no task, a name that is none, an unknown kind or field, labels that are missing or do not count
            from 0, a problem type that is another kind's, or two masked-LM heads.
    """
    if not tasks:
        raise ValueError(
            "expected at least one task in `tasks`, got none; because a model without a head answers nothing; name "
            "one, or leave `tasks` out for a one-task model"
        )
    for name, spec in tasks.items():
        check_task_name(name)
        _check_task(name, spec)
    masked = [name for name, spec in tasks.items() if spec["kind"] == "masked-lm"]
    if len(masked) > 1:
        raise ValueError(
            f"expected at most one task of the kind `masked-lm`, got {_quoted(masked)}; because its output matrix is "
            "the embedding matrix that all tasks share; put the texts of both into one task"
        )


def check_task_name(name: str) -> None:
    """Refuse a name that cannot be part of a parameter's name.

    Raises:
        ValueError: other characters than letters, digits, `_` and `-`.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"expected a task name of letters, digits, `_` and `-`, got {name!r}; because it becomes part of the "
            "names of the head's weights; rename the task"
        )


def known_task(tasks: Mapping[str, Mapping[str, Any]] | None, name: str | None) -> Mapping[str, Any]:
    """The description of one task; `name` may be None where there is only one.

    Raises:
        ValueError: there is no such task, or several and no name.
    """
    known = tasks or {}
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name is None or name not in known:
        got = "none" if name is None else f"`{name}`"
        raise ValueError(
            f"expected `task` to be one of {_quoted(known) or 'no tasks'}, got {got}; because each head answers one "
            "task; name the head, or add it first (`add_task`)"
        )
    return known[name]


def one_task_fields(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a one-task model's configuration that a task decides; stock values where it says nothing."""
    kind = spec["kind"]
    labels = spec.get("id2label")
    if labels is None:
        outputs = spec.get("num_labels") or (1 if kind == "regression" else 2)
        labels = {index: f"LABEL_{index}" for index in range(outputs)}
        labels = SUMMARY_LABELS if kind == "extractive-summarization" else labels
    return {
        "id2label": dict(labels),
        "label2id": {label: index for index, label in labels.items()},
        "problem_type": TASK_KINDS[kind] or spec.get("problem_type"),
        "classifier_activation": spec.get("classifier_activation"),
        "pooling": spec.get("pooling") or "mean",
        "embedding_size": spec.get("embedding_size"),
        "normalize": spec.get("normalize", True),
        "similarity": spec.get("similarity") or "cosine",
    }


def _plain(spec: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in spec.items() if value is not None and name != "label2id"}
    if "kind" in plain:
        plain["kind"] = str(plain["kind"])
    if isinstance(plain.get("id2label"), Mapping):
        labels = {int(index): str(label) for index, label in plain["id2label"].items()}
        plain["id2label"] = dict(sorted(labels.items()))
    return plain


def _check_task(name: str, spec: Mapping[str, Any]) -> None:
    kind = spec.get("kind")
    if kind not in TASK_KINDS:
        raise ValueError(
            f"expected a `kind` out of {_quoted(TASK_KINDS)} for the task `{name}`, got `{kind}`; because it decides "
            "the head; correct it"
        )
    unknown = sorted(set(spec) - _FIELDS)
    if unknown:
        raise ValueError(
            f"expected the fields {_quoted(sorted(_FIELDS))} for the task `{name}`, got {_quoted(unknown)} besides; "
            "because nothing reads them; leave them out"
        )
    labels, count = spec.get("id2label"), spec.get("num_labels")
    if kind in _WITH_LABELS and labels is None and count is None:
        raise ValueError(
            f"expected `id2label` or `num_labels` for the task `{name}` of the kind `{kind}`, got neither; because "
            "the head has one output per label; give the label names"
        )
    if labels is not None and (sorted(labels) != list(range(len(labels))) or len(labels) != (count or len(labels))):
        raise ValueError(
            f"expected `id2label` of the task `{name}` to name the labels 0 to {(count or len(labels)) - 1}, got "
            f"{labels}; because output i is the score of label i; give one name for each"
        )
    if labels is not None and len(set(labels.values())) != len(labels):
        raise ValueError(
            f"expected a name of its own for each label of the task `{name}`, got {list(labels.values())}; because "
            "predictions are told apart by their names; rename the labels"
        )
    wanted = TASK_KINDS[str(kind)]
    if wanted is not None and spec.get("problem_type") not in (None, wanted):
        raise ValueError(
            f"expected `problem_type` `{wanted}` for the task `{name}` of the kind `{kind}`, got "
            f"`{spec['problem_type']}`; because the kind says what the outputs mean; change one of the two"
        )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


__all__ = [
    "SUMMARY_LABELS",
    "TASK_KINDS",
    "check_task_name",
    "check_tasks",
    "known_task",
    "one_task_fields",
    "plain_tasks",
]
