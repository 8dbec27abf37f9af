"""The options that benchmarks share, each in one wording."""

import argparse
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SEEDS = (0, 1, 2)


class BenchmarkParser(argparse.ArgumentParser):
    """Reads the command line of a benchmark, whose docstring is its help.

    Args:
        description: the docstring.
    """

    def __init__(self, description: str | None) -> None:
        super().__init__(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)

    def add_data(self, *, or_table: bool = False) -> None:
        """`--data`, which is needed; where results can be shown as a table, that or `--table`."""
        wanted = self.add_mutually_exclusive_group(required=True) if or_table else self
        wanted.add_argument("--data", type=Path, required=not or_table, help="folder with a folder per task")
        if or_table:
            self.add_table(wanted)

    def add_table(self, among: argparse._ActionsContainer | None = None) -> None:
        """`--table`: the results that there are, in the place of a run."""
        told = "print the results as a table in Markdown, run nothing"
        (among or self).add_argument("--table", action="store_true", help=told)

    def add_only(self, option: str, choices: Iterable[str]) -> None:
        """An option such as `--task` that names some of what is measured; all of it without."""
        self.add_argument(option, action="append", choices=choices, help=f"only this {option[2:]} (repeatable)")

    def add_seeds(self) -> None:
        """`--seed`: some of `SEEDS`, or others; None without."""
        told = ", ".join(map(str, SEEDS))
        self.add_argument("--seed", action="append", type=int, help=f"only this seed (repeatable); default {told}")

    def add_trials(self, settings: str = "DistilSettings") -> None:
        """`--set`, read by `changes_of`, and `--validation-only`: for trials of other settings.

        Args:
            settings: whose fields can be set.
        """
        self.add_argument("--set", action="append", default=[], help=f"a field of {settings}, as name=JSON")
        self.add_argument("--validation-only", action="store_true", help="leave the test split alone")

    def add_folder(self, holds: str = "models") -> None:
        """`--folder`, where models are made once for all benchmarks."""
        self.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "tinybert_tasks", help=holds)

    def add_threads(self, default: int = 2) -> None:
        """`--threads` of the processor."""
        self.add_argument("--threads", type=int, default=default, help=f"CPU threads (default {default})")

    def add_live_teacher(self) -> None:
        """`--live-teacher`: teachers answer while students train, in the place of a cache."""
        told = "keep no answers of the teacher; faster on a GPU"
        self.add_argument("--live-teacher", action="store_true", help=told)

    def add_output(self, results: Path) -> None:
        """`--output`, the result file."""
        self.add_argument("--output", type=Path, default=results, help="result file")


def changes_of(options: argparse.Namespace) -> dict[str, Any]:
    """The values of `--set` by field.

    Raises:
        ValueError: one that is not `name=JSON`.
    """
    return {name: json.loads(value) for name, value in (one.split("=", 1) for one in options.set)}
