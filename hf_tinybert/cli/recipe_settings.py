"""The settings of a verb from its options and its recipe, shown before a run and kept beside what it writes."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_type_hints

import typer
from rich.console import Console
from rich.markup import escape

from hf_tinybert import __version__
from hf_tinybert.cli.loading import leads
from hf_tinybert.cli.recipe import OPTIONS_OF_FIELD, RUN_KEYS, check_keys, checked, recipe_text
from hf_tinybert.cli.recipe_file import PlacedValues, overlaid
from hf_tinybert.cli.recipe_verb import MISSING_KEYS, RECIPE, stands_on_command_line
from hf_tinybert.run_folder import RUN_FILE, differences

RECIPE_FILE = "recipe.yaml"


class Settings(Protocol):
    """Settings of a verb: a dataclass of JSON values."""

    def __init__(self, **values: Any) -> None: ...  # noqa: ANN401

    def to_json(self) -> dict[str, Any]:
        """All of them."""


_Settings = TypeVar("_Settings", bound=Settings)


def configured(context: typer.Context, kind: type[_Settings], /, **given: Any) -> _Settings:  # noqa: ANN401
    """The settings of a run.

    Args:
        context: of the verb.
        kind: dataclass of the settings.
        given: its fields whose options have another name or form; of the others, `same_named` has them. Each counts
            where its option stands on the command line, and where neither recipe nor `--set` has the field.

    Raises:
        ValueError: a key that there is not, a value of another type or out of range.
    """
    recipe = recipe_settings(context)
    check_keys(recipe, [*_field_types(kind), *_run_keys(context)], f"`{context.info_name}`")
    check_complete(context)
    options, values = {**same_named(context, kind), **given}, checked_fields(recipe, kind)
    return kind(**overlaid({**options, **values}, on_command_line(context, options)))


def same_named(context: typer.Context, kind: type) -> dict[str, Any]:
    """The fields of a dataclass that have the name of an option, as the option has them.

    Args:
        context: of the verb.
        kind: dataclass of the settings.
    """
    return {name: context.params[name] for name in _field_types(kind) if name in context.params}


def check_complete(context: typer.Context, *others: str) -> None:
    """Refuse a recipe without a key that is needed, where no argument has it either.

    Args:
        context: of the verb.
        others: keys that are not needed.

    Raises:
        ValueError: with the keys.
    """
    missing = [key for key in context.meta[MISSING_KEYS] if key not in others]
    if missing:
        names = " and ".join(f"`{key}`" for key in missing)
        raise ValueError(
            f"expected {names} in the recipe of `{context.info_name}` or beside it, got neither; write it there "
            f"(`hf-tinybert {context.info_name} --help`)"
        )


def recipe_settings(context: typer.Context) -> PlacedValues:
    """The keys of the recipe that are settings, or that nothing is."""
    recipe: PlacedValues = context.meta[RECIPE]
    others = _run_keys(context)
    return PlacedValues({key: value for key, value in recipe.values.items() if key not in others}, recipe.places)


def on_command_line(context: typer.Context, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those fields of which an option stands on the command line."""
    return {
        name: value
        for name, value in given.items()
        if any(stands_on_command_line(context, option) for option in OPTIONS_OF_FIELD.get(name, (name,)))
    }


def checked_fields(given: PlacedValues, kind: type) -> dict[str, Any]:
    """Values of a recipe in the types of a dataclass.

    Args:
        given: values by field.
        kind: dataclass.

    Raises:
        ValueError: a value of another type.
    """
    types = _field_types(kind)
    return {key: checked(value, types[key], key, given.place(key)) for key, value in given.values.items()}


@contextmanager
def recipe_kept(
    context: typer.Context,
    settings: Settings,
    file: Path,
    console: Console,
    *,
    recipe: Mapping[str, Any] | None = None,
    defaults_of: type | None = None,
) -> Iterator[None]:
    """Show the settings of the run within, and keep all of them as a recipe.

    It is written when the run is done, and when it stops after it has claimed its folder, which `run.json` tells.

    Args:
        context: of the verb.
        settings: of the run.
        file: to write.
        console: for people.
        recipe: the settings as a recipe has them; None where it has them as they are.
        defaults_of: dataclass whose defaults are not shown; None for that of the settings.
    """
    values = settings.to_json()
    recipe = values if recipe is None else recipe
    _show(recipe, defaults_of or type(settings), file, console)
    done = False
    try:
        yield
        done = True
    finally:
        if leads() and (done or _claimed(file.parent, values)):
            run = {key: context.params[key] for key in _run_keys(context)}
            given = {key: value for key, value in run.items() if value is not None}
            paths = {key: value if isinstance(value, int) else str(value) for key, value in given.items()}
            verb = str(context.info_name)
            temporary = file.with_name(f"{file.name}.partial")
            temporary.write_text(recipe_text({**recipe, **paths}, verb, __version__), encoding="utf-8")
            os.replace(temporary, file)


def _run_keys(context: typer.Context) -> list[str]:
    return [key for key in RUN_KEYS if key in context.params]


def _field_types(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in _fields(kind)}


def _show(values: Mapping[str, Any], defaults_of: type, file: Path, console: Console) -> None:
    """What is not as by default, in one line."""
    defaults = json.loads(json.dumps({field.name: _default(field) for field in _fields(defaults_of)}))
    shown = [
        f"{key}={json.dumps(value, ensure_ascii=False)}"
        for key, value in values.items()
        if value != defaults.get(key, MISSING)
    ]
    rest = len(values) - len(shown)
    line = f"  settings: {'  '.join(shown)}   {rest} by default; all in {file}"
    console.print(escape(line), highlight=False, soft_wrap=True)


def _fields(kind: Any) -> tuple[Field[Any], ...]:  # noqa: ANN401 (a dataclass)
    return fields(kind)


def _default(field: Field[Any]) -> Any:  # noqa: ANN401
    if field.default_factory is not MISSING:
        return field.default_factory()
    return None if field.default is MISSING else field.default


def _claimed(folder: Path, values: Mapping[str, Any]) -> bool:
    """Whether the folder belongs to a run with these settings."""
    file = folder / RUN_FILE
    if not file.is_file():
        return False
    began = json.loads(file.read_text(encoding="utf-8")).get("settings")
    return isinstance(began, dict) and not any(differences(began, values))


__all__ = [
    "RECIPE_FILE",
    "Settings",
    "check_complete",
    "checked_fields",
    "configured",
    "on_command_line",
    "recipe_kept",
    "recipe_settings",
    "same_named",
]
