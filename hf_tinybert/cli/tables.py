"""The figures of a run as tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table


def add_columns(table: Table, names: Iterable[str], of: str = "") -> None:
    """A column that says what is told, broken on a narrow screen, and columns of figures, of which none is cut.

    Args:
        table: that has no columns yet.
        names: of the columns of figures.
        of: what the first column has.
    """
    table.add_column(of, overflow="fold")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)


def scores_table(figures: Mapping[str, Any]) -> Table:
    """What `finetune` gives: metrics by split, below each those without a model, then size and seconds."""
    splits, names = list(figures["scores"]), _names_without_model([figures])
    title = f"{figures['kind']}, {figures['rows']['train']:,} training rows"
    table = Table(title=title, caption=_caption(names), caption_justify="left")
    add_columns(table, splits)
    for metric in _metrics(figures["scores"].values()):
        table.add_row(metric, *(f"{figures['scores'][split][metric]:.4g}" for split in splits))
        for name in names:
            of_splits = (figures["without_model"].get(split, {}) for split in splits)
            table.add_row(f"{metric}, {name}", *(_cell(found.get(name, {}).get(metric)) for found in of_splits))
    for label, value in (
        ("parameters", f"{figures['parameters']:,}"),
        ("megabytes", f"{figures['megabytes']:.1f}"),
        ("seconds", f"{figures['seconds']:.1f}"),
    ):
        table.add_row(label, value, *[""] * (len(splits) - 1))
    return table


def retention_table(figures: Mapping[str, Any]) -> Table:
    """What `distill` gives: metrics of teacher and student by split and what was kept, then sizes and seconds."""
    names = _names_without_model([figures])
    title = f"{figures['kind']}, {figures['rows']['train']:,} training rows"
    table = Table(title=title, caption=_caption(names), caption_justify="left")
    add_columns(table, ("teacher", "student", "kept", *names))
    _add_scores(table, figures, names)
    for label, form in (("parameters", "{:,}"), ("megabytes", "{:.1f}")):
        teacher, student = figures[label]["teacher"], figures[label]["student"]
        table.add_row(label, form.format(teacher), form.format(student), _share(student, teacher))
    for stage, seconds in figures["seconds"].items():
        table.add_row(f"seconds, {stage}", "", f"{seconds:.1f}", "")
    return table


def tasks_table(figures: Mapping[str, Any]) -> Table:
    """What `distill` gives for several tasks: metrics of each by split and what was kept, then sizes and seconds."""
    names = _names_without_model(figures["tasks"].values())
    table = Table(title=f"{len(figures['tasks'])} tasks", caption=_caption(names), caption_justify="left")
    add_columns(table, ("teacher", "student", "kept", *names))
    for task, own in figures["tasks"].items():
        _add_scores(table, own, names, f"{task}, ")
    for label, form in (("parameters", "{:,}"), ("megabytes", "{:.1f}")):
        table.add_row(label, form.format(figures[label]["teacher"]), form.format(figures[label]["student"]), "")
    table.add_row("seconds", "", f"{figures['seconds']['total']:.1f}", "")
    return table


def pretraining_table(figures: Mapping[str, Any]) -> Table:
    """What `pretrain` gives: terms on held-out blocks before and after, then text, size and speed."""
    before, after = figures["held_out"]["before"], figures["held_out"]["after"]
    table = Table(title=f"{figures['documents']:,} documents, {figures['tokens']:,} tokens")
    add_columns(table, ("before", "after"))
    for term, value in after.items():
        table.add_row(escape(f"held-out {term}"), f"{before[term]:.4g}", f"{value:.4g}")
    for label, form, key in (
        ("blocks", "{:,}", "blocks"),
        ("steps", "{:,}", "steps"),
        ("tokens seen", "{:,}", "tokens_seen"),
        ("tokens per second", "{:,.0f}", "tokens_per_second"),
        ("hours for 1,000,000,000 tokens", "{:,.1f}", "hours_per_billion_tokens"),
        ("modelled operations per token", "{:.3g}", "operations_per_token"),
        ("operations per second", "{:.3g}", "operations_per_second"),
        ("seconds", "{:,.1f}", "seconds"),
        ("parameters", "{:,}", "parameters"),
        ("megabytes", "{:.1f}", "megabytes"),
    ):
        if key in figures:  # runs that were finished earlier tell no operations
            table.add_row(label, "", form.format(figures[key]))
    for name, task in figures.get("tasks", {}).items():
        table.add_row(escape(f"steps of {name}"), "", f"{task['steps']:,}")
    return table


def augmentation_table(figures: Mapping[str, Any]) -> Table:
    """What `augment` gives: rows, words that may change, and the time."""
    table = Table(title=f"{figures['kind']}, {figures['new_rows']:,} new rows")
    add_columns(table, ("",))
    for label, key in (
        ("rows", "rows"),
        ("of which gave none", "unchanged_rows"),
        ("words, no stop words", "words"),
        ("of which have candidates", "words_with_candidates"),
    ):
        table.add_row(label, f"{figures[key]:,}")
    table.add_row("seconds", f"{figures['seconds']:,.1f}")
    return table


def export_table(figures: Mapping[str, Any]) -> Table:
    """What `export` gives: metrics of model and exported model, the largest difference, sizes and seconds."""
    table = Table(title=escape(f"{figures['model']} to {figures['to']}"))
    add_columns(table, ("model", "exported"))
    scores = figures["scores"] or {}
    for metric in _metrics(scores.values()):
        table.add_row(metric, *(f"{scores[name][metric]:.4g}" for name in ("model", "exported")))
    table.add_row("megabytes", *(f"{figures['megabytes'][name]:.1f}" for name in ("model", "exported")))
    table.add_row("largest difference of a number", "", f"{figures['largest_difference']:.3g}")
    table.add_row("seconds", "", f"{figures['seconds']:.1f}")
    return table


def vocabulary_table(figures: Mapping[str, Any]) -> Table:
    """What `trim-vocab` gives: sizes before and after, and what became of the texts."""
    table = Table(title=f"{figures['pieces']['after']:,} of {figures['pieces']['before']:,} pieces")
    add_columns(table, ("before", "after", "left"))
    for label, form, key in (
        ("pieces", "{:,}", "pieces"),
        ("parameters", "{:,}", "parameters"),
        ("of which embeddings", "{:,}", "embedding_parameters"),
        ("megabytes", "{:,.1f}", "megabytes"),
        ("tokens of the texts", "{:,}", "tokens"),
        ("unknown tokens", "{:,}", "unknown"),
    ):
        before, after = figures[key]["before"], figures[key]["after"]
        table.add_row(label, form.format(before), form.format(after), _share(after, before))
    if figures["covered"] is not None:
        same, documents = figures["documents_as_before"], figures["documents"]
        table.add_row("tokens of kept pieces", "", f"{figures['covered']:.2%}", "")
        table.add_row("texts cut as before", f"{documents:,}", f"{same:,}", f"{same / documents:.1%}")
    return table


def metrics_table(
    metrics: Mapping[str, float], title: str, without_model: Mapping[str, Mapping[str, float]] | None = None
) -> Table:
    """What `evaluate` gives: one metric a row, beside those of predictions without a model, by their names."""
    beside = without_model or {}
    table = Table(title=escape(title), caption=_caption(list(beside)), caption_justify="left")
    add_columns(table, ("score", *beside), of="metric")
    for metric, value in metrics.items():
        table.add_row(metric, f"{value:.4g}", *(_cell(scores.get(metric)) for scores in beside.values()))
    return table


def _share(part: float, whole: float) -> str:
    """In percent; empty of nothing, as a small model has 0.0 megabytes."""
    return f"{part / whole:.1%}" if whole else ""


def _add_scores(table: Table, figures: Mapping[str, Any], names: Sequence[str], before: str = "") -> None:
    """A row for each metric of each split: teacher, student, what was kept, and what needs no model."""
    for split, by_model in figures["scores"].items():
        kept = figures["retention"].get(split, {})
        beside = figures.get("without_model", {}).get(split, {})
        for metric, score in by_model["student"].items():
            table.add_row(
                escape(f"{before}{split} {metric}"),
                _cell(by_model.get("teacher", {}).get(metric)),
                f"{score:.4g}",
                f"{kept[metric]:.1%}" if metric in kept else "",
                *(_cell(beside.get(name, {}).get(metric)) for name in names),
            )
            if metric == figures.get("main_metric"):
                for name, alone in _alone(figures, split, metric).items():
                    table.add_row(escape(f"{before}{split} {metric}, {name} alone"), alone)


def _alone(figures: Mapping[str, Any], split: str, metric: str) -> dict[str, str]:
    """What each of several teachers that taught as one scored by itself, by their names."""
    teachers = figures.get("ensemble", {}).get("teachers", ())
    return {one["teacher"]: _cell(one.get("scores", {}).get(split, {}).get(metric)) for one in teachers}


def _metrics(scores: Any) -> list[str]:  # noqa: ANN401 (views of a dictionary)
    return list(dict.fromkeys(name for by_metric in scores for name in by_metric))


def _names_without_model(several: Iterable[Mapping[str, Any]]) -> list[str]:
    """Of the predictions without a model that some figures tell of, each once."""
    return _metrics(by_name for figures in several for by_name in figures.get("without_model", {}).values())


def _caption(names: Sequence[str]) -> str | None:
    """What the predictions without a model are."""
    if not names:
        return None
    from hf_tinybert.hub.card_tables import without_model_note  # it brings libraries that `--help` must not wait for

    return without_model_note(names)


def _cell(score: float | None) -> str:
    return "" if score is None else f"{score:.4g}"


__all__ = [
    "add_columns",
    "augmentation_table",
    "export_table",
    "metrics_table",
    "pretraining_table",
    "retention_table",
    "scores_table",
    "tasks_table",
    "vocabulary_table",
]
