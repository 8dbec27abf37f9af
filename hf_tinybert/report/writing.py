"""From a folder to `report.html` in it."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub.errors import StrictDataclassError

from hf_tinybert.hub.model_facts import ModelFacts, read_facts
from hf_tinybert.pictures.drawing import check_matplotlib
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.report.comparison import compare
from hf_tinybert.report.page import render_page
from hf_tinybert.report.pair import Pair, load_pair
from hf_tinybert.report.report_settings import REPORT_FILE, ReportSettings

_NOT_FOUND = (ValueError, OSError, StrictDataclassError)


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

    A teacher or data that only the folder names may be gone: the page then says so, or shows what an earlier report
    found where there was one. What is asked for by name must be there. One without a teacher is not compared.

    Args:
        settings: what to report.
        display: where progress is shown.

    Raises:
        FileNotFoundError: no model in the folder, or no data or teacher of a name that was given.
        ValueError: a damaged file, or data that do not fit the model.
        ModuleNotFoundError: matplotlib is not installed.
    """
    check_matplotlib()
    facts = read_facts(settings.folder)
    reason = ""
    # a general student has no answers yet
    comparable = bool(facts.teacher or settings.teacher) and not (facts.figures or {}).get("held_out")
    if settings.compare and comparable:
        pair, reason = _pair(settings, facts)
        if pair is not None:
            found = compare(pair, split=settings.split, batch_size=settings.batch_size, display=display)
            replace(found, task=settings.task).save(settings.folder)
            facts = read_facts(settings.folder)
    elif comparable:
        reason = "it was left out; `hf-tinybert report` without `--files-only` makes it"
    if facts.comparison is not None:
        reason = ""
    path = settings.folder / REPORT_FILE
    with display.bar("drawing"):
        page = render_page(facts, without_comparison=reason)
    temporary = path.with_suffix(".html.partial")
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, path)
    return Report(path, reason)


def _pair(settings: ReportSettings, facts: ModelFacts) -> tuple[Pair | None, str]:
    try:
        return load_pair(settings, facts), ""
    except _NOT_FOUND as error:
        if settings.data or settings.teacher or settings.task:
            raise
        return None, str(error)


__all__ = ["Report", "write_report"]
