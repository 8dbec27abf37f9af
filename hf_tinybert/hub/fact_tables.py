"""The tables that tell of a model, for its card and its report: from what its folder says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hf_tinybert.hub.model_facts import ModelFacts, Score


@dataclass(frozen=True)
class Table:
    """A table, however it is shown; names of the code stand in backticks.

    Attributes:
        header: of each column.
        rows: of cells.
        numbers_from: index of the first column of numbers.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers_from: int = 1


def scores_table(scores: Sequence[Score]) -> Table:
    """Metrics by split: teacher, each of several, undistilled baseline, student, what was kept, what needs no model.

    No column without a figure.
    """
    columns: list[tuple[str, list[str]]] = []
    if any(score.task for score in scores):
        columns.append(("task", [score.task or "" for score in scores]))
    columns.append(("split", [score.split for score in scores]))
    columns.append(("metric", [score.metric for score in scores]))
    texts = len(columns)
    has_teacher = any(score.teacher is not None for score in scores)
    for name in dict.fromkeys(name for score in scores for name in score.alone):
        columns.append((f"{name} alone", [_figure(score.alone.get(name)) for score in scores]))
    if has_teacher:
        columns.append(
            (
                "teachers as one" if any(score.alone for score in scores) else "teacher",
                [_figure(score.teacher) for score in scores],
            )
        )
    if any(score.undistilled is not None for score in scores):
        columns.append(("same shape, undistilled", [_figure(score.undistilled) for score in scores]))
    columns.append(("this model", [_figure(score.student) for score in scores]))
    if has_teacher:
        columns.append(("kept", ["" if score.kept is None else f"{score.kept:.1%}" for score in scores]))
    for name in names_without_model(scores):
        columns.append((name, [_figure(score.without_model.get(name)) for score in scores]))
    names = [name for name, _ in columns]
    return Table(names, [list(row) for row in zip(*(cells for _, cells in columns), strict=True)], numbers_from=texts)


def names_without_model(scores: Sequence[Score]) -> list[str]:
    """Of the predictions without a model that some scores are seen beside, each once."""
    return list(dict.fromkeys(name for score in scores for name in score.without_model))


def size_table(facts: ModelFacts) -> Table:
    """Parameters, bytes and measured speed, beside the teacher's where they are told.

    Of several teachers parameters and bytes are those of all together, and speed is of the one that was timed.
    """
    figures = facts.figures or {}
    teacher = {key: value["teacher"] for key, value in figures.items() if _names_the_teacher(value)}
    several = len(facts.taught_tasks) > 1
    size = teacher.get("megabytes")
    header = ["", *(["teachers together" if several else "teacher"] if teacher else []), "this model"]

    def row(label: str, of_teacher: str, own: str) -> list[str]:
        return [label, *([of_teacher] if teacher else []), own]

    rows = [
        row("parameters", f"{teacher['parameters']:,}" if "parameters" in teacher else "", f"{facts.parameters:,}"),
        row("weights, MB", f"{size:.1f}" if size else "", f"{facts.weight_bytes / 1e6:.3g}"),
    ]
    for batch_size, rates in facts.speeds.items():
        timed = f" (teacher of {facts.speed_task} alone)" if several and facts.speed_task else ""
        label = f"sentences per second, batch {batch_size}{timed}"
        rows.append(row(label, _rate(rates.get("teacher"), batch_size), _rate(rates["student"], batch_size)))
    return Table(header, rows)


def mapping_table(record: Mapping[str, Any]) -> Table:
    """Which teacher layer each student layer imitates; of several tasks, a column each."""
    tasks = record.get("tasks") or {}
    named = {f"teacher of {name}": told["layer_mapping"] for name, told in tasks.items() if told.get("layer_mapping")}
    mappings = named or {"teacher layer": record.get("layer_mapping") or []}
    layers = range(max((len(mapping) for mapping in mappings.values()), default=0))
    rows = [
        [_layer(layer), *(_layer(mapping[layer]) if layer < len(mapping) else "" for mapping in mappings.values())]
        for layer in layers
    ]
    return Table(["student layer", *mappings], rows)


def losses_table(record: Mapping[str, Any]) -> Table:
    """Terms of the last phase: weight, and the last value on training and evaluation rows."""
    metrics: Mapping[str, float] = record.get("metrics") or {}
    rows = []
    for name, weight in (record.get("loss_weights") or {}).items():
        # terms of a multi-task student are called task/term here and in training, and task_term in evaluation
        values = (metrics.get(key) for key in (str(name), f"eval_{str(name).replace('/', '_')}"))
        rows.append([f"`{name}`", _weight(weight), *(_figure(value) for value in values)])
    return Table(["term", "weight", "last on training rows", "last on evaluation rows"], rows)


def held_out_table(figures: Mapping[str, Any]) -> Table:
    """Of a general student: terms on held-out text before and after; without rows for others."""
    held_out = figures.get("held_out") or {}
    before = held_out.get("before") or {}
    rows = [[f"`{n}`", _figure(before.get(n)), _figure(v)] for n, v in (held_out.get("after") or {}).items()]
    return Table(["term", "before", "after"], rows)


def _names_the_teacher(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("teacher"), int | float)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _rate(rate: float | None, batch_size: str) -> str:
    if rate is None:
        return ""
    return f"{rate:,.1f} ({1000 / rate:,.1f} ms each)" if batch_size == "1" and rate > 0 else f"{rate:,.1f}"


def _layer(layer: int) -> str:
    return "embeddings" if layer == 0 else str(layer)


def _weight(weight: object) -> str:
    if isinstance(weight, Mapping):
        return f"{weight.get('start')} to {weight.get('end')}"
    return str(weight)


__all__ = [
    "Table",
    "held_out_table",
    "losses_table",
    "mapping_table",
    "names_without_model",
    "scores_table",
    "size_table",
]
