"""A recipe of several tasks: `tasks`, by the name of the head, beside the settings that they share."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from hf_tinybert.cli.recipe import TASKS, check_keys, checked
from hf_tinybert.cli.recipe_file import PlacedValues, overlaid
from hf_tinybert.cli.recipe_settings import (
    check_complete,
    checked_fields,
    on_command_line,
    recipe_settings,
    same_named,
)

if TYPE_CHECKING:
    from hf_tinybert.workflow import MultiTaskSettings

_SAMPLING = "sampling"
_OF_ONE_TASK = ("data", "teacher")


def has_tasks(context: typer.Context) -> bool:
    """Whether the recipe is of several tasks."""
    return TASKS in recipe_settings(context).values


def configured_tasks(context: typer.Context, given: Mapping[str, Any]) -> "MultiTaskSettings":
    """The settings of a multi-task distillation.

    Args:
        context: of the verb.
        given: fields of `DistilSettings`, as for `configured`; those on the command line are shared by all tasks.

    Raises:
        ValueError: see `task_settings`.
    """
    from hf_tinybert.workflow import DistilSettings

    options = {**same_named(context, DistilSettings), **given}
    settings = task_settings(recipe_settings(context), on_command_line(context, options))
    check_complete(context, *_OF_ONE_TASK)
    return settings


def task_settings(recipe: PlacedValues, options: Mapping[str, Any]) -> "MultiTaskSettings":
    """The settings of a recipe of several tasks.

    What the tasks share is written out whole, defaults as well: two runs of one recipe are the same run, whatever a
    later version takes by default.

    Args:
        recipe: its keys.
        options: fields of `DistilSettings` that are shared by all tasks, and win over the recipe's.

    Raises:
        ValueError: a key that there is not, a value of another type or out of range, data or a teacher beside the
            tasks, or an option that a task has a value of its own for.
    """
    from hf_tinybert.workflow import DistilSettings, MultiTaskSettings
    from hf_tinybert.workflow.multitask_settings import OF_A_TASK

    fields = list(DistilSettings.__dataclass_fields__)
    check_keys(recipe, [TASKS, _SAMPLING, *fields], "a recipe with `tasks`")
    beside = {key: value for key, value in recipe.values.items() if key not in (TASKS, _SAMPLING)}
    lonely = [name for name in _OF_ONE_TASK if name in beside or name in options]
    if lonely:
        raise ValueError(
            f"{recipe.place(TASKS)}: expected {' and '.join(f'`{name}`' for name in lonely)} in each of the `tasks`, "
            "got it beside them; because each task has its own; write it there"
        )
    tasks = _tasks(recipe)
    _check_not_own(tasks, options)
    shared = overlaid(checked_fields(PlacedValues(beside, recipe.places), DistilSettings), options)
    sampling = checked(
        recipe.values.get(_SAMPLING, MultiTaskSettings.sampling), str, _SAMPLING, recipe.place(_SAMPLING)
    )
    settings = MultiTaskSettings(tasks=tasks, shared=shared, sampling=sampling)
    whole = settings.of_task(settings.base)
    kept = {name: getattr(whole, name) for name in fields if name not in OF_A_TASK}
    return MultiTaskSettings(tasks=settings.tasks, shared={**shared, **kept}, sampling=sampling)


def tasks_as_recipe(settings: "MultiTaskSettings") -> dict[str, Any]:
    """The settings as a recipe has them."""
    values = settings.to_json()
    return {TASKS: values["tasks"], _SAMPLING: values["sampling"], **values["shared"]}


def _check_not_own(tasks: Mapping[str, Mapping[str, Any]], options: Mapping[str, Any]) -> None:
    """An option wins over a recipe; but what a task has of its own is that of no other task."""
    for field in options:
        having = [name for name, own in tasks.items() if field in own]
        if having:
            raise ValueError(
                f"expected `{field}` from the command line or from the tasks, got it from both, of the tasks "
                f"{', '.join(f'`{name}`' for name in having)}; because theirs would win without a word; write "
                f"`--set tasks.{having[0]}.{field}=VALUE`, or take it out of the recipe"
            )


def _tasks(recipe: PlacedValues) -> dict[str, dict[str, Any]]:
    """Every task's own fields, in their types."""
    from hf_tinybert.workflow import DistilSettings

    tasks = checked(recipe.values[TASKS], dict[str, dict[str, Any]], TASKS, recipe.place(TASKS))
    typed = {}
    for name, own in tasks.items():
        inner = {path[2:]: place for path, place in recipe.places.items() if path[:2] == (TASKS, name)}
        # no teacher, said by its key: as where the key is missing
        placed = PlacedValues({key: one for key, one in own.items() if (key, one) != ("teacher", None)}, inner)
        check_keys(placed, DistilSettings.__dataclass_fields__, f"the task `{name}`")
        typed[name] = checked_fields(placed, DistilSettings)
    return typed


__all__ = ["configured_tasks", "has_tasks", "task_settings", "tasks_as_recipe"]
