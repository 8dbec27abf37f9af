"""The page itself: what the files of a folder tell, in sections of tables and pictures. It holds all that it shows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from hf_tinybert.hub.card_tables import method_words, shape_words, speed_note, training_cost, vocabulary_words
from hf_tinybert.hub.fact_tables import held_out_table, size_table
from hf_tinybert.hub.model_facts import ModelFacts
from hf_tinybert.pictures import Picture, bars
from hf_tinybert.report.comparing import ComparedTasks
from hf_tinybert.report.task_part import (
    SUMMARY_COLUMNS,
    SUMMARY_NUMBERS_FROM,
    TaskPart,
    main_score,
    summary_line,
    task_part,
)
from hf_tinybert.report.told_tasks import every_task

TEMPLATE = Path(__file__).with_name("report_template.html")
_MILLION = 1e6
_TIMES = "\N{MULTIPLICATION SIGN}"


def render_page(
    facts: ModelFacts, told: Sequence[str | None] | None = None, compared: ComparedTasks | None = None
) -> str:
    """A page in HTML, drawn from a folder's files alone; every word of data or labels in it is escaped.

    Args:
        facts: of the folder.
        told: the tasks that have a section each, all of them if none is given; a None among them is the task of a
            model that has one, or none.
        compared: what was found of them.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    loader = FileSystemLoader(TEMPLATE.parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"svg": _svg, "breakable": _breakable}
    figures, every = facts.figures or {}, every_task(facts)
    told = told or every
    parts = [task_part(facts, name, number, compared or ComparedTasks()) for number, name in enumerate(told, 1)]
    return environment.get_template(TEMPLATE.name).render(
        name=facts.name,
        tiles=_tiles(facts, parts),
        story=_story(facts),
        parts=parts,
        summary=[summary_line(facts, part) for part in parts if part.name is not None],
        summary_columns=SUMMARY_COLUMNS,
        summary_numbers_from=SUMMARY_NUMBERS_FROM,
        left_out=[name for name in every if name not in told],
        held_out=held_out_table(figures),
        sizes=_size_pictures(facts),
        size=size_table(facts),
        speed_note=speed_note(facts),
        settings=_settings(figures),
    )


def _svg(picture: Picture) -> Markup:
    """The picture's own words are escaped in it already."""
    return Markup(picture.svg())


def _breakable(text: str) -> Markup:
    """Lets the lines of long label names end after an underscore."""
    return escape(text).replace("_", Markup("_<wbr>"))


def _tiles(facts: ModelFacts, parts: Sequence[TaskPart]) -> list[tuple[str, str]]:
    """The run in a few numbers, each with its words; of several tasks the answers stand in their table."""
    tiles = []
    for part in parts:
        score = main_score(facts, part.name)
        if score is not None and score.kept is not None:
            task = f" of {part.name}" if part.name else ""
            whose = "the teachers'" if score.alone else "the teacher's"
            tiles.append((f"{score.kept:.1%}", f"of {whose} {score.metric}{task} kept on {score.split} rows"))
    several = len(facts.taught_tasks) > 1
    parameters = (facts.figures or {}).get("parameters")
    if isinstance(parameters, Mapping) and parameters.get("teacher"):
        times = parameters["teacher"] / facts.parameters
        together = several or facts.joined_teachers
        theirs = "the teachers together have" if together else "the teacher has"
        words = f"smaller: {_millions(facts.parameters)} parameters, {theirs} {_millions(parameters['teacher'])}"
        tiles.append((f"{times:.1f} {_TIMES}", words))
    for batch_size, rates in list(facts.speeds.items())[:1]:
        if rates.get("teacher"):
            times = rates["student"] / rates["teacher"]
            many = "one text" if batch_size == "1" else f"{batch_size} texts"
            than = f" than the teacher of {facts.speed_task}" if several and facts.speed_task else ""
            tiles.append((f"{times:.1f} {_TIMES}", f"faster{than}, {many} at a time"))
    comparison = parts[0].comparison if len(parts) == 1 else None
    counts = comparison["answers"] if comparison else None
    if comparison and counts:
        share = counts.get("same", 0) / max(counts.get("same", 0) + counts.get("other", 0), 1)
        of_task = f" of {comparison['task']}" if comparison["task"] else ""
        tiles.append((f"{share:.1%}", f"of its answers{of_task} on {comparison['split']} rows are the teacher's"))
    return tiles


