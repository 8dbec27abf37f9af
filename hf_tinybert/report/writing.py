"""From a folder to `report.html` in it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.pictures.drawing import check_matplotlib
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.report.comparing import compare_tasks
from hf_tinybert.report.page import render_page
from hf_tinybert.report.report_settings import REPORT_FILE, ReportSettings
from hf_tinybert.report.told_tasks import told_tasks


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        path: of the page.
        missing: why the page does not compare student and teacher, by task; None is the task of a student that has
            one. Tasks that are compared, and those that no teacher taught, are not in it.
    """

    path: Path
    missing: Mapping[str | None, str] = field(default_factory=dict)

    @property
    def without_comparison(self) -> str:
        """All that is missing, in a sentence; empty where nothing is."""
        return "; ".join(f"{task}: {why}" if task else why for task, why in self.missing.items())


def write_report(settings: ReportSettings, display: ProgressDisplay) -> Report:
    """Compare student and teacher, keep what is found as `comparison.json`, and write `report.html` beside it.

    Of a multi-task student every task is compared with its own teacher. What `distil` kept of their answers is not
    asked again, and a comparison of these rows and weights is not made again. A teacher or data that only the folder
    names may be gone: the page then says so, or shows what an earlier report found of the same student where there was
    one. Data and a teacher that are asked for by name must be there. What has no teacher is not compared.

    Args:
        settings: what to report.
        display: where progress is shown.

    Raises:
        FileNotFoundError: no model in the folder, or no data or teacher of a name that was given.
        ValueError: a damaged file, data that do not fit the model, a task that it does not have, or data or a teacher
            for several tasks or for a model that is not compared with any.
        ModuleNotFoundError: matplotlib is not installed.
    """
    check_matplotlib()
    facts = read_facts(settings.folder)
    told = told_tasks(settings, facts)
    compared = compare_tasks(settings, facts, told, display)
    path = settings.folder / REPORT_FILE
    with display.bar("drawing"):
        page = render_page(read_facts(settings.folder), told, compared)  # again: what was measured is a fact now
    temporary = path.with_suffix(".html.partial")
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, path)
    return Report(path, compared.missing)


__all__ = ["Report", "write_report"]
