"""Runs fine-tunings and distillations in groups of processes, as a launcher does."""

import io
import json
import os
from pathlib import Path
from typing import Any

from rich.console import Console

from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow import DistilSettings, FinetuneSettings, MultiTaskSettings, distil, distil_tasks, finetune
from tests.processes import check_ended_well, run_together

VERBS = {
    "finetune": (FinetuneSettings, finetune),
    "distil": (DistilSettings, distil),
    "distil_tasks": (MultiTaskSettings, distil_tasks),
}


def work(verb: str, settings: dict[str, Any], output: Path) -> None:
    """One process: leaves its figures beside the output, as `<output>.<process>.json`."""
    kind, run = VERBS[verb]
    figures = run(kind(**settings), output, ProgressDisplay(Console(file=io.StringIO())))
    Path(f"{output}.{os.environ['RANK']}.json").write_text(json.dumps(figures))


def start(verb: str, settings: dict[str, Any], output: Path, processes: int) -> None:
    """All processes of a run."""
    log = output.with_suffix(".log")
    check_ended_well(run_together(work, verb, settings, output, log=log, processes=processes), log)
