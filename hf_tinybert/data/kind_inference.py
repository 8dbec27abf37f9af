"""Which kind of task the columns of a data set are for."""

import logging

import numpy as np
from datasets import Dataset, Features

from hf_tinybert.data.column_roles import ROLES, is_text
from hf_tinybert.data.columns import Columns, column_options, standard_names
from hf_tinybert.data.kinds.definition import TaskKind

__all__ = ["infer_kind", "warn_of_classes_as_numbers"]

logger = logging.getLogger(__name__)

# Told by nothing in the data: pairs with a score are regression unless embeddings are asked for.
_ONLY_WHEN_ASKED = frozenset({TaskKind.SENTENCE_EMBEDDING})
# Fits every text, and is meant only where nothing else is.
_LAST = TaskKind.MASKED_LM
# Ratings in stars have five values, and are numbers: the warning is of fewer.
_FEW_VALUES = 3
_ID_NAMES = frozenset({"id", "idx", "index", "__index_level_0__"})
# Kinds that need fewer than all of their columns.
_NEEDED = {
    TaskKind.QUESTION_ANSWERING: ("question", "context", "answers"),
    TaskKind.MULTIPLE_CHOICE: ("choices", "label"),
    TaskKind.REGRESSION: ("text", "score"),
    TaskKind.MULTI_LABEL_CLASSIFICATION: ("text", "labels"),
}


def infer_kind(features: Features, asked: Columns) -> TaskKind:
    """Gives the only kind of task that the names and types of columns fit.

    A kind whose columns are all among those of another one gives way to it: text and label to text, text and label.
    Text is for masked LM where nothing beside it may be an answer: no usual name of one, and strings and ids only.

    Args:
        features: Columns of the data and their types.
        asked: Standard columns that were named, see `normalise_asked`; kinds without them are out.

    Returns:
        The kind.

    Raises:
        ValueError: If no kind fits, or more than one.
    """
    used = {
        kind: found
        for kind in TaskKind
        if kind not in _ONLY_WHEN_ASKED and set(asked) <= set(standard_names(kind))
        for found in [_used_columns(features, kind, asked)]
        if found is not None
    }
    fitting = [kind for kind in used if kind is not _LAST]
    fitting = [kind for kind in fitting if not any(used[kind] < used[other] for other in fitting)]
    if not fitting and _LAST in used:
        answers = _possible_answers(features)
        if not answers:
            return _LAST
        raise ValueError(
            f"expected columns that tell the kind of task, got text ({', '.join(sorted(used[_LAST]))}) beside "
            f"{sorted(answers)}, of which one may be its answer; because raw text has none; name the answer in "
            f"`columns`, as {{'label': ...}}, or the kind `{_LAST}` to read the text alone."
        )
    if len(fitting) != 1:
        names = "; ".join(f"{kind} ({', '.join(sorted(used[kind]))})" for kind in fitting)
        raise ValueError(
            f"expected columns of one kind of task, got {names or 'those of none'} among {dict(features)}; because a "
            f"wrong guess would train another task; name the kind out of {', '.join(sorted(TaskKind))}"
            + (", or the columns." if not fitting else ".")
        )
    return fitting[0]


def warn_of_classes_as_numbers(rows: Dataset, name: str) -> None:
    """Warns of a few whole numbers that are read as scores because they are written as `1.0`.

    Args:
        rows: With the standard column `score`, read for a kind that nobody named.
        name: Of the column in the data.
    """
    values = np.unique(np.asarray(rows.with_format("numpy")["score"][:], dtype=float))
    if len(values) <= _FEW_VALUES and (values == values.round()).all():
        logger.warning(
            "The %d values of `%s` are whole numbers with a decimal point (%s) and are read as numbers to predict: "
            "regression. If they are classes, write them as 0 and 1, or as names.",
            len(values), name, ", ".join(str(value) for value in values[:3]),
        )  # fmt: skip


def _used_columns(features: Features, kind: TaskKind, asked: Columns) -> frozenset[str] | None:
    """All columns that a kind may use; None where it lacks one that it needs."""
    options = column_options(features, kind, asked)
    if not all(options[name] for name in _NEEDED.get(kind, standard_names(kind))):
        return None
    return frozenset(name for candidates in options.values() for own in candidates for name in own)


def _possible_answers(features: Features) -> set[str]:
    """Columns that bear the name of gold answers, or hold what is neither text nor an id."""
    texts = {name for role in ("text", "text_pair", "document") for name in _role_names(role)}
    gold = {
        name.lower()
        for role in ("label", "labels", "tags", "score", "answers", "summaries")
        for name in _role_names(role)
    }
    others = {name for name, feature in features.items() if not is_text(feature) and name not in _ID_NAMES}
    named = {name for name in features if name.strip().lower() in gold - texts}
    return named | others


def _role_names(role: str) -> set[str]:
    return {name for roles in ROLES.values() if role in roles for name in roles[role].names}
