"""A recipe: the settings of a verb in YAML, with `--set KEY=VALUE` over them.

The keys are the fields of the verb's settings (`hf_tinybert.workflow`, `hf_tinybert.export`) and `RUN_KEYS`. They may
stand at the top level, or in a section that has the verb's name; then the top level is for every verb that the recipe
has a section for. Folders and files are relative to the working directory, as on the command line: a value means the
same wherever it is given, and none is taken for a Hub name or the other way round because of where a recipe lies.
"""

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from hf_tinybert.cli.recipe_file import PlacedValues, overlaid, read_value, read_values, write_values

RECIPE_VERBS = ("pretrain", "finetune", "augment", "distill", "trim-vocab", "export")
RUN_KEYS: Mapping[str, Any] = {"output": str, "blocks": str | None, "num_proc": int, "report": bool}
"""Where a run writes, with how many processes and whether with a page: options that are no settings, because no result
depends on them."""
TASKS = "tasks"
OPTIONS_OF_FIELD: Mapping[str, tuple[str, ...]] = {
    "columns": ("column",),
    "learning_rate_factors": ("learning_rate_factor",),
    "loss_weights": ("loss_weight",),
    "phases": ("phase",),
    "score_test": ("test",),
    "tasks": ("task", "task_kind", "task_weight"),
    "teacher_task": ("task",),
}
"""Where options have not the name of their field: repeated ones are plural in a recipe, and two are short."""


def read_recipe(file: Path | None, assignments: Iterable[str], verb: str) -> PlacedValues:
    """The keys of a recipe that are for a verb, with assignments over them.

    Args:
        file: YAML; None where there are assignments alone.
        assignments: `KEY=VALUE` with a value in YAML; dots lead into mappings: `columns.text=body`.
        verb: name on the command line.

    Raises:
        FileNotFoundError: no such recipe.
        ValueError: broken YAML, no section for the verb, or an assignment that is none.
    """
    recipe = PlacedValues({}, {}) if file is None else _for_verb(read_values(file), verb, file)
    for one in assignments:
        recipe = recipe.overlaid(_assigned(one))
    return recipe


def check_keys(given: PlacedValues, keys: Iterable[str], owner: str) -> None:
    """Refuse a key that there is not.

    Args:
        given: keys and where they stand.
        keys: that there are.
        owner: what has them, for the message.

    Raises:
        ValueError: with the place and the nearest right name.
    """
    known = list(keys)
    for key in given.values:
        if key not in known:
            place, nearest = given.place(key), _nearest(key, known)
            advice = f"did you mean `{nearest}`?" if nearest else f"there are {', '.join(sorted(known))}"
            raise ValueError(f"{place}: expected a key of {owner}, got `{key}`; {advice}")


def checked(value: Any, kind: Any, key: str, place: str) -> Any:  # noqa: ANN401 (any plain value, any type)
    """A value of a recipe as its field has it: a list as a tuple, a whole number for a number.

    Args:
        value: plain.
        kind: type of the field.
        key: its name, for the message.
        place: where it stands, for the message.

    Raises:
        ValueError: another type, with value and place.
    """
    # strict and as JSON: no text is taken for a number or the other way round, and lists may become tuples
    try:
        return TypeAdapter(kind).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # of a field of several types the error names the type that was tried
        tried = {one.__name__ if isinstance(one, type) else str(one) for one in get_args(kind)}
        entry = ".".join([key, *(str(part) for part in first["loc"] if part not in tried)])
        wanted = first["msg"].replace("Input should be ", "")
        raise ValueError(f"{place}: expected `{entry}` as {wanted}, got {first['input']!r}") from error


def recipe_text(values: Mapping[str, Any], verb: str, version: str) -> str:
    """A whole recipe of one verb, as a file has it.

    Args:
        values: all keys, defaults as well.
        verb: name on the command line.
        version: of this package.
    """
    head = (
        f"# All settings of a run of `hf-tinybert {verb}`, version {version}. The same run again, from the same\n"
        f"# working directory: hf-tinybert {verb} THIS-FILE --output ANOTHER-FOLDER\n"
    )
    return head + write_values({verb: dict(values)})


def _for_verb(read: PlacedValues, verb: str, file: Path) -> PlacedValues:
    # `augment` is a key of `distill` too: a text
    sections = [name for name in RECIPE_VERBS if isinstance(read.values.get(name), Mapping)]
    if not sections:
        return read
    if verb not in sections:
        raise ValueError(
            f"{file}: expected a section `{verb}`, got {', '.join(f'`{name}`' for name in sections)}; because a "
            "recipe with sections has one for each verb that it is for; add it, if need be empty: `{}`"
        )
    shared = {key: value for key, value in read.values.items() if key not in sections}
    inner = {path[1:]: place for path, place in read.places.items() if path[0] == verb and len(path) > 1}
    return PlacedValues(overlaid(shared, read.values[verb]), {**read.places, **inner})


def _assigned(assignment: str) -> PlacedValues:
    name, sign, text = assignment.partition("=")
    place = f"--set {assignment}"
    path = tuple(name.split("."))
    if not sign or not all(path):
        raise ValueError(f"expected `--set KEY=VALUE`, got `{place}`; because both are needed; write `--set epochs=3`")
    value = read_value(text, place)
    for key in reversed(path):
        value = {key: value}
    return PlacedValues(value, {path: place, path[:1]: place})


def _nearest(key: str, known: list[str]) -> str | None:
    plain = key.strip("-").replace("-", "_")
    if plain in known:
        return plain
    told_by_it = [field for field in known if plain in OPTIONS_OF_FIELD.get(field, ())]
    return next(iter(told_by_it or difflib.get_close_matches(plain, known, n=1)), None)


__all__ = [
    "OPTIONS_OF_FIELD",
    "RECIPE_VERBS",
    "RUN_KEYS",
    "TASKS",
    "check_keys",
    "checked",
    "read_recipe",
    "recipe_text",
]
