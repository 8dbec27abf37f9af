"""The part of a page that is one task's: what its section shows, and its line in the table of all tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hf_tinybert.hub.card_pictures import agreement_pictures
from hf_tinybert.hub.card_tables import without_model_note
from hf_tinybert.hub.fact_tables import Table, losses_table, names_without_model, scores_table
from hf_tinybert.hub.model_facts import ModelFacts, Score, last_part
from hf_tinybert.pictures import Picture, curve_panels, figures_of_task, loss_curve
from hf_tinybert.report.answer_pictures import answer_pictures
from hf_tinybert.report.comparing import ComparedTasks
from hf_tinybert.report.told_tasks import of_task, teacher_of_task

_NONE = "\N{EM DASH}"
_NO_LABELS = "no labels"


@dataclass(frozen=True)
class TaskPart:
    """What a page shows of one task.

    Attributes:
        name: of the task; None where it is the only one, and the page is about it.
        anchor: id of its section; empty likewise. Those of its parts, and of its pictures, begin with it.
        about: pairs of a word and what it was; empty likewise.
        strip: the teacher's layers, each with the student layers that imitate it.
        scores: of the task.
        without_model: what those are that need no model, in a sentence; empty without.
        curves: of its metric and terms.
        losses: terms of the last phase.
        comparison: of `comparison.json`; None without.
        without_comparison: why there is none; empty where no teacher is told of.
        agreement: maps of the layers.
        answers: matrices or scatters.
        is_taught: whether it has a teacher.
    """

    name: str | None
    anchor: str
    about: Sequence[tuple[str, str]]
    strip: Sequence[tuple[str, str]]
    scores: Table
    without_model: str
    curves: Sequence[Picture]
    losses: Table
    comparison: Mapping[str, Any] | None
    without_comparison: str
    agreement: Sequence[Picture]
    answers: Sequence[Picture]
    is_taught: bool

    @property
    def prefix(self) -> str:
        """What the ids of its parts begin with."""
        return f"{self.anchor}-" if self.anchor else ""


@dataclass(frozen=True)
class SummaryLine:
    """A task in the table of all; what is not known is a dash, or the words why.

    Attributes:
        part: that it leads to.
        cells: by the names of `SUMMARY_COLUMNS`.
    """

    part: TaskPart
    cells: Sequence[str]


SUMMARY_COLUMNS = ("kind", "metric", "split", "teacher", "this model", "kept", "rows compared", "same answers")
SUMMARY_NUMBERS_FROM = 3


def task_part(facts: ModelFacts, name: str | None, number: int, compared: ComparedTasks) -> TaskPart:
    """Gather what is one task's.

    Args:
        facts: of the folder.
        name: of the task; None of a student of one task.
        number: of the task on the page.
        compared: what was found of the tasks.
    """
    record, figures = facts.record or {}, facts.figures or {}
    anchor = "" if name is None else f"task-{number}"
    prefix = f"{anchor}-" if anchor else ""
    panels = curve_panels(figures if name is None else figures_of_task(figures, name))
    comparison = compared.found.get(name)
    kind = facts.kind if name is None else _kind(facts, name)
    mapping = (record if name is None else of_task(record, name)).get("layer_mapping") or ()
    found = {} if comparison is None else {name: comparison}
    scores = [replace(score, task=None) for score in facts.scores if score.task == name]
    return TaskPart(
        name=name,
        anchor=anchor,
        about=[] if name is None else _about(facts, name),
        strip=_strip(mapping, comparison),
        scores=scores_table(scores),
        without_model=without_model_note(names_without_model(scores)),
        curves=[loss_curve(panel, f"{prefix}curve-{place}") for place, panel in enumerate(panels, 1)],
        losses=_losses(record, name),
        comparison=comparison,
        without_comparison=compared.missing.get(name, ""),
        agreement=agreement_pictures(record, found, prefix=prefix),
        answers=answer_pictures(comparison, kind, prefix=prefix) if comparison else [],
        is_taught=teacher_of_task(facts, name) is not None,
    )


def summary_line(facts: ModelFacts, part: TaskPart) -> SummaryLine:
    """The line of one of several tasks.

    Args:
        facts: of the folder.
        part: of the task.
    """
    own, comparison = of_task(facts.figures, str(part.name)), part.comparison or {}
    score = main_score(facts, part.name)
    counts = comparison.get("answers") or {}
    whole = counts.get("same", 0) + counts.get("other", 0)
    missing = _NO_LABELS if own and not own.get("scores") else _NONE
    cells = {
        "kind": _kind(facts, str(part.name)) or _NONE,
        "metric": score.metric if score else str(own.get("main_metric") or _NONE),
        "split": score.split if score else _NONE,
        "teacher": _figure(score.teacher if score else None, missing if part.is_taught else "no teacher"),
        "this model": _figure(score.student if score else None, missing),
        "kept": f"{score.kept:.1%}" if score and score.kept is not None else _NONE,
        "rows compared": f"{comparison['rows']:,} {comparison['split']}" if comparison else _NONE,
        "same answers": f"{counts.get('same', 0) / whole:.1%}" if whole else _NONE,
    }
    return SummaryLine(part, [cells[column] for column in SUMMARY_COLUMNS])


def main_score(facts: ModelFacts, name: str | None) -> Score | None:
    """That of the main metric of a task, on the test rows where they were scored; None without.

    Args:
        facts: of the folder.
        name: of the task; None of a student of one task.
    """
    figures = facts.figures or {}
    metric = (figures if name is None else of_task(figures, name)).get("main_metric")
    own = [score for score in facts.scores if score.task == name and score.metric == metric]
    return next((score for score in own if score.split == "test"), own[0] if own else None)


def _about(facts: ModelFacts, name: str) -> list[tuple[str, str]]:
    figures = facts.figures or {}
    own, told = of_task(figures, name), of_task(facts.record, name)
    given = of_task(figures.get("settings"), name)
    rows = ", ".join(f"{count:,} {split}" for split, count in (own.get("rows") or {}).items())
    data = last_part(str(given["data"])) if given.get("data") else ""
    sha256 = str(told.get("teacher_sha256") or "")[:12]
    details = [str(told.get("teacher_class") or ""), f"weights {sha256}" if sha256 else ""]
    teacher = teacher_of_task(facts, name)
    named = f"{teacher} ({', '.join(one for one in details if one)})" if any(details) else str(teacher)
    pairs = {
        "Kind": _kind(facts, name),
        "Teacher": named if teacher else "none: learnt from labels alone",
        "Data": f"{data}{f' ({rows} rows)' if rows else ''}" if data else rows,
        "More texts": f"{own['unlabeled_rows']:,} rows without labels" if own.get("unlabeled_rows") else "",
    }
    return [(word, words) for word, words in pairs.items() if words]


def _kind(facts: ModelFacts, name: str) -> str:
    told = of_task(facts.figures, name).get("kind") or of_task(facts.config, name).get("kind")
    return str(told or "")


def _strip(mapping: Sequence[int], comparison: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Of a teacher that was compared all layers, else those up to the last that is imitated."""
    if not mapping:
        return []
    agreement = (comparison or {}).get("agreement")
    layers = range(max(max(mapping) + 1, len(agreement["hidden_states"][0]) if agreement else 0))
    return [
        (_layer(layer), ", ".join(_layer(own) for own, other in enumerate(mapping) if other == layer))
        for layer in layers
    ]


def _layer(layer: int) -> str:
    return "emb." if layer == 0 else str(layer)


def _losses(record: Mapping[str, Any], name: str | None) -> Table:
    table = losses_table(record)
    start = f"`{name}/"  # as terms of several tasks are called
    if name is None:
        return table
    rows = [[f"`{row[0].removeprefix(start)}", *row[1:]] for row in table.rows if row[0].startswith(start)]
    return Table(table.header, rows, table.numbers_from)


def _figure(value: float | None, missing: str) -> str:
    return missing if value is None else f"{value:.4g}"


__all__ = [
    "SUMMARY_COLUMNS",
    "SUMMARY_NUMBERS_FROM",
    "SummaryLine",
    "TaskPart",
    "main_score",
    "summary_line",
    "task_part",
]
