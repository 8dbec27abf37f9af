"""What general distillation is worth, by where the student starts: books first, then two tasks.

all-MiniLM-L6-v2 -> 4 layers, one pass over the text of books_lm, about a quarter of an hour of 2 cores with bf16; the
general student then starts on rotten_tomatoes and stsb as the arm `distilled` of `benchmarks/tasks.py`. Starts:

- `random`, 4 x 312;
- `projection`, 4 x 312, and `projection-untrained`, the same without the pass over the books;
- `layers`, whole layers of the teacher, which must be as wide: 4 x 384, and `projection-384` of the same shape.

`--set` changes a field of `PretrainSettings` for all starts, such as `learning_rate=0.001` or `masked_lm=1.0`. The
test split is scored once, at the end of a run. Runs that the result file holds are not repeated; an interrupted run
goes on at its last checkpoint.

    python benchmarks/general_distillation.py --data DATA                                # everything, 3 seeds
    python benchmarks/general_distillation.py --data DATA --start random --seed 0        # one general student
    python benchmarks/general_distillation.py --table                                    # the results as Markdown

DATA holds a folder per task and books_lm.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from command_line import SEEDS, BenchmarkParser, changes_of
from result_file import add_run, alone, holds, read_results, spread
from rich.console import Console
from tasks import ARMS, distil_task

from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow import PretrainSettings, pretrain

RESULTS = Path(__file__).parent / "results" / "general_distillation.json"
AFTERWARDS = ("rotten_tomatoes", "stsb")
WIDE = {"width": 384, "heads": 12, "units": 1536}
STARTS: dict[str, dict[str, Any]] = {
    "random": {"start": "random"},
    "projection": {"start": "projection"},
    "projection-384": {"start": "projection", **WIDE},
    "layers": {"start": "layers", **WIDE},
}
UNTRAINED = "projection-untrained"
PASS = {"learning_rate": 6e-4, "epochs": 1.0}


def main() -> None:
    """Runs what the result file lacks and writes it after every run."""
    parser = BenchmarkParser(__doc__)
    parser.add_data(or_table=True)
    parser.add_only("--start", [*STARTS, UNTRAINED])
    parser.add_only("--task", AFTERWARDS)
    parser.add_seeds()
    parser.add_trials("PretrainSettings")
    parser.add_folder()
    parser.add_threads()
    parser.add_output(RESULTS)
    parser.set_defaults(live_teacher=True)  # `distil_task` reads it
    options = parser.parse_args()
    if not options.table:
        torch.set_num_threads(options.threads)
        changes = changes_of(options)
        for seed in options.seed or SEEDS:
            for start in options.start or (*STARTS, UNTRAINED):
                for task in options.task or AFTERWARDS:
                    measure(task, start, seed, changes, options)
    sys.stdout.write(table(read_results(options.output)["runs"]))


def measure(task: str, start: str, seed: int, changes: dict[str, Any], options: argparse.Namespace) -> None:
    """One student of a task, and the general student that it starts from, unless the result file holds it."""
    changes = {} if start == UNTRAINED else changes
    key = {"task": task, "start": start, "seed": seed, "changes": changes}
    if holds(options.output, key):
        return
    display = ProgressDisplay(Console(stderr=True))
    display.line(f"{task}, {start}, seed {seed} {changes or ''}")
    name = "-".join([start, str(seed), *(f"{field}={changes[field]}".replace("/", "_") for field in sorted(changes))])
    given, general = general_student(start, seed, changes, options.folder / f"books-{name}", options, display)
    folder = options.folder / f"{task}-from-{name}"
    figures = distil_task(task, seed, {**ARMS["distilled"], **given}, folder, options)
    kept = ("main_metric", "scores", "retention", "parameters", "seconds", "machine")
    add_run(options.output, {**key, "general": general, **{field: figures[field] for field in kept}})


def general_student(
    start: str, seed: int, changes: dict[str, Any], folder: Path, options: argparse.Namespace, display: ProgressDisplay
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Fields of `DistilSettings` that say where a student of a task starts, and figures of the general student."""
    if start == UNTRAINED:
        return {"start": "projection"}, None
    texts = (str(options.data / "books_lm" / "train.jsonl"),)
    settings = PretrainSettings(texts=texts, seed=seed, **{**PASS, **STARTS[start], **changes})
    with alone(folder):
        figures = pretrain(settings, folder, display)
    kept = ("tokens_seen", "steps", "held_out", "seconds", "tokens_per_second")
    return {"start": str(folder)}, {name: figures[name] for name in kept}


def table(runs: list[dict[str, Any]]) -> str:
    """Held-out terms and test scores by 100 by start: mean (least to most) over the seeds."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        changed = "".join(f", {name} {value}" for name, value in run["changes"].items())
        groups.setdefault(run["start"] + changed, []).append(run)
    terms = list(next((run["general"]["held_out"]["after"] for run in runs if run["general"]), {}))
    lines = [
        "| start | seeds | " + " | ".join([*terms, *AFTERWARDS]) + " |",
        "|---" * (2 + len([*terms, *AFTERWARDS])) + "|",
    ]
    for name, group in groups.items():
        # one for each seed, whichever tasks came after it
        general = {run["seed"]: run["general"]["held_out"]["after"] for run in group if run["general"]}
        cells = [_cell([one[term] for one in general.values()], 3) for term in terms]
        for task in AFTERWARDS:
            scored = [run for run in group if run["task"] == task and "test" in run["scores"]]
            cells.append(_cell([_test_score(run) for run in scored], 1))
        lines.append(f"| {name} | {len({run['seed'] for run in group})} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _test_score(run: dict[str, Any]) -> float:
    score = float(run["scores"]["test"]["student"][run["main_metric"]])
    return score if score > 1.0 else 100 * score


def _cell(values: list[float], digits: int) -> str:
    if not values:
        return ""
    figures = spread(values)
    mean, least, most = (f"{figures[name]:.{digits}f}" for name in ("mean", "min", "max"))
    return mean if least == most else f"{mean} ({least} to {most})"


if __name__ == "__main__":
    main()
