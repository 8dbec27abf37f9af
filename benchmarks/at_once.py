"""The runs of several benchmarks at once, in worker processes that share a GPU or the cores of a large machine.

Students of this size leave most of a GPU idle. Every worker takes one command after the other and loads libraries and
kernels once; what a command prints goes to a file. Teachers and the general student come first and are made once. Runs
that the result files hold are not repeated; interrupted ones go on.

    python benchmarks/at_once.py --data DATA --workers 15                             # everything
    python benchmarks/at_once.py --data DATA --workers 15 --only multitask --only augmentation_worth
    python benchmarks/at_once.py --data DATA --workers 15 --commands FILE  # others, a script and its options a line
    python benchmarks/at_once.py --data DATA --list                                   # the commands, nothing is run

DATA holds a folder per task and books_lm. On an NVIDIA GPU start the MPS daemon before (`nvidia-cuda-mps-control -d`):
kernels of several workers then run at the same time. Afterwards `multitask.py` alone adds its single-task ones.
"""

import argparse
import contextlib
import multiprocessing
import re
import runpy
import shlex
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch
from augmentation_worth import ARMS as AUGMENTATION_ARMS
from augmentation_worth import ROWS, TEACHERS
from command_line import SEEDS, BenchmarkParser
from general_distillation import STARTS, UNTRAINED
from rich.console import Console
from shapes import SHAPED, SHAPES
from tasks import ARMS, GENERAL, TASKS

from hf_tinybert.progress import ProgressDisplay

BENCHMARKS = ("tasks", "multitask", "general_distillation", "augmentation_worth", "shapes")
Command = tuple[str, ...]
_LONGEST_NAME = 200  # of a log


def main() -> None:
    """Runs the commands and tells which have failed."""
    parser = BenchmarkParser(__doc__)
    parser.add_data()
    parser.add_argument("--workers", type=int, default=1, help="commands at once (default 1)")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="only this benchmark (repeatable)")
    parser.add_argument("--commands", type=Path, help="file of the commands, in the place of those of the benchmarks")
    parser.add_argument("--list", action="store_true", help="print the commands and run nothing")
    parser.add_folder("models, logs")
    options = parser.parse_args()
    if options.commands:
        lines = options.commands.read_text(encoding="utf-8").splitlines()
        wanted = [tuple(shlex.split(line, comments=True)) for line in lines if shlex.split(line, comments=True)]
    else:
        wanted = list(commands(options.only or BENCHMARKS))
    if options.list:
        sys.stdout.write("".join(f"python benchmarks/{shlex.join(command)}\n" for command in wanted))
        return
    sys.exit(1 if run(wanted, options) else 0)


def commands(benchmarks: tuple[str, ...] | list[str]) -> Iterator[Command]:
    """Script and arguments of every run, those first that others wait for, then by seed.

    Args:
        benchmarks: names of scripts.
    """
    for name in (GENERAL, *(task for task, run in TASKS.items() if run.teacher is not None)):
        yield "tasks.py", "--prepare", name
    for seed in SEEDS:
        yield from (one for one in _of_seed(seed) if one[0].removesuffix(".py") in benchmarks)


def _of_seed(seed: int) -> Iterator[Command]:
    of_seed = "--seed", str(seed)
    yield "multitask.py", "--together-only", *of_seed
    for start in (*STARTS, UNTRAINED):
        yield "general_distillation.py", "--start", start, *of_seed
    for task, run in TASKS.items():
        for arm in ARMS:
            if run.teacher is not None or not arm.startswith("undistilled"):
                yield "tasks.py", "--task", task, "--arm", arm, "--live-teacher", *of_seed
    for task in TEACHERS:
        for rows in ROWS:
            for arm in AUGMENTATION_ARMS:
                yield "augmentation_worth.py", "--task", task, "--rows", str(rows), "--arm", arm, *of_seed
    for task in SHAPED:
        for shape in SHAPES:
            yield "shapes.py", "--task", task, "--shape", shape, "--live-teacher", *of_seed


def run(wanted: list[Command], options: argparse.Namespace) -> list[str]:
    """Runs all commands, and gives the names of those that failed.

    Args:
        wanted: see `commands`.
        options: of this command.
    """
    logs = options.folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hf_tinybert.workflow", "hf_tinybert.distillation.multitask.trainer"])
    display = ProgressDisplay(Console(stderr=True))
    failed = []
    with (
        ProcessPoolExecutor(options.workers, mp_context=context, initializer=_prepare_worker) as pool,
        display.bar("running", total=len(wanted)) as bar,
    ):
        common = ("--data", str(options.data), "--folder", str(options.folder), "--threads", "1")
        pending = {pool.submit(_run_command, (*one, *common), logs / f"{_name(one)}.txt"): one for one in wanted}
        for done in as_completed(pending):
            bar.advance(1)
            if not done.result():
                failed.append(_name(pending[done]))
                display.line(f"  failed: {_name(pending[done])}, see {logs / failed[-1]}.txt")
    return failed


def _name(command: Command) -> str:
    parts = (part.removeprefix("--").removesuffix(".py") for part in command)
    told = "-".join(part for part in parts if part not in ("task", "arm", "live-teacher", "together-only"))
    return re.sub(r"[^\w.=-]+", "_", told)[:_LONGEST_NAME]


def _prepare_worker() -> None:
    # cuDNN plans attention anew for every length of a batch: of a short run that is most of the time
    torch.backends.cuda.enable_cudnn_sdp(False)


def _run_command(command: Command, log: Path) -> bool:
    script, *arguments = command
    with log.open("a", encoding="utf-8") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        sys.argv = [script, *arguments]
        try:
            runpy.run_path(str(Path(__file__).parent / script), run_name="__main__")
        except SystemExit as exit_:
            return not exit_.code
        except Exception:  # the others go on
            traceback.print_exc()
            return False
        finally:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
    return True


if __name__ == "__main__":
    main()
