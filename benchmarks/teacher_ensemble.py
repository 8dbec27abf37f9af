"""A student of three teachers of a task beside a student of one of them.

Three models are fine-tuned on the task as in `benchmarks/tasks.py`, with seeds 0, 1 and 2. Arms:

- `one`: a student of the first teacher, which is the one of `benchmarks/tasks.py`;
- `all`: a student of the mean of the predictions of all three, and of the layers of the first.

Both start from the same weights, the general student or those of the first teacher projected, and train in one joint
phase of as many passes. Every teacher is scored by itself, and all as one. Every choice is made on the validation
split; the test split is scored once, at the end of a run. Runs that the result file holds are not repeated; an
interrupted run goes on at its last epoch.

    python benchmarks/teacher_ensemble.py --data DATA                                        # 3 tasks, 3 seeds
    python benchmarks/teacher_ensemble.py --data DATA --start projection                     # no general student
    python benchmarks/teacher_ensemble.py --data DATA --task banking77 --arm all --seed 0    # one run
    python benchmarks/teacher_ensemble.py --table                                            # results as Markdown

DATA holds a folder per task, as named in `TASKS` of `benchmarks/tasks.py`. Cost: beside the students of
`benchmarks/tasks.py` two more teachers, and the answers of three.
"""

import argparse
import json
import sys
from typing import Any

import torch
from command_line import SEEDS, BenchmarkParser, changes_of
from result_file import Run, add_run, holds, read_results, spread
from rich.console import Console
from tasks import (
    RESULTS as TASK_RESULTS,
)
from tasks import (
    TASKS,
    distil_task,
    fine_tuned_teacher,
    general_student,
    own_rows_alone,
    score_cell,
    standard_settings,
)

from hf_tinybert.progress import ProgressDisplay

RESULTS = TASK_RESULTS.with_name("teacher_ensemble.json")
ARMS = ("one", "all")
TEACHER_SEEDS = (0, 1, 2)
ARM_OF = {"general": "distilled", "projection": "distilled-projected"}  # of `tasks.py`, by where students start
USUAL_TASKS = ("rotten_tomatoes", "banking77", "wnut17")
# embeddings of several models have no common mean
JOINABLE = tuple(task for task, run in TASKS.items() if run.teacher is not None)


def main() -> None:
    """Runs what the result file lacks and writes it after every run."""
    parser = BenchmarkParser(__doc__)
    parser.add_data(or_table=True)
    parser.add_argument(
        "--task", action="append", choices=JOINABLE, help=f"default {', '.join(USUAL_TASKS)} (repeatable)"
    )
    parser.add_only("--arm", ARMS)
    parser.add_seeds()
    parser.add_argument("--start", default="general", choices=ARM_OF, help="of all students (default general)")
    parser.add_trials()
    parser.add_folder()
    parser.add_threads()
    parser.add_live_teacher()
    parser.add_output(RESULTS)
    options = parser.parse_args()
    if options.table:
        sys.stdout.write(table(read_results(options.output)["runs"]))
        return
    torch.set_num_threads(options.threads)
    changes = changes_of(options)
    for seed in options.seed or SEEDS:
        for task in options.task or USUAL_TASKS:
            for arm in options.arm or ARMS:
                measure(task, arm, seed, changes, options)
    sys.stdout.write(json.dumps(read_results(options.output)["summary"], indent=1) + "\n")


def measure(task: str, arm: str, seed: int, changes: dict[str, Any], options: argparse.Namespace) -> None:
    """One student, unless the result file holds it."""
    settings = {**_standard(task, options.start), **changes}
    key = {"task": task, "arm": arm, "start": options.start, "seed": seed, "settings": settings}
    if holds(options.output, key):
        return
    display = ProgressDisplay(Console(stderr=True))
    display.line(f"{task}, {arm}, {options.start} start, seed {seed} {changes or ''}")
    seeds = TEACHER_SEEDS if arm == "all" else TEACHER_SEEDS[:1]
    teachers = [str(fine_tuned_teacher(task, options.data, options.folder, display, one)) for one in seeds]
    more: dict[str, Any] = {"teacher": tuple(teachers)}
    if options.start == "general":
        more["start"] = str(general_student(options.data, options.folder, display))
    parts = ["ensemble", task, arm, options.start, str(seed), *(f"{name}={value}" for name, value in changes.items())]
    folder = options.folder / "-".join(parts).replace("/", "_")
    figures = distil_task(task, seed, {**settings, **more}, folder, options)
    kept = ("main_metric", "rows", "scores", "ensemble", "retention", "epochs", "parameters", "seconds", "machine")
    add_run(options.output, {**key, **{name: figures[name] for name in kept if name in figures}}, _summary)


def table(runs: list[Run]) -> str:
    """The runs without changed settings as a table in Markdown, on the test split where it was scored."""
    heads = ["task, metric, split", "start", "teachers alone", "teachers as one", "student of one", "student of all"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for task in TASKS:
        for start in ARM_OF:
            standard = _standard(task, start)
            own = [run for run in runs if (run["task"], run["start"], run["settings"]) == (task, start, standard)]
            for split in ("validation", "test"):
                scored = [run for run in own if split in run["scores"]]
                if scored:
                    lines.append(
                        f"| {task}, {scored[0]['main_metric']}, {split} | {start} | {_cells(scored, split)} |"
                    )
    return "\n".join(lines) + "\n"


def _standard(task: str, start: str) -> dict[str, Any]:
    """The settings of `tasks.py`, on the labelled rows of the task alone."""
    arm = ARM_OF[start]
    return {**standard_settings(task, arm), **own_rows_alone(task, arm)}


def _cells(runs: list[Run], split: str) -> str:
    """Of teachers and students of one task and start."""
    metric = runs[0]["main_metric"]
    by_arm = {arm: [run for run in runs if run["arm"] == arm] for arm in ARMS}
    scale = 1.0 if runs[0]["scores"][split]["teacher"][metric] > 1.0 else 100.0
    joined = by_arm["all"][:1]
    alone = [one["scores"][split][metric] for run in joined for one in run["ensemble"]["teachers"]]
    values = [
        alone or [run["scores"][split]["teacher"][metric] for run in by_arm["one"][:1]],
        [run["scores"][split]["teacher"][metric] for run in joined],
        *([run["scores"][split]["student"][metric] for run in by_arm[arm]] for arm in ARMS),
    ]
    return " | ".join(score_cell([scale * value for value in several]) for several in values)


def _summary(runs: list[Run]) -> dict[str, Any]:
    """By task, arm, start and settings: mean, least and most over the seeds of the main metric."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        standard = _standard(run["task"], run["start"])
        own = {name: value for name, value in run["settings"].items() if standard.get(name) != value}
        name = f"{run['task']} {run['arm']} {run['start']} {json.dumps(own) if own else ''}".strip()
        groups.setdefault(name, []).append(run)
    return {name: _group(group) for name, group in groups.items()}


def _group(runs: list[Run]) -> dict[str, Any]:
    metric = runs[0]["main_metric"]
    figures: dict[str, Any] = {"seeds": len(runs), "metric": metric}
    for split in ("validation", "test"):
        scored = [run for run in runs if split in run["scores"]]
        if scored:
            figures[split] = {
                model: spread(run["scores"][split][model][metric] for run in scored)
                for model in ("teacher", "student")
            }
    return figures | {"seconds": spread(run["seconds"]["total"] for run in runs)}


if __name__ == "__main__":
    main()
