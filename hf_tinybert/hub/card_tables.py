"""Tables in markdown, and the sentences that stand beside them in card and report."""

from collections.abc import Mapping
from typing import Any

from hf_tinybert.hub.fact_tables import Table
from hf_tinybert.hub.model_facts import ModelFacts


def markdown_table(table: Table) -> str:
    """A table in markdown, numbers to the right; empty without rows. What would end a cell or a line is escaped."""
    if not table.rows:
        return ""
    rule = ["---" if index < table.numbers_from else "---:" for index in range(len(table.header))]
    cells = ([cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in table.rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in [table.header, rule, *cells])


def speed_note(facts: ModelFacts) -> str:
    """On what machine speed was measured, or that it was not."""
    if not facts.speeds:
        return "Speed and latency were not measured."
    machine = machine_words(facts.speed_machine) or "a machine that is not told"
    return f"Speed was measured on {machine}; tokenising is not counted."


def machine_words(machine: Mapping[str, Any]) -> str:
    """A machine in words; empty where it is not told."""
    if not machine:
        return ""
    accelerator = machine.get("accelerator", "none")
    on = "" if accelerator == "none" else f", {accelerator}"
    return (
        f"{machine.get('cores')} cores of {machine.get('processor')} ({machine.get('instructions')}), "
        f"{machine.get('torch_threads')} threads{on}, torch {machine.get('torch')}"
    )


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
    machine = machine_words(figures.get("machine") or {})
    return f"{stages}{'; ' if stages and whole else ''}{whole}{f', on {machine}' if machine else ''}."


__all__ = ["machine_words", "markdown_table", "speed_note", "training_cost"]
