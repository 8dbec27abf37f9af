"""The page of a run that is done: written where it can be, and never in the way of what the run gave."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape


@dataclass(frozen=True)
class RunPage:
    """What became of the page.

    Attributes:
        path: of the page; None where there is none.
        line: that says so, in rich markup.
    """

    path: Path | None
    line: str


def write_run_page(folder: Path, figures: Mapping[str, Any], console: Console) -> RunPage:
    """Write `report.html` into the folder of a finished run, unless one was written since; whatever fails is one line.

    Of several tasks the first one that a teacher taught is compared.

    Args:
        folder: of the run.
        figures: of the run.
        console: where progress is shown.
    """
    told = escape(str(folder))
    try:
        return _written(folder, figures, console)
    except (Exception, KeyboardInterrupt) as error:  # the run is done, and stays so
        reason = escape(" ".join(str(error).split()) or type(error).__name__)
        return RunPage(None, f"[yellow]No report: {reason}[/yellow]   later: hf-tinybert report {told}")


def _written(folder: Path, figures: Mapping[str, Any], console: Console) -> RunPage:
    from hf_tinybert.progress import ProgressDisplay
    from hf_tinybert.report import ReportSettings, write_report
    from hf_tinybert.report.report_settings import REPORT_FILE

    path = folder / REPORT_FILE
    line = f"Report: {escape(str(path))}"
    if path.is_file() and path.stat().st_mtime_ns >= (folder / "figures.json").stat().st_mtime_ns:
        return RunPage(path, line)
    taught = [name for name, own in (figures.get("tasks") or {}).items() if own.get("teacher")]
    settings = ReportSettings(folder=folder, task=taught[0] if taught else None)
    missing = write_report(settings, ProgressDisplay(console)).without_comparison
    if missing:
        line += f"   [yellow]without a comparison: {escape(missing)}[/yellow]"
    elif taught[1:]:
        line += f"   of {escape(taught[0])}; of another task: hf-tinybert report {escape(str(folder))} --task NAME"
    return RunPage(path, line)


__all__ = ["RunPage", "write_run_page"]
