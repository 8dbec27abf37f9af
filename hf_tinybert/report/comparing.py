"""The comparisons that a page shows: kept ones where they still hold, the others made, one task after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from rich.markup import escape

from hf_tinybert.hub.model_facts import SPEED, ModelFacts
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.report.compared_rows import ComparedRows, load_rows
from hf_tinybert.report.comparison import compare, save_comparisons, whole_comparison
from hf_tinybert.report.layers_and_speed import LayersAndSpeed, read_layers_and_speed
from hf_tinybert.report.pair import ask, load_pair
from hf_tinybert.report.report_settings import ReportSettings
from hf_tinybert.report.told_tasks import every_task, is_comparable

_NOT_FOUND = (ValueError, OSError, StrictDataclassError)
_LEFT_OUT = "it was left out; `hf-tinybert report` without `--files-only` makes it"
_OF_OTHERS = "the one that is kept is of other weights; `hf-tinybert report` makes it anew"

Found = dict[str | None, dict[str, Any]]


@dataclass(frozen=True)
class ComparedTasks:
    """What a page can show of its tasks.

    Attributes:
        found: comparisons by task, see `Comparison`.
        missing: why a task that has a teacher is not compared with it, by task.
    """

    found: Found = field(default_factory=dict)
    missing: dict[str | None, str] = field(default_factory=dict)


def kept_comparisons(facts: ModelFacts) -> Found:
    """Those that the folder keeps of its tasks and weights, made whole.

    Args:
        facts: of the folder.
    """
    names = every_task(facts)
    whole = {name: whole_comparison(one) for name, one in facts.comparisons.of_tasks.items() if name in names}
    return {name: one for name, one in whole.items() if one is not None}


def compare_tasks(
    settings: ReportSettings, facts: ModelFacts, told: Sequence[str | None], display: ProgressDisplay
) -> ComparedTasks:
    """Compare student and teacher on every task that has one, and keep what is found after each.

    A task that cannot be compared has a reason instead, or what an earlier report found of these weights.

    Args:
        settings: of the report.
        facts: of the folder.
        told: tasks of the page.
        display: where progress is shown.

    Raises:
        FileNotFoundError: data or a teacher that are named are not there.
        ValueError: they cannot be used.
    """
    known, missing = kept_comparisons(facts), dict[str | None, str]()
    for name in told:
        if not is_comparable(settings, facts, name):
            continue
        reason = _LEFT_OUT
        if settings.compare:
            try:
                known[name] = _compared(settings, facts, name, known, display)
            except _NOT_FOUND as error:
                if settings.data or settings.teacher:
                    raise
                reason = str(error)
        if name not in known:
            missing[name] = _OF_OTHERS if name in facts.comparisons.outdated and not settings.compare else reason
    return ComparedTasks({name: known[name] for name in told if name in known}, missing)


def _compared(
    settings: ReportSettings, facts: ModelFacts, name: str | None, known: Found, display: ProgressDisplay
) -> dict[str, Any]:
    """The comparison of a task as it was asked for: the kept one if it is of these rows and weights, or a new one."""
    of_task = f" of {name}" if name else ""
    with display.bar(f"reading rows{of_task}"):
        asked = load_rows(settings, facts, name)
    before = known.get(name)
    if before and before["split"] == settings.split and _is_of(before["fingerprints"], asked):
        return before
    said, read = asked.kept_answers(settings.folder), LayersAndSpeed()
    try:
        pair = load_pair(asked, settings, facts)
    except _NOT_FOUND as error:
        if said is None:
            raise
        read = LayersAndSpeed(without_agreement=str(error))
    else:
        if pair.told:
            display.line(f"  [yellow]{escape(f'{name}: {pair.told}' if name else pair.told)}[/yellow]")
        said = said or ask(pair, asked, batch_size=settings.batch_size, display=display)
        with display.bar(f"comparing layers{of_task}"):
            shares = sum(is_comparable(settings, facts, one) for one in every_task(facts))
            timed = not any(one[SPEED] for other, one in known.items() if other != name)
            read = read_layers_and_speed(pair, asked, shares=shares, timed=timed)
    found = asdict(compare(asked, said, read))
    every = {**known, name: found}
    save_comparisons(settings.folder, {one: every[one] for one in every_task(facts) if one in every})
    return found


def _is_of(fingerprints: Mapping[str, str | None], asked: ComparedRows) -> bool:
    return bool(fingerprints.get("teacher")) and asked.fit(fingerprints)


__all__ = ["ComparedTasks", "compare_tasks", "kept_comparisons"]
