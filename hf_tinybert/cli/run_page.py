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
    from hf_tinybert.progress import ProgressDisplay
    from hf_tinybert.report import ReportSettings, write_report
    from hf_tinybert.report.report_settings import REPORT_FILE

    path, told = folder / REPORT_FILE, escape(str(folder))
    taught = [name for name, own in (figures.get("tasks") or {}).items() if own.get("teacher")]
    others = f"   of {escape(taught[0])}; another task: hf-tinybert report {told} --task NAME" if taught[1:] else ""
    if path.is_file() and path.stat().st_mtime_ns >= (folder / "figures.json").stat().st_mtime_ns:
        return RunPage(path, f"Report: {escape(str(path))}")
    try:
        settings = ReportSettings(folder=folder, task=taught[0] if taught else None)
        written = write_report(settings, ProgressDisplay(console))
    except (Exception, KeyboardInterrupt) as error:  # the run is done, and stays so
        reason = escape(" ".join(str(error).split()) or type(error).__name__)
        return RunPage(None, f"[yellow]No report: {reason}[/yellow]   later: hf-tinybert report {told}")
    missing = f"   [yellow]without a comparison: {escape(written.without_comparison)}[/yellow]"
    return RunPage(path, f"Report: {escape(str(path))}{missing if written.without_comparison else others}")


__all__ = ["RunPage", "write_run_page"]
