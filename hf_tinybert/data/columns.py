"""Which columns of a data set are the standard columns of a kind of task."""

from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Features, Value

from hf_tinybert.data.column_roles import (
    CHOICE_TEXT_NAMES,
    NUMBERED_CHOICE,
    PAIR_NAMES,
    ROLES,
    TEXT,
    Role,
    is_class,
    is_text,
    is_texts,
)
from hf_tinybert.data.kinds.definition import TaskKind

__all__ = ["Columns", "check_types", "choose_columns", "column_options", "normalise_asked", "standard_names"]

Columns = dict[str, tuple[str, ...]]
"""Standard column -> the columns it is made of: one, or several that become a list or a joined text."""

_ALWAYS_PAIRS = frozenset({TaskKind.PAIR_CLASSIFICATION})
_MAY_BE_PAIRS = frozenset({TaskKind.MULTI_LABEL_CLASSIFICATION, TaskKind.REGRESSION, TaskKind.SENTENCE_EMBEDDING})
_SEVERAL = frozenset({(TaskKind.MULTIPLE_CHOICE, "text"), (TaskKind.MULTIPLE_CHOICE, "choices"),
                      (TaskKind.MULTI_LABEL_CLASSIFICATION, "labels")})  # fmt: skip
_MAY_BE_MISSING = frozenset({(TaskKind.QUESTION_ANSWERING, "id"), (TaskKind.MULTIPLE_CHOICE, "text"),
                       (TaskKind.SENTENCE_EMBEDDING, "score")})  # fmt: skip


def standard_names(kind: TaskKind) -> tuple[str, ...]:
    """Gives the standard columns of a kind, gold ones and those that may be missing included."""
    return tuple(ROLES[kind])


def normalise_asked(columns: Mapping[str, str | Sequence[str]] | None, features: Features) -> Columns:
    """Gives the columns that were asked for, each as a tuple.

    Args:
        columns: Standard column -> its name in the data, or several names, also as one text with commas between them.
        features: Columns of the data.

    Raises:
        ValueError: If a column is not there.
    """
    asked = {name: _names(own, features) for name, own in (columns or {}).items()}
    for name in (name for own in asked.values() for name in own):
        if name not in features:
            raise ValueError(
                f"expected the column `{name}`, got only {list(features)}; because it was asked for by name; "
                "correct the name."
            )
    return asked


def _names(own: str | Sequence[str], features: Features) -> tuple[str, ...]:
    if not isinstance(own, str):
        return tuple(own)
    return (own,) if own in features else tuple(name.strip() for name in own.split(","))


def choose_columns(features: Features, kind: TaskKind, asked: Columns, *, gold: Sequence[str] = ()) -> Columns:
    """Takes the columns asked for, and finds the others by their names where there is exactly one candidate.

    Args:
        features: Columns of the data and their types.
        kind: Of the task.
        asked: Of `normalise_asked`.
        gold: Standard columns that hold gold answers and may be missing.

    Returns:
        The standard columns that the data has, in the order of the kind.

    Raises:
        ValueError: If a column is not of a type that the kind reads, or cannot be told from others.
    """
    _check_asked(features, kind, asked)
    options = column_options(features, kind, asked, loose=True)
    chosen: Columns = {}
    for name, candidates in options.items():
        optional = name in gold or (kind, name) in _MAY_BE_MISSING or (name == "text_pair" and kind in _MAY_BE_PAIRS)
        if optional and not candidates:
            continue
        if len(candidates) != 1:
            raise _no_choice(name, kind, candidates, features)
        chosen[name] = candidates[0]
    if kind is TaskKind.SENTENCE_EMBEDDING and "text_pair" not in chosen:
        chosen.pop("score", None)
    if len({own for owns in chosen.values() for own in owns}) != sum(map(len, chosen.values())):
        raise ValueError(
            f"expected all columns of {kind} different, got {_shown(chosen)}; because a model must not read its own "
            "answer; name other columns."
        )
    return chosen


def check_types(features: Features, split_name: str, kind: TaskKind, chosen: Columns) -> None:
    """Checks that a split holds in the chosen columns what the kind reads; all rows may lack a value.

    Args:
        features: Columns of the split and their types; those that are not there are not its business.
        split_name: Named in errors.
        kind: Of the task.
        chosen: Of `choose_columns`, which read the types of `train`.

    Raises:
        ValueError: If a column is of another type.
    """
    for name, own in chosen.items():
        for column in own:
            feature = features.get(column)
            missing = feature is None or feature == Value("null")
            if not missing and not _is_read(feature, kind, name, own):
                raise ValueError(
                    f"expected {ROLES[kind][name].wanted} in the column `{column}` of split `{split_name}`, got "
                    f"{feature}; because it is `{name}` of {kind} in `train`; correct or leave out that split."
                )