def _story(facts: ModelFacts) -> list[tuple[str, str]]:
    """What was done, as pairs of a word and what it was; what is not known is left out."""
    record, figures, shape = facts.record or {}, facts.figures or {}, shape_words(facts.config)
    rows = ", ".join(f"{count:,} {name}" for name, count in (figures.get("rows") or {}).items())
    data = ", ".join(facts.datasets)
    teachers = "Teachers" if len(facts.taught_tasks) > 1 or facts.joined_teachers else "Teacher"
    told = {
        "Task" if facts.kind else "Tasks": str(facts.kind) if facts.kind else ", ".join(figures.get("tasks") or ()),
        teachers if facts.is_taught else "Compared with": _teacher(facts),
        "Student"
        if facts.teacher
        else "Model": f"{facts.architecture}: {shape}{', ' if shape else ''}{facts.parameters:,} parameters",
        "Fine-tuned from": facts.fine_tuned_from or "",
        "Vocabulary": vocabulary_words(facts).replace("`", ""),
        "Data": f"{data}{f' ({rows} rows)' if rows else ''}" if data else rows,
        "Method": method_words(facts).replace("`", ""),
        "Cost": training_cost(facts),
        "Software": ", ".join(f"{name} {number}" for name, number in (record.get("versions") or {}).items()),
    }
    return [(name, words) for name, words in told.items() if words]


def _teacher(facts: ModelFacts) -> str:
    """Of several teachers their names; the rest stands with their tasks."""
    if not facts.teacher or len(facts.taught_tasks) > 1:
        return facts.teacher or ""
    record, parameters = facts.record or {}, (facts.figures or {}).get("parameters")
    count = parameters.get("teacher") if isinstance(parameters, Mapping) else None
    size = f"{count:,} parameters" if count else ""
    sha256 = str(record.get("teacher_sha256") or "")[:12]
    told = [str(record.get("teacher_class") or ""), size, f"weights {sha256}" if sha256 else ""]
    details = ", ".join(part for part in told if part)
    joined = [f"{one.get('teacher')} (weight {one.get('weight', 1):g})" for one in facts.joined_teachers]
    if joined:
        return f"{len(joined)} as one: {', '.join(joined)}; together {details}; the layers are those of the first"
    return f"{facts.teacher}{f' ({details})' if details else ''}"


def _size_pictures(facts: ModelFacts) -> list[Picture]:
    figures = facts.figures or {}
    several = len(facts.taught_tasks) > 1
    teachers = "teachers" if several else "teacher"  # of whom one alone was timed
    speeds = [
        (f"Sentences per second, batch {size}", rates, ",.1f", "teacher") for size, rates in facts.speeds.items()
    ]
    measured = [
        ("Parameters", figures.get("parameters"), ",.0f", teachers),
        ("Weights in float32, MB", figures.get("megabytes"), ",.1f", teachers),
        *speeds,
    ]
    told = []
    for number, (title, values, form, of_teacher) in enumerate(measured, 1):
        if isinstance(values, Mapping):
            shown = {"student": "student", "teacher": of_teacher}
            ordered = {shown[name]: values[name] for name in shown if name in values}
            if ordered:  # trimmed and exported models tell other sizes
                told.append(bars(ordered, name=f"size-{number}", title=title, form=form))
    return told


def _settings(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every setting of the run that is not empty."""
    given = figures.get("settings") or {}
    of_tasks = {
        f"{task}: {name}": value for task, own in (given.get("tasks") or {}).items() for name, value in own.items()
    }
    others = {name: value for name, value in given.items() if name not in ("tasks", "shared")}
    told = {**of_tasks, **(given.get("shared") or {}), **others}
    return [(str(name), str(value)) for name, value in told.items() if value not in (None, "", [], {})]


def _millions(count: float) -> str:
    return f"{count / _MILLION:.1f} million" if count >= _MILLION else f"{count:,}"


__all__ = ["TEMPLATE", "render_page"]
