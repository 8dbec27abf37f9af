"""Runs general distillations in groups of processes, as a launcher does, for the tests of several processes.

When one process dies, the others are ended.
"""

import io
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow import PretrainSettings, pretrain, pretraining
from tests.processes import check_ended_well, run_together


@dataclass
class Group:
    """Processes that work on one run.

    Attributes:
        settings: of `PretrainSettings`.
        output: folder of the student; what each process saw is left beside it, as `<output>.<process>.json`.
        processes: their number.
        killed_at: step of this group before which its last process kills itself.
    """

    settings: dict[str, Any]
    output: str
    processes: int = 2
    killed_at: int | None = None


def work(group: Group) -> None:
    """One process: leaves the blocks of each of its steps, whether it packed, and its figures."""
    rank = int(os.environ["RANK"])
    steps: list[list[list[int]]] = []
    told: dict[str, Any] = {"packed": False, "steps": steps, "figures": None}
    train, pack = DistillationTrainer.training_step, pretraining.pack_corpus

    def leave():
        Path(f"{group.output}.{rank}.json").write_text(json.dumps(told))

    def step(self, model, inputs, *args, **kwargs):
        if len(steps) == group.killed_at:
            leave()
            if rank == group.processes - 1:
                os.kill(os.getpid(), signal.SIGKILL)
        steps.append(inputs["input_ids"].tolist())
        return train(self, model, inputs, *args, **kwargs)

    def packing(*args):
        told["packed"] = True
        time.sleep(0.5)  # the others would be past it by now
        return pack(*args)

    DistillationTrainer.training_step, pretraining.pack_corpus = step, packing
    settings = PretrainSettings(**{**group.settings, "texts": tuple(group.settings["texts"])})
    told["figures"] = pretrain(settings, Path(group.output), ProgressDisplay(Console(file=io.StringIO())))
    leave()


def start(group: Group, log: Path) -> None:
    """All processes of a group; it ends with the first that fails, or with the last."""
    codes = run_together(work, group, log=log, processes=group.processes)
    if group.killed_at is None:
        check_ended_well(codes, log)
    elif -signal.SIGKILL not in codes:
        raise RuntimeError(f"expected {group} to be killed, got exit codes {codes}")
