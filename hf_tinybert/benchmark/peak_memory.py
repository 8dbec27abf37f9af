"""How much memory a training loop takes at most, measured in a process of its own."""

import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import torch

from hf_tinybert.benchmark.arms import Arm, training_loop
from hf_tinybert.benchmark.resident_memory import peak_resident_bytes
from hf_tinybert.benchmark.workload import Workload

_STEPS = 3  # the engine's longest batch comes first; the optimizer's state is there after one step


def peak_memory(arm: Arm, workload: Workload) -> dict[str, int]:
    """Bytes that a fresh process takes for the first three steps of an arm.

    Args:
        arm: which loop.
        workload: models and numbers.

    Returns:
        `loaded_bytes`: most resident memory of the process until the loop starts (Python, libraries, both models,
        rows); `peak_bytes`: the same until the third step is done; `accelerator_bytes`: most memory that torch
        allocated on the accelerator, 0 without one.

    Raises:
        ModuleNotFoundError: on Windows, which does not keep the figure.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_measure, arm, workload, torch.get_num_threads()).result()


def _measure(arm: Arm, workload: Workload, threads: int) -> dict[str, int]:
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        loop = training_loop(
            arm, workload, workload.make_rows(), epochs=-(-_STEPS // workload.steps), folder=Path(folder)
        )
        loaded, steps = peak_resident_bytes(), 0

        def after_step() -> None:
            nonlocal steps
            steps += 1
            if steps == _STEPS:
                raise _EnoughStepsError

        with suppress(_EnoughStepsError):
            loop(after_step)
    allocated = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return {"loaded_bytes": loaded, "peak_bytes": peak_resident_bytes(), "accelerator_bytes": allocated}


class _EnoughStepsError(Exception):
    """Ends the loop."""


__all__ = ["peak_memory"]
