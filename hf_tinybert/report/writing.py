"""From a folder to `report.html` in it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from rich.markup import escape

from hf_tinybert.hub.model_facts import ModelFacts, read_facts
from hf_tinybert.pictures.drawing import check_matplotlib
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.report.compared_rows import load_rows
from hf_tinybert.report.comparison import compare
from hf_tinybert.report.layers_and_speed import LayersAndSpeed, read_layers_and_speed
from hf_tinybert.report.page import render_page
from hf_tinybert.report.pair import ask, load_pair
from hf_tinybert.report.report_settings import REPORT_FILE, ReportSettings
from hf_tinybert.workflow.kept_answers import stored_weights_sha256

_NOT_FOUND = (ValueError, OSError, StrictDataclassError)
_OF_OTHERS = "the one that is kept is of other weights; `hf-tinybert report` makes it anew"


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        path: of the page.
        without_comparison: why the page does not compare student and teacher; empty where it does.
    """

    path: Path
    without_comparison: str = ""


def write_report(settings: ReportSettings, display: ProgressDisplay) -> Report:
    """Compare student and teacher, keep what is found as `comparison.json`, and write `report.html` beside it.

    What `distil` kept of their answers is not asked again, and a comparison of these rows and weights is not made
    again. A teacher or data that only the folder names may be gone: the page then says so, or shows what an earlier
    report found of the same student where there was one. What is asked for by name must be there. One without a
    teacher is not compared.

    Args:
        settings: what to report.
        display: where progress is shown.

    Raises:
        FileNotFoundError: no model in the folder, or no data or teacher of a name that was given.
        ValueError: a damaged file, data that do not fit the model, or a task, data or teacher for a model that is not
            compared with any.
        ModuleNotFoundError: matplotlib is not installed.
    """
    check_matplotlib()
    facts = read_facts(settings.folder)
    reason = ""
    # a general student has no answers yet
    comparable = bool(facts.teacher or settings.teacher) and not (facts.figures or {}).get("held_out")
    _check_asked(settings, comparable=comparable)
    if settings.compare and comparable:
        facts, reason = _compared(settings, facts, display)
    elif comparable:
        reason = "it was left out; `hf-tinybert report` without `--files-only` makes it"
    if facts.comparison is not None:
        of_others = _is_of_others(settings, facts.comparison)
        reason = (reason or _OF_OTHERS) if of_others else ""
        facts = replace(facts, comparison=None) if of_others else facts
    path = settings.folder / REPORT_FILE
    with display.bar("drawing"):
        page = render_page(facts, without_comparison=reason)
    temporary = path.with_suffix(".html.partial")
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, path)
    return Report(path, reason)


def _check_asked(settings: ReportSettings, *, comparable: bool) -> None:
    given = [f"`--{name}`" for name in ("task", "data", "teacher") if getattr(settings, name) is not None]
    if given and not comparable:
        raise ValueError(
            f"expected a model that is compared with a teacher for {' and '.join(given)}, got `{settings.folder}`; "
            "because it is a general student, which answers nothing yet, or no teacher taught it; leave that out"
        )


def _compared(settings: ReportSettings, facts: ModelFacts, display: ProgressDisplay) -> tuple[ModelFacts, str]:
    """The facts with the comparison that was asked for; or as they were, and why."""
    by_name = settings.data or settings.teacher or settings.task
    try:
        with display.bar("reading rows"):
            asked = load_rows(settings, facts)
    except _NOT_FOUND as error:
        if by_name:
            raise
        return facts, str(error)
    known = facts.comparison or {}
    same = (known.get("split"), known.get("task")) == (settings.split, settings.task)
    hashes = known.get("fingerprints") or {}
    if same and hashes.get("teacher") and asked.fit(hashes):
        return facts, ""
    said, read = asked.kept_answers(settings), LayersAndSpeed()
    try:
        pair = load_pair(asked, settings, facts)
    except _NOT_FOUND as error:
        if said is None and by_name:
            raise
        if said is None:
            return facts, str(error)
        read = LayersAndSpeed(without_agreement=str(error))
    else:
        if pair.told:
            display.line(f"  [yellow]{escape(pair.told)}[/yellow]")
        said = said or ask(pair, asked, batch_size=settings.batch_size, display=display)
        with display.bar("comparing layers and speed"):
            read = read_layers_and_speed(pair, asked)
    compare(asked, said, read, name=settings.task).save(settings.folder)
    return read_facts(settings.folder), ""


def _is_of_others(settings: ReportSettings, comparison: Mapping[str, Any]) -> bool:
    """Whether a comparison was made of other weights of the student; an old one does not tell."""
    known = (comparison.get("fingerprints") or {}).get("student")
    return known is not None and known != stored_weights_sha256(settings.folder)


__all__ = ["Report", "write_report"]
