"""Which tasks a page tells of, and which of them have a teacher that the student is compared with."""

from collections.abc import Mapping
from typing import Any

from hf_tinybert.hub.model_facts import ModelFacts
from hf_tinybert.report.report_settings import ReportSettings


def told_tasks(settings: ReportSettings, facts: ModelFacts) -> list[str | None]:
    """The tasks of the page in the order of the run; one without a name where the model has one head, or none.

    Args:
        settings: what was asked for.
        facts: of the folder.

    Raises:
        ValueError: a task is named that the model does not have, or data or a teacher for several tasks, or for a
            model that is compared with nothing.
    """
    known = task_names(facts)
    strange = [name for name in settings.tasks if name not in known]
    if strange:
        of = f"one of the tasks {', '.join(f'`{name}`' for name in known)}" if known else "a multi-task model"
        alone = "it is a general student" if is_general(facts) else "it has one head"
        why = "it has no other head" if known else alone
        raise ValueError(
            f"expected {of} of `{settings.folder}` for `--task`, got {', '.join(f'`{name}`' for name in strange)}; "
            f"because {why}; leave {'that' if known else 'the task'} out"
        )
    told = [name for name in every_task(facts) if name in settings.tasks or not settings.tasks]
    _check_options(settings, facts, told)
    return told


def task_names(facts: ModelFacts) -> list[str]:
    """All tasks of a multi-task student; none of a model with one head, and of a general student, which answers none.

    Args:
        facts: of the folder.
    """
    if is_general(facts):
        return []
    told = [(file or {}).get("tasks") or () for file in (facts.figures, facts.record)]
    return list(dict.fromkeys(str(name) for names in (*told, facts.heads) for name in names))


def every_task(facts: ModelFacts) -> list[str | None]:
    """The names of all tasks; one None of a model that has one head, or none.

    Args:
        facts: of the folder.
    """
    names = task_names(facts)
    return [*names] if names else [None]


def is_general(facts: ModelFacts) -> bool:
    """Whether a student of `pretrain` answers nothing yet."""
    return bool((facts.figures or {}).get("held_out"))


def teacher_of_task(facts: ModelFacts, name: str | None) -> str | None:
    """Name of the teacher of a task; None of one that is learnt from labels alone.

    Args:
        facts: of the folder.
        name: of the task; None of a student of one task.
    """
    if name is None:
        return facts.teacher
    told = (of_task(file, name).get("teacher") for file in (facts.figures, facts.record))
    return next((str(one) for one in told if one), None)


def of_task(file: Mapping[str, Any] | None, name: str) -> dict[str, Any]:
    """What a file tells of one of its tasks; empty where that is nothing.

    Args:
        file: its content; None where there is no such file.
        name: of the task.
    """
    return dict(((file or {}).get("tasks") or {}).get(name) or {})


def is_comparable(settings: ReportSettings, facts: ModelFacts, name: str | None) -> bool:
    """Whether there is a teacher to compare a task with, of the run or named."""
    return bool(teacher_of_task(facts, name) or settings.teacher) and not is_general(facts)


def _check_options(settings: ReportSettings, facts: ModelFacts, told: list[str | None]) -> None:
    given = [f"`--{name}`" for name in ("data", "teacher") if getattr(settings, name) is not None]
    given += ["`--column`"] if settings.columns else []
    if given and len(told) > 1:
        raise ValueError(
            f"expected one task for {' and '.join(given)}, got {', '.join(f'`{name}`' for name in told)}; because "
            "each has data and a teacher of its own; name one by `--task`"
        )
    if given and not is_comparable(settings, facts, told[0]):
        raise ValueError(
            f"expected a model that is compared with a teacher for {' and '.join(given)}, got `{settings.folder}`; "
            "because it is a general student, which answers nothing yet, or no teacher taught it; leave that out"
        )


__all__ = ["every_task", "is_comparable", "is_general", "of_task", "task_names", "teacher_of_task", "told_tasks"]
