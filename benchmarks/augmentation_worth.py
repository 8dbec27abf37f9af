"""What augmentation buys where rows are few: 300 and 1,000 training rows of two tasks, with and without more text.

The rows are a sample of equally many of each class, drawn by the seed (a class gets one more where they do not come
out even); the validation and test splits are whole. all-MiniLM-L6-v2 is fine-tuned on the same rows, once for all arms
of a seed. The student of 4 x 312 starts from the teacher's projected weights and learns in one joint phase. Arms:

- `without`: the rows alone;
- `on-disk`: beside 20 copies of each, written once by `hf-tinybert augment`;
- `fresh`: in the place of the rows their variants, others in every epoch;
- `unlabelled`: beside the training rows that were left out, without their labels.

All arms take the same number of steps of 32 rows, so that an arm with more text sees each row less often, and the
last weights are scored: no arm is chosen by a look at the validation split. `TEACHERS`, `STEPS` and `STUDENT` are the
same for all arms and were not tuned. The teacher answers while training, in every arm. An epoch of `without` and
`fresh` holds each row 21 times, as one of `on-disk` does: it ends with a checkpoint, of which a hundred would be
written otherwise. The test split is scored once, at the end of a run. Runs that the result file holds are not
repeated; an interrupted run goes on at its last epoch.

    python benchmarks/augmentation_worth.py --data DATA                      # everything, 3 seeds
    python benchmarks/augmentation_worth.py --data DATA --task banking77 --rows 300 --arm fresh --seed 0
    python benchmarks/augmentation_worth.py --table                          # the results as Markdown

DATA holds a folder per task.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from command_line import SEEDS, BenchmarkParser
from result_file import add_run, alone, holds, read_results, spread
from rich.console import Console
from tasks import TASKS

from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow import (
    AugmentSettings,
    DistilSettings,
    FinetuneSettings,
    WordSettings,
    augment,
    distil,
    finetune,
)
from hf_tinybert.workflow.augmentation_sources import choose_vectors

RESULTS = Path(__file__).parent / "results" / "augmentation_worth.json"
ROWS = (300, 1000)
ARMS = ("without", "on-disk", "fresh", "unlabelled")
LEFT_OUT = "left_out.jsonl"
COPIES = 20  # source: TinyBERT, section 4.2, of SST-2
BATCH = 32
STEPS = 1000
TEACHER_BATCH = 16
TEACHERS: dict[str, dict[str, float]] = {  # steps and peak learning rate
    "rotten_tomatoes": {"steps": 200, "learning_rate": 1e-4},
    "banking77": {"steps": 400, "learning_rate": 2e-4},
}
STUDENT: dict[str, Any] = {"phases": ["joint"], "learning_rate": 3e-4, "batch_size": BATCH, "keep_best": False}


def main() -> None:
    """Runs what the result file lacks and writes it after every run."""
    parser = BenchmarkParser(__doc__)
    parser.add_data(or_table=True)
    parser.add_only("--task", TEACHERS)
    parser.add_argument("--rows", action="append", type=int, help="only so many rows (repeatable); default 300, 1000")
    parser.add_only("--arm", ARMS)
    parser.add_seeds()
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of a student (default {STEPS})")
    parser.add_argument("--vectors", help="see `hf-tinybert augment --vectors`; default: what it takes for English")
    parser.add_folder()
    parser.add_threads()
    parser.add_output(RESULTS)
    options = parser.parse_args()
    if not options.table:
        torch.set_num_threads(options.threads)
        vectors = choose_vectors(WordSettings(vectors=options.vectors))
        for seed in options.seed or SEEDS:
            for task in options.task or TEACHERS:
                for rows in options.rows or ROWS:
                    for arm in options.arm or ARMS:
                        measure(Run(task, rows, arm, seed, vectors, options))
    sys.stdout.write(table(read_results(options.output)["runs"]))


class Run:
    """One student.

    Args:
        task: key of `TEACHERS`.
        rows: labelled training rows.
        arm: of `ARMS`.
        seed: of the sample of rows, the teacher and the student.
        vectors: where words of variants come from, see `choose_vectors`.
        options: of the command.
    """

    def __init__(self, task: str, rows: int, arm: str, seed: int, vectors: str, options: argparse.Namespace) -> None:
        words = vectors if arm in ("on-disk", "fresh") else None  # the others read none
        self.key = {"task": task, "rows": rows, "arm": arm, "seed": seed, "steps": options.steps, "vectors": words}
        self.task, self.rows, self.arm, self.seed, self.vectors = task, rows, arm, seed, vectors
        self.output: Path = options.output
        self.source: Path = options.data / task
        self.folder: Path = options.folder / f"{task}-{rows}-rows-{seed}"
        self.display = ProgressDisplay(Console(stderr=True))

    @property
    def data(self) -> Path:
        """The folder of the sample."""
        return self.folder / "data"

    @property
    def common(self) -> dict[str, Any]:
        """What the settings of teacher and student share."""
        run = TASKS[self.task]
        return {"data": str(self.data), "kind": run.kind, "max_length": run.max_length, "seed": self.seed}

    def unlabeled(self) -> tuple[str, ...]:
        """The files of what the arm reads beside the rows."""
        if self.arm == "unlabelled":
            return (str(self.folder / LEFT_OUT),)
        if self.arm != "on-disk":
            return (str(self.data / "train.jsonl"),) * COPIES
        file = self.folder / f"copies-{Path(self.vectors).name}.jsonl"
        settings = AugmentSettings(
            data=str(self.data), kind=TASKS[self.task].kind, vectors=self.vectors, copies=COPIES, seed=self.seed
        )
        augment(settings, file, self.display)
        return (str(file),)


def measure(run: Run) -> None:
    """One student, unless the result file holds it."""
    if holds(run.output, run.key):
        return
    run.display.line(f"{run.task}, {run.rows} rows, {run.arm}, seed {run.seed}")
    with alone(run.folder):
        write_sample(run)
        teacher = fine_tuned_teacher(run)
    unlabeled = run.unlabeled()
    seen = run.rows + sum(len(Path(file).read_text(encoding="utf-8").splitlines()) for file in unlabeled)
    fresh = run.arm == "fresh"
    settings = DistilSettings(
        **run.common,
        **STUDENT,
        epochs=epochs_of(run.key["steps"], seen, BATCH),
        teacher=str(teacher),
        unlabeled=unlabeled,
        augment="replace" if fresh else None,
        augment_words={"vectors": run.vectors} if fresh else None,
        score_test=True,
    )
    words = [Path(run.vectors).name] if run.key["vectors"] else []
    name = "-".join([run.arm, *words, f"{run.key['steps']}-steps"])
    figures = distil(settings, run.folder / name, run.display)
    kept = ("main_metric", "scores", "retention", "seconds", "machine")
    told = {"epochs": settings.epochs, "rows_of_an_epoch": seen, **{name: figures[name] for name in kept}}
    add_run(run.output, {**run.key, **told}, summary)


def fine_tuned_teacher(run: Run) -> Path:
    """The folder of the teacher of a sample, fine-tuned unless it is there."""
    given = TEACHERS[run.task]
    settings = FinetuneSettings(
        **run.common,
        batch_size=TEACHER_BATCH,
        keep_best=False,
        epochs=epochs_of(given["steps"], run.rows, TEACHER_BATCH),
        learning_rate=given["learning_rate"],
    )
    finetune(settings, run.folder / "teacher", run.display)
    return run.folder / "teacher"


def epochs_of(steps: float, rows: int, batch: int) -> float:
    """Passes over so many rows that take so many steps: half a step less, as parts of a step count as one."""
    return (steps - 0.5) / -(-rows // batch)


def write_sample(run: Run) -> None:
    """Writes the task with fewer training rows, and before it the texts of those left out, unless it is there."""
    if run.data.is_dir():
        return
    partial = run.data.with_name("data.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in ("labels.json", "validation.jsonl", "test.jsonl"):
        shutil.copyfile(run.source / name, partial / name)
    rows = [json.loads(line) for line in (run.source / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    drawn = set(balanced_sample([row["label"] for row in rows], run.rows, run.seed))
    _write_rows(partial / "train.jsonl", [row for number, row in enumerate(rows) if number in drawn])
    left_out = [{"text": row["text"]} for number, row in enumerate(rows) if number not in drawn]
    _write_rows(run.folder / LEFT_OUT, left_out)
    partial.replace(run.data)


def _write_rows(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def balanced_sample(labels: list[int], count: int, seed: int) -> list[int]:
    """Positions of so many rows, equally many of each class; classes drawn at random get one more.

    Args:
        labels: class of each row.
        count: of the rows drawn.
        seed: of the sample.
    """
    generator = np.random.default_rng(seed)
    classes = sorted(set(labels))
    one_more = set(generator.permutation(len(classes))[: count % len(classes)].tolist())
    drawn: list[int] = []
    for position, label in enumerate(classes):
        own = generator.permutation([row for row, other in enumerate(labels) if other == label]).tolist()
        wanted = count // len(classes) + (position in one_more)
        if len(own) < wanted:
            raise ValueError(f"expected {wanted} rows of each class, got {len(own)} of class {label}; ask for fewer")
        drawn += own[:wanted]
    return drawn


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """By task, rows and arm: test scores of teacher and student, and the gain over `without` of the same seeds."""
    found: dict[str, Any] = {}
    for name, group in grouped(runs).items():
        metric = group[0]["main_metric"]
        gains = [gain for run in group if (gain := gain_of(run, runs)) is not None]
        found[name] = {
            "seeds": len(group),
            "metric": metric,
            **{
                model: spread(run["scores"]["test"][model][metric] for run in group)
                for model in ("teacher", "student")
            },
            **({"gain": spread(gains)} if gains else {}),
        }
    return found


def grouped(runs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Runs that differ by their seed alone, under a name of what they share."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        shared = [run[name] for name in ("task", "rows", "arm", "vectors", "steps") if run[name] is not None]
        groups.setdefault(" ".join(map(str, shared)), []).append(run)
    return groups


def gain_of(run: dict[str, Any], runs: list[dict[str, Any]]) -> float | None:
    """Test score of a student less that of `without` on the same rows; None of that one, and while it is missing."""
    same = ("task", "rows", "seed", "steps")
    for other in runs:
        if run["arm"] != other["arm"] == "without" and all(other[name] == run[name] for name in same):
            own, before = (one["scores"]["test"]["student"][one["main_metric"]] for one in (run, other))
            return round(float(own) - float(before), 5)
    return None


def table(runs: list[dict[str, Any]]) -> str:
    """Test scores by 100: mean (least to most) over the seeds; of the arms with more text the mean gain behind it."""
    lines = ["| task, rows, steps | arm | seeds | teacher | student | gain over `without` |", "|---" * 6 + "|"]
    for name, group in grouped(runs).items():
        first, figures = group[0], summary(runs)[name]
        arm = f"{first['arm']}, words of {first['vectors']}" if first["vectors"] else first["arm"]
        cells = [_cell(figures[model]) if model in figures else "" for model in ("teacher", "student", "gain")]
        shared = f"{first['task']}, {first['rows']}, {first['steps']}"
        lines.append(f"| {shared} | {arm} | {len(group)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(figures: dict[str, float]) -> str:
    mean, least, most = (100 * figures[name] for name in ("mean", "min", "max"))
    return f"{mean:.1f}" if least == most else f"{mean:.1f} ({least:.1f} to {most:.1f})"


if __name__ == "__main__":
    main()
