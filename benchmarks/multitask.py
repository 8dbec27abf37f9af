"""One student of three teachers beside three students of one teacher each.

Sentiment (rotten_tomatoes), entities (wnut17) and similarity (stsb): the multi-task student trains in one joint phase,
as the single-task ones do, which are those of the arm `distilled` of `benchmarks/tasks.py`, here on their own rows
alone. All start from the general student, or all from projected weights (the arm `distilled-projected`; the multi-task
student's encoder is then that of the first teacher). Every head sees as many steps of its task as the single-task
student does; the encoder sees all of them. The test split is scored once, at the end of a run. Runs that the result
file holds are not repeated; an interrupted run goes on at its last epoch. `--set` changes a field of `DistilSettings`
of the multi-task student, such as `loss_weights={"attention_scores_loss":0}`. Runs of `together-one-projection` were
made when teachers of one width shared their projections.

    python benchmarks/multitask.py --data DATA                      # 3 seeds, and the single-task students they need
    python benchmarks/multitask.py --data DATA --start projection   # the same without a general student
    python benchmarks/multitask.py --data DATA --seed 0             # one seed
    python benchmarks/multitask.py --data DATA --together-only --validation-only --sampling temperature  # a trial

DATA holds a folder per task.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from command_line import SEEDS, BenchmarkParser, changes_of
from result_file import Run, add_run, holds, read_results, spread
from rich.console import Console
from tasks import (
    ARMS,
    TASKS,
    fine_tuned_teacher,
    general_student,
    own_rows_alone,
    standard_settings,
)
from tasks import RESULTS as SINGLE_TASK_RESULTS
from tasks import measure as measure_single_task

from hf_tinybert.machine import machine
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow import MultiTaskSettings, distil_tasks

RESULTS = Path(__file__).parent / "results" / "multitask.json"
NAMES = {"rotten_tomatoes": "sentiment", "wnut17": "entities", "stsb": "similarity"}
ARM_OF = {"general": "distilled", "projection": "distilled-projected"}  # by where the students start


def main() -> None:
    """Runs what the result file lacks and writes it after every run."""
    parser = BenchmarkParser(__doc__)
    parser.add_data()
    parser.add_seeds()
    parser.add_argument("--start", default="general", choices=ARM_OF, help="of all students (default general)")
    parser.add_argument("--sampling", default="proportional", help="proportional, temperature or annealed")
    parser.add_folder()
    parser.add_threads()
    parser.add_argument("--together-only", action="store_true", help="leave the single-task students out")
    parser.add_trials()
    parser.add_output(RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    changes = changes_of(options)
    for seed in options.seed or SEEDS:
        measure(seed, changes, options)
        alone = {"arm": "alone", "start": options.start, "seed": seed, "sampling": "none", "changes": {}}
        if not options.together_only and not holds(options.output, alone):
            arm = ARM_OF[options.start]
            runs = {name: _single_task(task, arm, seed, options) for task, name in NAMES.items()}
            seconds = {name: run["seconds"]["total"] for name, run in runs.items()}
            _keep(options.output, alone, runs, seconds)
    sys.stdout.write(json.dumps(read_results(options.output)["summary"], indent=1) + "\n")


def measure(seed: int, changes: dict[str, Any], options: argparse.Namespace) -> None:
    """One multi-task student, unless the result file holds it."""
    key = {"arm": "together", "start": options.start, "seed": seed, "sampling": options.sampling, "changes": changes}
    if holds(options.output, key):
        return
    display, arm = ProgressDisplay(Console(stderr=True)), ARM_OF[options.start]
    own = {name: _own(task, options, display) for task, name in NAMES.items()}
    shared = {**ARMS[arm], **changes, "score_test": not options.validation_only, "seed": seed}
    if arm == "distilled":
        shared["start"] = str(general_student(options.data, options.folder, display))
    changed = [f"{name}={json.dumps(changes[name])}".replace("/", "_") for name in sorted(changes)]
    folder = options.folder / "-".join(["together", options.start, options.sampling, str(seed), *changed])
    figures = distil_tasks(MultiTaskSettings(tasks=own, shared=shared, sampling=options.sampling), folder, display)
    _keep(options.output, key, figures["tasks"], figures["seconds"])


def _own(task: str, options: argparse.Namespace, display: ProgressDisplay) -> dict[str, Any]:
    run = TASKS[task]
    return {
        "data": str(options.data / task),
        "kind": run.kind,
        "max_length": run.max_length,
        "teacher": str(fine_tuned_teacher(task, options.data, options.folder, display)),
    }


def _single_task(task: str, arm: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """The run of the single-task student, which learns from as many rows as the other; measured unless it is there."""
    single = argparse.Namespace(
        **{**vars(options), "output": SINGLE_TASK_RESULTS, "validation_only": False, "live_teacher": False}
    )
    changes = own_rows_alone(task, arm)
    measure_single_task(task, arm, seed, changes, single)
    settings = {**standard_settings(task, arm), **changes}
    key = {"task": task, "arm": arm, "seed": seed, "settings": json.loads(json.dumps(settings))}
    runs = read_results(SINGLE_TASK_RESULTS)["runs"]
    return dict(next(run for run in runs if {name: run[name] for name in key} == key))


def _keep(file: Path, key: dict[str, Any], tasks: dict[str, Any], seconds: dict[str, Any]) -> None:
    kept = {name: {key: own[key] for key in ("main_metric", "scores", "retention")} for name, own in tasks.items()}
    add_run(file, {**key, "tasks": kept, "seconds": seconds, "machine": machine()}, _summary)


def _summary(runs: list[Run]) -> dict[str, Any]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        told = [run["arm"], *([] if run["arm"] == "alone" else [run["sampling"]]), f"start: {run['start']}"]
        told += [json.dumps(run["changes"])] if run["changes"] else []
        groups.setdefault(", ".join(told), []).append(run)
    return {f"{name}, {group}": _figures(own, name) for group, own in groups.items() for name in NAMES.values()}


def _figures(runs: list[dict[str, Any]], name: str) -> dict[str, Any]:
    tasks = [run["tasks"][name] for run in runs]
    metric = tasks[0]["main_metric"]
    return {
        "seeds": len(runs),
        "metric": metric,
        **{
            split: {
                "teacher": spread(task["scores"][split]["teacher"][metric] for task in tasks),
                "student": spread(task["scores"][split]["student"][metric] for task in tasks),
                "retention": spread(task["retention"][split][metric] for task in tasks),
            }
            for split in tasks[0]["scores"]
        },
    }


if __name__ == "__main__":
    main()
