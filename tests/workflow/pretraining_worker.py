"""Runs general distillations in groups of processes, as a launcher does, for the tests of several processes.

    python pretraining_worker.py groups.json

`groups.json` is a list of the fields of `Group`; each group is a number of forked processes with the environment of
`torchrun`. When one dies, the others are ended, and the next group starts.
"""

import io
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow import PretrainSettings, pretrain, pretraining


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


def work(group: Group, rank: int) -> None:
    """One process: leaves the blocks of each of its steps, whether it packed, and its figures."""
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


def start(group: Group, work: Callable[[Group, int], None] = work) -> None:
    """All processes of a group; it ends with the first that fails, or with the last.

    Args:
        group: what to do.
        work: what each process does, with its rank.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = set()
    for rank in range(group.processes):
        child = os.fork()
        if child == 0:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(group.processes)}
            os.environ |= {"LOCAL_WORLD_SIZE": str(group.processes), "MASTER_ADDR": "127.0.0.1"}
            os.environ |= {"MASTER_PORT": str(port)}
            try:
                work(group, rank)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        children.add(child)
    failed = False
    while children:
        child, status = os.wait()
        children.remove(child)
        if status and not failed:
            failed = True
            for other in children:
                os.kill(other, signal.SIGKILL)
    if failed != (group.killed_at is not None):
        sys.exit(f"expected {group} to {'be killed' if group.killed_at is not None else 'end'}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for entry in json.loads(Path(sys.argv[1]).read_text()):
        start(Group(**entry))
