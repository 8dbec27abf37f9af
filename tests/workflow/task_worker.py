"""Runs fine-tunings and distillations in groups of processes, as a launcher does.

    python task_worker.py groups.json

`groups.json` is a list of the fields of `TaskGroup`; the figures of each process are left beside the output, as
`<output>.<process>.json`.
"""

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from pretraining_worker import Group, start
from rich.console import Console

from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow import DistilSettings, FinetuneSettings, MultiTaskSettings, distil, distil_tasks, finetune

VERBS = {
    "finetune": (FinetuneSettings, finetune),
    "distil": (DistilSettings, distil),
    "distil_tasks": (MultiTaskSettings, distil_tasks),
}


@dataclass
class TaskGroup(Group):
    """Processes that work on one run.

    Attributes:
        verb: what they do, key of `VERBS`.
    """

    verb: str = "distil"


def work(group: Group, rank: int) -> None:
    """One process: leaves its figures."""
    assert isinstance(group, TaskGroup)
    settings, run = VERBS[group.verb]
    display = ProgressDisplay(Console(file=io.StringIO()))
    figures = run(settings(**group.settings), Path(group.output), display)
    Path(f"{group.output}.{rank}.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for entry in json.loads(Path(sys.argv[1]).read_text()):
        start(TaskGroup(**entry), work)
