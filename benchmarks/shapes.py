"""How small a student may be: what is kept of the teacher, against parameters and milliseconds.

Students of several depths and widths are distilled on each task as in `benchmarks/tasks.py`, from the projected
weights of the task's teacher. The smallest shape that keeps 97 % is chosen on the validation split; the test split is
scored once, at the end of a run. Runs that the result file holds are not repeated; an interrupted run goes on at its
last epoch.

    python benchmarks/shapes.py --data DATA                         # every shape of every task, seed 0
    python benchmarks/shapes.py --data DATA --task banking77 --shape 2x192
    python benchmarks/shapes.py --data DATA --task ud_ewt_pos --layer-mapping search
    python benchmarks/shapes.py --data DATA --time                  # milliseconds, when nothing else runs
    python benchmarks/shapes.py --data DATA --plot shapes.png       # needs matplotlib

DATA holds a folder per task.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import torch
from command_line import BenchmarkParser
from result_file import add_run, change_results, holds, read_results
from rich.console import Console
from tasks import PASSES, TASKS, distil_task, fine_tuned_teacher

from hf_tinybert.benchmark import sentences_per_second
from hf_tinybert.data import load_task_data
from hf_tinybert.machine import machine
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow import load_model_folder

RESULTS = Path(__file__).parent / "results" / "shapes.json"
SHAPED = ("rotten_tomatoes", "banking77", "ud_ewt_pos")
SHAPES = (
    "4x312",
    "3x312",
    "2x312",
    "1x312",
    "4x192",
    "3x192",
    "2x192",
    "1x192",
    "2x128",
    "1x128",
    "2x96",
    "2x64",
)  # layers x width
MAPPINGS = ("uniform", "search")
ENOUGH = 0.97
_BATCHES = (1, 32)
_TIMED_RUNS = 60


def main() -> None:
    """Runs what the result file lacks and writes it after every run."""
    parser = BenchmarkParser(__doc__)
    parser.add_data()
    parser.add_only("--task", SHAPED)
    parser.add_only("--shape", SHAPES)
    parser.add_argument(
        "--layer-mapping", choices=MAPPINGS, default="uniform", help="of the teacher's layers (default uniform)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the students (default 0)")
    parser.add_argument("--time", action="store_true", help="time the students that are there, and nothing else")
    parser.add_argument("--plot", type=Path, help="draw the results into this file, and nothing else")
    parser.add_folder()
    parser.add_threads()
    parser.add_live_teacher()
    parser.add_output(RESULTS)
    parser.set_defaults(validation_only=False)  # `distil_task` reads it
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tasks = options.task or SHAPED
    if options.plot:
        draw(read_results(options.output), options.plot)
    elif options.time:
        for task in tasks:
            time_students(task, options)
    else:
        for task in tasks:
            for shape in options.shape or SHAPES:
                measure(task, shape, options)
    sys.stdout.write(json.dumps(smallest(read_results(options.output)["runs"]), indent=1) + "\n")


def measure(task: str, shape: str, options: argparse.Namespace) -> None:
    """One student, unless the result file holds it."""
    key = {"task": task, "shape": shape, "layer_mapping": options.layer_mapping, "seed": options.seed}
    if holds(options.output, key):
        return
    display = ProgressDisplay(Console(stderr=True))
    display.line(f"{task}, {shape}, {options.layer_mapping}, seed {options.seed}")
    layers, width = (int(number) for number in shape.split("x"))
    settings: dict[str, Any] = {**PASSES, "phases": ["joint"], "layers": layers, "width": width}
    settings |= {} if options.layer_mapping == "uniform" else {"layer_mapping": options.layer_mapping}
    figures = distil_task(task, options.seed, settings, _student(task, shape, options), options)
    kept = ("main_metric", "scores", "retention", "parameters", "seconds", "machine")
    add_run(options.output, {**key, "settings": settings, **{name: figures[name] for name in kept}})


def time_students(task: str, options: argparse.Namespace) -> None:
    """Milliseconds a text of teacher and students, in turns, on the texts of the validation split."""
    wanted = {"task": task, "layer_mapping": options.layer_mapping, "seed": options.seed}
    runs = [run for run in read_results(options.output)["runs"] if wanted.items() <= run.items()]
    display = ProgressDisplay(Console(stderr=True))
    teacher = load_model_folder(fine_tuned_teacher(task, options.data, options.folder, display))
    models = {"teacher": teacher.model} | {
        run["shape"]: load_model_folder(_student(task, run["shape"], options)).model for run in runs
    }
    rows = load_task_data(options.data / task).splits["validation"]
    texts = rows["text"][:] if "text" in rows.column_names else [" ".join(tokens) for tokens in rows["tokens"]]
    speeds = {
        batch: sentences_per_second(
            models,
            teacher.tokenizer,
            texts,
            batch_size=batch,
            max_length=TASKS[task].max_length,
            runs=_TIMED_RUNS,
        )
        for batch in _BATCHES
    }
    told = {
        "machine": machine(),
        **{str(batch): {name: round(1000 / speed, 4) for name, speed in speeds[batch].items()} for batch in speeds},
    }
    change_results(options.output, lambda results: results.setdefault("milliseconds", {}).update({task: told}))


def smallest(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """By task: the student of fewest parameters that keeps enough on the validation split, and its retention."""
    found, means = {}, over_seeds(runs)
    for task in dict.fromkeys(run["task"] for run in runs):
        enough = [run for run in means if run["task"] == task and _kept(run, "validation") >= ENOUGH]
        if enough:
            best = min(enough, key=lambda run: run["parameters"]["student"])
            found[task] = {
                "shape": best["shape"],
                "layer_mapping": best["layer_mapping"],
                "seeds": best["seeds"],
                "parameters": best["parameters"],
                "validation": _kept(best, "validation"),
                "test": _kept(best, "test"),
            }
    return found


def over_seeds(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One run for all seeds of a shape: the mean of what it keeps in place of each, and how many `seeds`."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["task"], run["shape"], run["layer_mapping"]), []).append(run)
    return [
        {
            **group[0],
            "seeds": len(group),
            "retention": {
                split: {group[0]["main_metric"]: statistics.fmean(_kept(run, split) for run in group)}
                for split in ("validation", "test")
            },
        }
        for group in groups.values()
    ]


def draw(results: dict[str, Any], file: Path) -> None:
    """Retention on the test split against parameters, and against milliseconds where they were measured.

    A line joins the students that nothing smaller, or faster, matches; of several seeds the mean is shown.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    means = over_seeds(results["runs"])
    tasks = list(dict.fromkeys(run["task"] for run in means))
    figure, grid = pyplot.subplots(
        len(tasks), 2, figsize=(11, 3.2 * len(tasks)), sharex="col", sharey="row", squeeze=False, layout="constrained"
    )
    for task, panels in zip(tasks, grid, strict=True):
        runs = sorted((run for run in means if run["task"] == task), key=lambda run: run["parameters"]["student"])
        times = results.get("milliseconds", {}).get(task, {}).get("32", {})
        sizes = [run["parameters"]["student"] / 1e6 for run in runs]
        for panel, values in zip(panels, (sizes, [times.get(run["shape"]) for run in runs]), strict=True):
            points = sorted(
                (
                    (value, 100 * _kept(run, "test"), _label(run))
                    for value, run in zip(values, runs, strict=True)
                    if value is not None
                ),
                key=lambda point: (point[0], -point[1]),
            )
            best = [point for index, point in enumerate(points) if all(point[1] > one[1] for one in points[:index])]
            panel.plot([point[0] for point in best], [point[1] for point in best], "-")
            panel.plot([point[0] for point in points], [point[1] for point in points], "o", color="C0")
            for value, kept, label in points:
                panel.annotate(label, (value, kept), textcoords="offset points", xytext=(4, 5), fontsize=7)
            panel.axhline(100 * ENOUGH, color="grey", linestyle="--", linewidth=1)
            panel.margins(x=0.1, y=0.12)
            panel.grid(alpha=0.3)
        panels[0].set_ylabel(f"{task}\n% kept, test")
    for panel, label in zip(grid[-1], ("million parameters", "milliseconds a text, batches of 32"), strict=True):
        panel.set_xlabel(label)
    figure.savefig(file, dpi=150)


def _kept(run: dict[str, Any], split: str) -> float:
    return float(run["retention"][split][run["main_metric"]])


def _student(task: str, shape: str, options: argparse.Namespace) -> Path:
    mapping = "" if options.layer_mapping == "uniform" else f"-{options.layer_mapping}"
    folder: Path = options.folder / f"{task}-shape-{shape}{mapping}-{options.seed}"
    return folder


def _label(run: dict[str, Any]) -> str:
    return str(run["shape"]) if run["layer_mapping"] == "uniform" else f"{run['shape']}, {run['layer_mapping']}"


if __name__ == "__main__":
    main()
