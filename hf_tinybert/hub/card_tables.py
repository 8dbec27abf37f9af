"""The tables and sentences of a model card, from what a folder says of its model."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hf_tinybert.hub.model_facts import ModelFacts, Score

_SPEED = "sentences_per_second"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers_from: int = 1) -> str:
    """A table in markdown; cells from `numbers_from` on are set to the right.

    Args:
        header: of each column.
        rows: of cells; what would end a cell or a line is escaped.
        numbers_from: index of the first column of numbers.
    """
    rule = ["---" if index < numbers_from else "---:" for index in range(len(header))]
    lines = [header, rule, *([cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def scores_table(scores: Sequence[Score]) -> str:
    """Metrics by split: teacher, undistilled baseline, student and what was kept; no column without a figure."""
    columns: list[tuple[str, list[str]]] = []
    if any(score.task for score in scores):
        columns.append(("task", [score.task or "" for score in scores]))
    columns.append(("split", [score.split for score in scores]))
    columns.append(("metric", [score.metric for score in scores]))
    texts = len(columns)
    has_teacher = any(score.teacher is not None for score in scores)
    if has_teacher:
        columns.append(("teacher", [_figure(score.teacher) for score in scores]))
    if any(score.undistilled is not None for score in scores):
        columns.append(("same shape, undistilled", [_figure(score.undistilled) for score in scores]))
    columns.append(("this model", [_figure(score.student) for score in scores]))
    if has_teacher:
        columns.append(("kept", ["" if score.kept is None else f"{score.kept:.1%}" for score in scores]))
    names = [name for name, _ in columns]
    return markdown_table(names, zip(*(cells for _, cells in columns), strict=True), numbers_from=texts)


def size_table(facts: ModelFacts) -> str:
    """Parameters, bytes and measured speed, beside the teacher's where they are told."""
    figures = facts.figures or {}
    teacher = {key: value["teacher"] for key, value in figures.items() if _names_the_teacher(value)}
    header = ["", *(["teacher"] if teacher else []), "this model"]

    def row(label: str, of_teacher: str, own: str) -> list[str]:
        return [label, *([of_teacher] if teacher else []), own]

    rows = [
        row("parameters", f"{teacher['parameters']:,}" if "parameters" in teacher else "", f"{facts.parameters:,}"),
        row("weights, MB", f"{teacher.get('megabytes', '')}", f"{facts.weight_bytes / 1e6:.3g}"),
    ]
    speeds: Mapping[str, Any] = figures.get(_SPEED) or {}
    for batch_size, rates in speeds.items():
        label = f"sentences per second, batch {batch_size}"
        rows.append(row(label, _rate(rates.get("teacher"), batch_size), _rate(rates["student"], batch_size)))
    return markdown_table(header, rows)


def speed_note(facts: ModelFacts) -> str:
    """On what machine speed was measured, or that it was not."""
    figures = facts.figures or {}
    if not figures.get(_SPEED):
        return "Speed and latency were not measured."
    machine = machine_words(figures) or "a machine that is not told"
    return f"Speed was measured on {machine}; tokenising is not counted."


def machine_words(figures: Mapping[str, Any]) -> str:
    """The machine of a run in words; empty where it is not told."""
    machine = figures.get("machine") or {}
    if not machine:
        return ""
    accelerator = machine.get("accelerator", "none")
    on = "" if accelerator == "none" else f", {accelerator}"
    return (
        f"{machine.get('cores')} cores of {machine.get('processor')} ({machine.get('instructions')}), "
        f"{machine.get('torch_threads')} threads{on}, torch {machine.get('torch')}"
    )


def mapping_table(record: Mapping[str, Any]) -> str:
    """Which teacher layer each student layer imitates; of several tasks, a column each."""
    tasks = record.get("tasks") or {}
    named = {f"teacher of {name}": told["layer_mapping"] for name, told in tasks.items() if told.get("layer_mapping")}
    mappings = named or {"teacher layer": record.get("layer_mapping") or []}
    layers = range(max((len(mapping) for mapping in mappings.values()), default=0))
    rows = [
        [_layer(layer), *(_layer(mapping[layer]) if layer < len(mapping) else "" for mapping in mappings.values())]
        for layer in layers
    ]
    return markdown_table(["student layer", *mappings], rows) if rows else ""


def losses_table(record: Mapping[str, Any]) -> str:
    """Terms of the last phase: weight, and the last value on training and evaluation rows."""
    metrics: Mapping[str, float] = record.get("metrics") or {}
    rows = []
    for name, weight in (record.get("loss_weights") or {}).items():
        # terms of a multi-task student are called task/term here, and task_term in the logs
        logged = str(name).replace("/", "_")
        values = (metrics.get(key) for key in (logged, f"eval_{logged}"))
        rows.append([f"`{name}`", _weight(weight), *(_figure(value) for value in values)])
    return markdown_table(["term", "weight", "last on training rows", "last on evaluation rows"], rows) if rows else ""


def held_out_table(figures: Mapping[str, Any]) -> str:
    """Of a general student: terms on held-out text before and after; empty for others."""
    held_out = figures.get("held_out") or {}
    before = held_out.get("before") or {}
    rows = [[f"`{n}`", _figure(before.get(n)), _figure(v)] for n, v in (held_out.get("after") or {}).items()]
    return markdown_table(["term", "before", "after"], rows) if rows else ""


def training_cost(facts: ModelFacts) -> str:
    """How long the run took, in a sentence; empty where no file tells."""
    figures, record = facts.figures or {}, facts.record or {}
    told = figures.get("seconds", record.get("seconds"))
    if told is None:
        return ""
    parts = {"total": told} if isinstance(told, int | float) else {str(k): v for k, v in told.items()}
    total = parts.pop("total", None)
    stages = ", ".join(f"{name} {value:,.1f} s" for name, value in parts.items())
    whole = f"{total:,.1f} s in all" if total is not None else ""
    machine = machine_words(figures)
    return f"{stages}{'; ' if stages and whole else ''}{whole}{f', on {machine}' if machine else ''}."


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
    "held_out_table",
    "losses_table",
    "machine_words",
    "mapping_table",
    "markdown_table",
    "scores_table",
    "size_table",
    "speed_note",
    "training_cost",
]
