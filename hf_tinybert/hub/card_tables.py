"""Tables in markdown, and the sentences that stand beside them in card and report."""

from collections.abc import Iterable, Mapping
from typing import Any

from hf_tinybert.hub.fact_tables import Table
from hf_tinybert.hub.markdown import code_span
from hf_tinybert.hub.model_facts import ModelFacts, last_part

_STARTS = {
    "projection": "a projection of its teacher",
    "layers": "layers of its teacher",
    "random": "random weights",
}


_WITHOUT_MODEL = {
    "lead": '"lead" takes the first sentences of each document',
    "oracle": '"oracle" takes the sentences that agree best with the reference summaries, which it is shown',
}


def markdown_table(table: Table) -> str:
    """A table in markdown, numbers to the right; empty without rows. What would end a cell or a line is escaped."""
    if not table.rows:
        return ""
    rule = ["---" if index < table.numbers_from else "---:" for index in range(len(table.header))]
    header, *rows = (
        [cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in [table.header, *table.rows]
    )
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, rule, *rows])


def without_model_note(names: Iterable[str]) -> str:
    """What predictions without a model are, in a sentence; empty without names that are known."""
    told = [_WITHOUT_MODEL[name] for name in names if name in _WITHOUT_MODEL]
    return f"No model is needed for these: {'; '.join(told)}." if told else ""


def speed_note(facts: ModelFacts) -> str:
    """On what machine speed was measured, or that it was not."""
    if not facts.speeds:
        return "Speed and latency were not measured."
    machine = machine_words(facts.speed_machine) or "a machine that is not told"
    timed = f" The teacher that was timed is that of {facts.speed_task}." if len(facts.taught_tasks) > 1 else ""
    return f"Speed was measured on {machine}; tokenising is not counted.{timed if facts.speed_task else ''}"


def shape_words(config: Mapping[str, Any]) -> str:
    """Layers and width of a configuration; empty where it does not tell them."""
    if not {"num_hidden_layers", "hidden_size"} <= config.keys():
        return ""
    return f"{_counted(config['num_hidden_layers'], 'layer')} of width {config['hidden_size']}"


def machine_words(machine: Mapping[str, Any]) -> str:
    """A machine in words; empty where it is not told."""
    if not machine:
        return ""
    accelerator = machine.get("accelerator", "none")
    on = "" if accelerator == "none" else f", {accelerator}"
    cores, threads = _counted(machine.get("cores"), "core"), _counted(machine.get("torch_threads"), "thread")
    return (
        f"{cores} of {machine.get('processor')} ({machine.get('instructions')}), {threads}{on}, "
        f"torch {machine.get('torch')}"
    )


def training_cost(facts: ModelFacts) -> str:
    """How long the run took, in a sentence; empty where no file tells."""
    figures, record = facts.figures or {}, facts.record or {}
    if {"pieces", "to"} & figures.keys():  # trimming and exporting are no training
        figures = {}
    told = figures.get("seconds", record.get("seconds"))
    if told is None:
        return ""
    parts = {"total": told} if isinstance(told, int | float) else {str(k): v for k, v in told.items()}
    total = parts.pop("total", None)
    stages = ", ".join(f"{name} {value:,.1f} s" for name, value in parts.items())
    whole = f"{total:,.1f} s in all" if total is not None else ""
    machine = machine_words(figures.get("machine") or {})
    return f"{stages}{'; ' if stages and whole else ''}{whole}{f', on {machine}' if machine else ''}."


def method_words(facts: ModelFacts) -> str:
    """How the model was taught, in one sentence; empty where no file tells."""
    record, settings = facts.record or {}, facts.settings
    steps, start = record.get("global_step"), settings.get("start")
    frozen = record.get("frozen") or settings.get("frozen") or ()
    factors = record.get("learning_rate_factors") or {}
    parts = {
        "labels alone": settings.get("learn_from") == "labels",
        f"recipe `{record.get('recipe')}`": record.get("recipe"),
        f"phases: {', '.join(record.get('phases') or ())}": record.get("phases"),
        f"{steps or 0:,} optimizer steps in the last": steps is not None,
        f"started as {_start_words(str(start))}": start,
        f"other variants of the rows in every epoch (`augment: {settings.get('augment')}`)": settings.get("augment"),
        f"temperature {_temperature_words(record.get('temperature'))}": record.get("temperature") is not None,
        "predictions of the teacher corrected by the labels (`probability_shift`)": record.get("probability_shift"),
        f"learning rate times {', '.join(f'{by:g} in {code_span(str(one))}' for one, by in factors.items())}": factors,
        f"frozen: {', '.join(code_span(str(one)) for one in frozen)}": frozen,
        f"loss reduction `{record.get('loss_reduction')}`": record.get("loss_reduction"),
        f"seed {record.get('seed')}": record.get("seed") is not None,
        f"tasks sampled by {_sampling_words(record.get('task_sampling'))}": record.get("task_sampling"),
        f"one head of a student that learned {', '.join(record.get('beside_tasks') or ())} besides": record.get(
            "beside_tasks"
        ),
    }
    told = "; ".join(part for part, holds in parts.items() if holds)
    return f"{told}." if told else ""


def vocabulary_words(facts: ModelFacts) -> str:
    """What `trim-vocab` left of the vocabulary, in one sentence; empty of other models."""
    figures = facts.figures or {}
    pieces, documents = figures.get("pieces"), figures.get("documents")
    if not pieces:
        return ""
    chosen = f", chosen by {documents:,} documents" if documents else ""
    return f"{pieces['after']:,} of the {pieces['before']:,} pieces of {code_span(str(figures.get('model')))}{chosen}."


def _start_words(start: str) -> str:
    """What a student was before its first step; of a folder its last part."""
    return _STARTS.get(start, f"the trained {code_span(last_part(start))}")


def _temperature_words(temperature: object) -> str:
    """A number, or the way from one to another."""
    if not isinstance(temperature, Mapping):
        return str(temperature)
    return f"from {temperature.get('start')} to {temperature.get('end')} ({temperature.get('kind')})"


def _counted(count: object, one: str) -> str:
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def _sampling_words(sampling: object) -> str:
    return str(sampling["strategy"]) if isinstance(sampling, Mapping) else str(sampling)


__all__ = [
    "machine_words",
    "markdown_table",
    "method_words",
    "shape_words",
    "speed_note",
    "training_cost",
    "vocabulary_words",
    "without_model_note",
]
