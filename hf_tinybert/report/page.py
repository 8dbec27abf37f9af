"""The page itself: what the files of a folder tell, in sections of tables and pictures. It holds all that it shows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from hf_tinybert.hub.card_pictures import agreement_pictures
from hf_tinybert.hub.card_tables import method_words, speed_note, training_cost, vocabulary_words
from hf_tinybert.hub.fact_tables import held_out_table, losses_table, scores_table, size_table
from hf_tinybert.hub.model_facts import ModelFacts, Score
from hf_tinybert.pictures import Picture, bars, curve_panels, loss_curve
from hf_tinybert.report.answer_pictures import answer_pictures

TEMPLATE = Path(__file__).with_name("report_template.html")
_MILLION = 1e6


def render_page(facts: ModelFacts, *, without_comparison: str = "") -> str:
    """A page in HTML, drawn from a folder's files alone; every word of data or labels in it is escaped.

    Args:
        facts: of the folder.
        without_comparison: why student and teacher were not compared; empty where they were.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"svg": _svg, "breakable": _breakable}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    record, figures, comparison = facts.record or {}, facts.figures or {}, facts.comparison
    return template.render(
        name=facts.name,
        tiles=_tiles(facts),
        story=_story(facts),
        mappings=_mappings(record, comparison),
        scores=scores_table(facts.scores),
        held_out=held_out_table(figures),
        curves=[loss_curve(panel, f"curve-{number}") for number, panel in enumerate(curve_panels(figures), 1)],
        losses=losses_table(record),
        agreement=agreement_pictures(record, comparison),
        comparison=comparison,
        without_comparison=without_comparison,
        answers=answer_pictures(comparison, facts.kind) if comparison else [],
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


def _tiles(facts: ModelFacts) -> list[tuple[str, str]]:
    """The run in a few numbers, each with its words."""
    tiles = []
    scores = [score for score in facts.scores if score.kept is not None]
    for score in _main_scores(scores, facts.figures or {}):
        task = f" of {score.task}" if score.task else ""
        tiles.append((f"{score.kept:.1%}", f"of the teacher's {score.metric}{task} kept on {score.split} rows"))
    parameters = (facts.figures or {}).get("parameters")
    if isinstance(parameters, Mapping) and parameters.get("teacher"):
        times = parameters["teacher"] / facts.parameters
        theirs = "the teachers together have" if ", " in str(facts.teacher) else "the teacher has"
        words = f"smaller: {_millions(facts.parameters)} parameters, {theirs} {_millions(parameters['teacher'])}"
        tiles.append((f"{times:.1f} \N{MULTIPLICATION SIGN}", words))
    for batch_size, rates in list(facts.speeds.items())[:1]:
        if rates.get("teacher"):
            times = rates["student"] / rates["teacher"]
            many = "one text" if batch_size == "1" else f"{batch_size} texts"
            tiles.append((f"{times:.1f} \N{MULTIPLICATION SIGN}", f"faster, {many} at a time"))
    comparison = facts.comparison or {}
    counts = comparison.get("answers")
    if counts:
        share = counts.get("same", 0) / max(counts.get("same", 0) + counts.get("other", 0), 1)
        of_task = f" of {comparison['task']}" if comparison.get("task") else ""
        tiles.append((f"{share:.1%}", f"of its answers{of_task} on {comparison['split']} rows are the teacher's"))
    return tiles


def _main_scores(scores: Sequence[Score], figures: Mapping[str, Any]) -> list[Score]:
    """One score a task: of its main metric, on the test rows where they were scored."""
    tasks = figures.get("tasks") or {}
    chosen = []
    for task in dict.fromkeys(score.task for score in scores):
        told = tasks.get(task) if task else figures
        own = [score for score in scores if score.task == task and score.metric == (told or {}).get("main_metric")]
        chosen += ([score for score in own if score.split == "test"] or own)[:1]
    return chosen


def _story(facts: ModelFacts) -> list[tuple[str, str]]:
    """What was done, as pairs of a word and what it was; what is not known is left out."""
    config, record, figures = facts.config, facts.record or {}, facts.figures or {}
    shape = ""
    if {"num_hidden_layers", "hidden_size"} <= config.keys():
        shape = f"{config['num_hidden_layers']} layers of width {config['hidden_size']}, "
    rows = ", ".join(f"{count:,} {name}" for name, count in (figures.get("rows") or {}).items())
    data = ", ".join(facts.datasets)
    told = {
        "Task": str(facts.kind) if facts.kind else ", ".join(figures.get("tasks") or ()),
        "Teacher" if facts.is_taught else "Compared with": _teacher(facts),
        "Student" if facts.teacher else "Model": f"{facts.architecture}: {shape}{facts.parameters:,} parameters",
        "Fine-tuned from": facts.fine_tuned_from or "",
        "Vocabulary": vocabulary_words(facts).replace("`", ""),
        "Data": f"{data}{f' ({rows} rows)' if rows else ''}" if data else rows,
        "Method": method_words(facts).replace("`", ""),
        "Cost": training_cost(facts),
        "Software": ", ".join(f"{name} {number}" for name, number in (record.get("versions") or {}).items()),
    }
    return [(name, words) for name, words in told.items() if words]


def _teacher(facts: ModelFacts) -> str:
    if not facts.teacher:
        return ""
    record, parameters = facts.record or {}, (facts.figures or {}).get("parameters")
    count = parameters.get("teacher") if isinstance(parameters, Mapping) else None
    size = f"{count:,} parameters" if count else ""
    sha256 = str(record.get("teacher_sha256") or "")[:12]
    told = [str(record.get("teacher_class") or ""), size, f"weights {sha256}" if sha256 else ""]
    details = ", ".join(part for part in told if part)
    return f"{facts.teacher}{f' ({details})' if details else ''}"


def _mappings(record: Mapping[str, Any], comparison: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """By task: the teacher's layers, and which student layer imitates each."""
    tasks = record.get("tasks") or {}
    named = {name: told["layer_mapping"] for name, told in tasks.items() if told.get("layer_mapping")}
    if not named and record.get("layer_mapping"):
        named = {"": record["layer_mapping"]}
    agreement = (comparison or {}).get("agreement")
    known = len(agreement["hidden_states"][0]) if agreement else 0
    strips = []
    for task, mapping in named.items():
        layers = range(max(max(mapping) + 1, known if len(named) == 1 else 0))
        imitated = {
            layer: ", ".join(_layer(own) for own, other in enumerate(mapping) if other == layer) for layer in layers
        }
        strips.append({"task": task, "layers": [(_layer(layer), imitated[layer]) for layer in layers]})
    return strips


def _layer(layer: int) -> str:
    return "emb." if layer == 0 else str(layer)


def _size_pictures(facts: ModelFacts) -> list[Picture]:
    figures = facts.figures or {}
    speeds = [(f"Sentences per second, batch {size}", rates, ",.1f") for size, rates in facts.speeds.items()]
    measured = [
        ("Parameters", figures.get("parameters"), ",.0f"),
        ("Weights in float32, MB", figures.get("megabytes"), ",.1f"),
        *speeds,
    ]
    told = []
    for number, (title, values, form) in enumerate(measured, 1):
        if isinstance(values, Mapping):
            ordered = {name: values[name] for name in ("student", "teacher") if name in values}
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
