"""One student of three teachers beside three students of one teacher each.

Sentiment (rotten_tomatoes), entities (wnut17) and similarity (stsb): all-MiniLM-L6-v2 is fine-tuned on each; students
are 4 x 312, start from their teachers and train in one joint phase. Every head of the multi-task student sees as many
steps of its task as the single-task student does; the encoder sees all of them. The test split is scored once, at the
end of a run. Runs that the result file holds are not repeated; an interrupted run goes on at its last epoch.

    python benchmarks/multitask.py --data DATA            # both, 3 seeds
    python benchmarks/multitask.py --data DATA --seed 0   # one seed

DATA holds a folder per task. It has not been run yet.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from tasks import TASKS, fine_tuned_teacher, read_results, spread, write_results

from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow import DistilSettings, MultiTaskSettings, distil, distil_tasks

RESULTS = Path(__file__).parent / "results" / "multitask.json"
NAMES = {"rotten_tomatoes": "sentiment", "wnut17": "entities", "stsb": "similarity"}
SHARED: dict[str, Any] = {"phases": ("joint",), "epochs": 8.0, "learning_rate": 3e-4, "score_test": True}


def main() -> None:
    """Runs what the result file lacks and writes it after every run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder per task")
    parser.add_argument("--seed", action="append", type=int, help="only this seed (repeatable); default 0, 1, 2")
    parser.add_argument("--sampling", default="proportional", help="proportional, temperature or annealed")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "tinybert_tasks", help="models")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="result file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    display = ProgressDisplay(Console(stderr=True))
    teachers = {task: fine_tuned_teacher(task, options.data, options.folder, display) for task in NAMES}
    for seed in options.seed or (0, 1, 2):
        own = {name: _own(task, options.data, teachers[task]) for task, name in NAMES.items()}
        if not _done(options.output, "together", seed, options.sampling):
            settings = MultiTaskSettings(tasks=own, shared={**SHARED, "seed": seed}, sampling=options.sampling)
            figures = distil_tasks(settings, options.folder / f"together-{options.sampling}-{seed}", display)
            _keep(options.output, "together", seed, options.sampling, figures["tasks"], figures["seconds"])
        if not _done(options.output, "alone", seed, "none"):
            alone = {
                name: distil(
                    DistilSettings(**one, **SHARED, seed=seed), options.folder / f"alone-{name}-{seed}", display
                )
                for name, one in own.items()
            }
            seconds = {name: figures["seconds"]["total"] for name, figures in alone.items()}
            _keep(options.output, "alone", seed, "none", alone, seconds)
    sys.stdout.write(json.dumps(read_results(options.output)["summary"], indent=1) + "\n")


def _own(task: str, data: Path, teacher: Path) -> dict[str, Any]:
    run = TASKS[task]
    return {"data": str(data / task), "kind": run.kind, "max_length": run.max_length, "teacher": str(teacher)}


def _done(file: Path, arm: str, seed: int, sampling: str) -> bool:
    key = {"arm": arm, "seed": seed, "sampling": sampling}
    return any({name: run[name] for name in key} == key for run in read_results(file)["runs"])


def _keep(file: Path, arm: str, seed: int, sampling: str, tasks: dict[str, Any], seconds: dict[str, Any]) -> None:
    results = read_results(file)
    kept = {name: {key: own[key] for key in ("main_metric", "scores", "retention")} for name, own in tasks.items()}
    results["runs"].append({"arm": arm, "seed": seed, "sampling": sampling, "tasks": kept, "seconds": seconds})
    results["summary"] = {
        f"{name}, {arm}" + ("" if arm == "alone" else f", {sampling}"): _figures(group, name)
        for arm, sampling in sorted({(run["arm"], run["sampling"]) for run in results["runs"]})
        for group in [[run for run in results["runs"] if (run["arm"], run["sampling"]) == (arm, sampling)]]
        for name in NAMES.values()
    }
    write_results(file, results)


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
            for split in ("validation", "test")
        },
    }


if __name__ == "__main__":
    main()