def column_options(
    features: Features, kind: TaskKind, asked: Columns, *, loose: bool = False
) -> dict[str, list[tuple[str, ...]]]:
    """Gives, for each standard column of a kind, the columns of the data that it may be.

    Args:
        features: Columns of the data and their types.
        kind: Of the task.
        asked: Of `normalise_asked`; what is asked for is the only option, and no option of another.
        loose: Whether other types count where none of the usual one is there, such as whole numbers as scores.

    Returns:
        Standard column -> its options, none where the data has no such column.
    """
    taken = {name for own in asked.values() for name in own}
    free = Features({name: feature for name, feature in features.items() if name not in taken})
    roles = ROLES[kind]
    options = {name: _named(free, role, loose) for name, role in roles.items()}
    if kind is TaskKind.MULTIPLE_CHOICE:
        there: list[tuple[str, ...]] = [own for own in CHOICE_TEXT_NAMES if _all_texts(free, own)]
        options["text"] = there[:1]
        options["choices"] += [] if options["choices"] else _numbered_choices(free)
        own_choices = {name for names in options["choices"] for name in names}
        options["label"] = [own for own in options["label"] if own[0] not in own_choices]
    if kind is TaskKind.EXTRACTIVE_SUMMARIZATION:
        lists = [own for own in options["summaries"] if is_texts(free[own[0]])]
        options["summaries"] = lists or options["summaries"]
    if "text_pair" in roles:
        options |= _text_options(free, kind, asked, loose)
    return options | {name: [own] for name, own in asked.items() if name in roles}


def _named(free: Features, role: Role, loose: bool) -> list[tuple[str, ...]]:
    there = [name for name in role.names if name in free]
    usual: list[tuple[str, ...]] = [(name,) for name in there if role.fits(free[name])]
    return usual if usual or not loose else [(name,) for name in there if role.reads(free[name])]


def _text_options(free: Features, kind: TaskKind, asked: Columns, loose: bool) -> dict[str, list[tuple[str, ...]]]:
    single = _named(free, TEXT, loose)
    if "text" in asked or "text_pair" in asked:
        # A pair is either asked for as a whole or found as a whole: half a guess is none.
        return {"text": single, "text_pair": []}
    pairs = [own for own in PAIR_NAMES if _all_texts(free, own)]
    if not pairs and kind not in _ALWAYS_PAIRS:
        return {"text": single, "text_pair": []}
    return {"text": [(first,) for first, _ in pairs], "text_pair": [(second,) for _, second in pairs]}


def _all_texts(free: Features, names: Sequence[str]) -> bool:
    return all(name in free and is_text(free[name]) for name in names)


def _numbered_choices(free: Features) -> list[tuple[str, ...]]:
    found: dict[str, dict[int, str]] = {}
    for name, feature in free.items():
        match = NUMBERED_CHOICE.fullmatch(name)
        if match is not None and is_text(feature):
            found.setdefault(match[1], {})[int(match[2])] = name
    return [tuple(own[number] for number in sorted(own)) for own in found.values() if len(own) > 1]


def _check_asked(features: Features, kind: TaskKind, asked: Columns) -> None:
    roles = ROLES[kind]
    for name, own in asked.items():
        if name not in roles:
            raise ValueError(
                f"expected standard columns of {kind} out of {list(roles)}, got `{name}`; because only these are "
                "read; correct the name, or name another kind."
            )
        if len(own) != 1 and not (own and (kind, name) in _SEVERAL):
            raise ValueError(
                f"expected one column for `{name}` of {kind}, got {list(own)}; because a row has one; name one."
            )
        role = roles[name]
        wrong = [column for column in own if not _is_read(features[column], kind, name, own)]
        if wrong:
            raise ValueError(
                f"expected {role.wanted} in the column `{wrong[0]}`, got {features[wrong[0]]}; because it is to be "
                f"`{name}` of {kind}; name another column."
            )


def _is_read(feature: Any, kind: TaskKind, name: str, own: Sequence[str]) -> bool:  # noqa: ANN401
    if len(own) > 1:
        return is_class(feature) if kind is TaskKind.MULTI_LABEL_CLASSIFICATION else is_text(feature)
    role = ROLES[kind][name]
    return role.fits(feature) or role.reads(feature)


def _no_choice(name: str, kind: TaskKind, candidates: list[tuple[str, ...]], features: Features) -> ValueError:
    role, names = ROLES[kind][name], ["+".join(own) for own in candidates]
    found = f"{len(names)} candidates {names}" if names else "none"
    wrong = [f"`{own}` holds {features[own]} and not {role.wanted}" for own in role.names if own in features]
    told = f" ({'; '.join(wrong)})" if wrong and not names else ""
    return ValueError(
        f"expected exactly one column that can be `{name}` of {kind}, got {found} among {list(features)}{told}; "
        f"because a wrong guess would train on the wrong column; name it in `columns`, as {{'{name}': ...}}."
    )


def _shown(chosen: Columns) -> str:
    return ", ".join(f"`{name}` from {'+'.join(own)}" for name, own in chosen.items())
