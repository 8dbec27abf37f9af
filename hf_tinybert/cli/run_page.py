"""The page of a run that is done: written where it can be, and not in the way of what the run gave."""

import shlex
from dataclasses import dataclass
from pathlib import Path

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


def write_run_page(folder: Path, console: Console) -> RunPage:
    """Write `report.html` into the folder of a finished run, unless one was written since; whatever fails is one line.

    An interruption is none: who stops a command wants no next one to start, and the same command writes the page.

    Args:
        folder: of the run.
        console: where progress is shown.
    """
    try:
        return _written(folder, console)
    except Exception as error:  # the run is done, and stays so
        reason = escape(" ".join(str(error).split()) or type(error).__name__)
        return RunPage(None, f"[yellow]No report: {reason}[/yellow]   later: {report_command(folder)}")


def report_command(folder: Path) -> str:
    """The command that writes the page, to be copied as it stands; in rich markup.

    Args:
        folder: of the run; its name may hold spaces.
    """
    return escape(f"hf-tinybert report {shlex.quote(str(folder))}")


def _written(folder: Path, console: Console) -> RunPage:
    from hf_tinybert.progress import ProgressDisplay
    from hf_tinybert.report import ReportSettings, write_report
    from hf_tinybert.report.report_settings import REPORT_FILE

    path = folder / REPORT_FILE
    line = f"Report: {escape(str(path))}"
    if path.is_file() and path.stat().st_mtime_ns >= (folder / "figures.json").stat().st_mtime_ns:
        return RunPage(path, line)
    missing = write_report(ReportSettings(folder=folder), ProgressDisplay(console)).without_comparison
    if missing:
        line += f"   [yellow]without a comparison: {escape(missing)}[/yellow]"
    return RunPage(path, line)


__all__ = ["RunPage", "report_command", "write_run_page"]
