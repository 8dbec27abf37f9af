"""What a 4 x 312 student keeps of its teacher on real tasks, beside the students it has to beat.

all-MiniLM-L6-v2 is fine-tuned on each task (sentence embedding takes it as it is). Arms:

- `distilled`: from a general student, one joint phase; the general student is projected from all-MiniLM-L6-v2 and
  distilled on the raw text of all training splits, once for all tasks;
- `distilled-projected`: from the teacher's projected weights, one joint phase;
- `logits-only`: the start and the settings of the better of the two (`TaskRun.best`), predictions alone;
- `undistilled-projected` and `undistilled-random`: gold labels alone, from the projected and from a random start.

Every choice is made on the validation split; the test split is scored once, at the end of a run. Runs that the result
file holds are not repeated; an interrupted run goes on at its last epoch.

    python benchmarks/tasks.py --data DATA                                         # everything, 3 seeds
    python benchmarks/tasks.py --data DATA --task wnut17 --arm distilled --seed 0  # one run
    python benchmarks/tasks.py --table                                             # the results as Markdown

DATA holds a folder per task, as named in `TASKS`. Cost: a distilled run
of stsb takes 6 minutes, its teacher 3, on 2 cores with bf16; the result file has the seconds of every run.
"""

import argparse
import hashlib
import json
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from command_line import SEEDS, BenchmarkParser, changes_of
from result_file import add_run, alone, holds, read_results, spread
from rich.console import Console

from hf_tinybert.data import packaged_teacher
from hf_tinybert.data.raw_text import each_once, read_documents
from hf_tinybert.data.sentences import split_sentences
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow import DistilSettings, FinetuneSettings, PretrainSettings, distil, finetune, pretrain
from hf_tinybert.workflow.figures import FIGURES_FILE

RESULTS = Path(__file__).parent / "results" / "tasks.json"


@dataclass(frozen=True)
class TaskRun:
    """One task of the table.

    Attributes:
        kind: of the task.
        max_length: tokens.
        teacher: fields of `FinetuneSettings`; None leaves the teacher as it is published.
        student: fields of `DistilSettings` other than the arm's, of all arms that learn from the teacher.
        projected: more of them where the student starts from the teacher's projected weights.
        best: arm with which most is kept on the validation split.
    """

    kind: str
    max_length: int
    teacher: dict[str, Any] | None = field(default_factory=dict)
    student: dict[str, Any] = field(default_factory=dict)
    projected: dict[str, Any] = field(default_factory=dict)
    best: str = "distilled"


TASKS = {
    "rotten_tomatoes": TaskRun("text-classification", 64),
    "banking77": TaskRun("text-classification", 64, {"epochs": 8.0, "learning_rate": 2e-4}),
    "qnli_dev_subset": TaskRun("pair-classification", 128, {"epochs": 5.0, "learning_rate": 1e-4}, {"epochs": 8.0}),
    "snli_subset": TaskRun("pair-classification", 64, {"epochs": 5.0, "learning_rate": 1e-4}),
    "stsb": TaskRun("regression", 64, {"epochs": 5.0, "learning_rate": 1e-4}),
    # 3,394 sentences are too few: the student learns what the teacher says of more. That words which it seldom meets
    # stay as they start, and from which layers it starts, is chosen on validation too: ROADMAP.md
    "wnut17": TaskRun(
        "token-classification",
        128,
        {"epochs": 8.0, "learning_rate": 2e-4},
        {"epochs": 3.0, "unlabeled": ["ud_ewt_pos/train.jsonl", "squad_subset/train.jsonl#context"]},
        {
            "epochs": 4.0,
            "learning_rate": 1e-3,
            "batch_size": 64,
            "dropout": 0.1,
            "frozen": ["embeddings.word_embeddings"],
            "layer_mapping": "search",
        },
        best="distilled-projected",
    ),
    "ud_ewt_pos": TaskRun("token-classification", 128, {"epochs": 4.0, "learning_rate": 2e-4}),
    "squad_subset": TaskRun("question-answering", 384, {"epochs": 4.0, "learning_rate": 1e-4}),
    "scitldr": TaskRun("extractive-summarization", 512, {"epochs": 2.0, "learning_rate": 2e-4}, {"epochs": 2.0}),
    "stsb-embedding": TaskRun("sentence-embedding", 64, None, best="distilled-projected"),
}
DATA_OF = {"stsb-embedding": "stsb"}
# raw text of the general student: no labels, and training splits alone
TEXTS = ("books_lm", *(task for task in TASKS if task not in DATA_OF))
TEXT_COLUMNS = ("text", "text_a", "text_b", "context", "question", "document", "tokens")
PRETRAINING = {"learning_rate": 6e-4, "epochs": 1.0}
# chosen on the validation splits, see results/tasks_validation.json
PASSES = {"epochs": 4.0, "learning_rate": 3e-4}
# more passes, because a random start needs them; the best one on the validation split is kept in every arm
LABELS_ONLY = {"epochs": 10.0, "learning_rate": 3e-4, "learn_from": "labels"}
GENERAL = "general-student"
_LONGEST_NAME = 150  # of a folder
ARMS: dict[str, dict[str, Any]] = {
    "distilled": {**PASSES, "phases": ["joint"], "start": GENERAL},
    "distilled-projected": {**PASSES, "phases": ["joint"]},
    "logits-only": {**PASSES, "phases": ["prediction-layer"], "start": GENERAL},
    "undistilled-projected": LABELS_ONLY,
    "undistilled-random": {**LABELS_ONLY, "start": "random"},
}


def main() -> None:
    """Runs what the result file lacks and writes it after every run."""
    parser = BenchmarkParser(__doc__)
    parser.add_data(or_table=True)
    parser.add_only("--task", TASKS)
    parser.add_only("--arm", ARMS)
    parser.add_seeds()
    parser.add_trials()
    parser.add_argument(
        "--prepare", action="append", choices=[GENERAL, *TASKS], help="make this student, or teacher, and run nothing"
    )
    parser.add_folder()
    parser.add_threads()
    parser.add_live_teacher()
    parser.add_output(RESULTS)
    options = parser.parse_args()
    if options.table:
        sys.stdout.write(table(read_results(options.output)["runs"]))
        return
    torch.set_num_threads(options.threads)
    if options.prepare:
        prepare(options)
        return
    changes = changes_of(options)
    for seed in options.seed or SEEDS:
        for task in options.task or TASKS:
            for arm in options.arm or ARMS:
                if not (arm.startswith("undistilled") and TASKS[task].teacher is None):
                    measure(task, arm, seed, changes, options)
    summary = json.loads(options.output.read_text(encoding="utf-8"))["summary"]
    sys.stdout.write(json.dumps(summary, indent=1) + "\n")


def prepare(options: argparse.Namespace) -> None:
    """The models that runs need, unless they are there."""
    display = ProgressDisplay(Console(stderr=True))
    for name in options.prepare:
        if name == GENERAL:
            general_student(options.data, options.folder, display)
        else:
            fine_tuned_teacher(name, options.data, options.folder, display)


def measure(task: str, arm: str, seed: int, changes: dict[str, Any], options: argparse.Namespace) -> None:
    """One student, unless the result file holds it."""
    settings = {**standard_settings(task, arm), **changes}
    key = {"task": task, "arm": arm, "seed": seed, "settings": json.loads(json.dumps(settings))}
    if holds(options.output, key):
        return
    display = ProgressDisplay(Console(stderr=True))
    display.line(f"{task}, {arm}, seed {seed} {settings or ''}")
    folder = options.folder / _run_name(task, arm, seed, changes)
    more: dict[str, Any] = {}
    if settings.get("start") == GENERAL:
        more["start"] = str(general_student(options.data, options.folder, display))
    figures = distil_task(task, seed, {**settings, **more}, folder, options)
    kept = ("main_metric", "rows", "scores", "retention", "epochs", "parameters", "seconds", "machine")
    kept += ("without_model",) if "without_model" in figures else ()
    general = {"general_student": general_figures(options.folder)} if settings.get("start") == GENERAL else {}
    add_run(options.output, {**key, **{name: figures[name] for name in kept}}, _summary, **general)


def _run_name(task: str, arm: str, seed: int, changes: Mapping[str, Any]) -> str:
    """The changed settings in words, or by their digest where a file system would not take so long a name."""
    parts = (f"{name}={changes[name]}".replace("/", "_") for name in sorted(changes))
    name = "-".join([task, arm, str(seed), *parts])
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8")).hexdigest()[:16]
    return "-".join([task, arm, str(seed), *sorted(changes), digest])


def distil_task(
    task: str, seed: int, settings: Mapping[str, Any], folder: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """The figures of a student of a task's teacher, which is fine-tuned unless it is there.

    Args:
        task: key of `TASKS`.
        seed: of the student.
        settings: more fields of `DistilSettings`, or other ones in their place; `unlabeled` names files as
            `unlabelled_rows` takes them.
        folder: of the student.
        options: of the command: `data`, `folder`, `live_teacher` and `validation_only`.
    """
    display = ProgressDisplay(Console(stderr=True))
    uncached = options.live_teacher or settings.get("learn_from") == "labels"
    cache = {} if uncached else {"cache_dir": str(options.folder / "cache"), "cache_max_gb": 20.0}
    standard = {
        "data": str(options.data / DATA_OF.get(task, task)),
        "kind": TASKS[task].kind,
        "max_length": TASKS[task].max_length,
        "teacher": str(fine_tuned_teacher(task, options.data, options.folder, display)),
        "score_test": not options.validation_only,
        "seed": seed,
    }
    unlabeled = tuple(unlabelled_rows(name, options.data, options.folder) for name in settings.get("unlabeled", ()))
    return distil(DistilSettings(**{**standard, **cache, **settings, "unlabeled": unlabeled}), folder, display)


def fine_tuned_teacher(task: str, data: Path, folder: Path, display: ProgressDisplay, seed: int = 0) -> Path:
    """The folder of a task's teacher, fine-tuned unless it is there.

    Args:
        task: key of `TASKS`.
        data: folder with a folder per task.
        folder: of all models.
        display: where progress is shown.
        seed: of the teacher; that of all other benchmarks is 0.
    """
    run = TASKS[task]
    if run.teacher is None:
        return packaged_teacher()
    own = {**run.teacher, "seed": seed}
    settings = FinetuneSettings(data=str(data / task), kind=run.kind, max_length=run.max_length, **own)
    teacher = folder / (f"{task}-teacher-{seed}" if seed else f"{task}-teacher")
    with alone(teacher):
        finetune(settings, teacher, display)
    return teacher


def unlabelled_rows(name: str, data: Path, folder: Path) -> str:
    """A file of rows for the teacher to label.

    Args:
        name: file below `data`; with `#column` behind it, the different sentences of that column's texts.
        data: folder with a folder per task.
        folder: of all models; files of sentences are written there.
    """
    file, _, column = name.partition("#")
    if not column:
        return str(data / file)
    written = folder / f"{file.replace('/', '-').removesuffix('.jsonl')}-{column}.jsonl"
    with alone(written):
        if written.exists():
            return str(written)
        texts = each_once(read_documents([str(data / file)], [column]))
        sentences = each_once(text[start:end] for text in texts for start, end in split_sentences(text))
        partial = written.with_suffix(".partial")
        partial.write_text("".join(json.dumps({"text": one}) + "\n" for one in sentences), encoding="utf-8")
        partial.replace(written)
    return str(written)


def general_student(data: Path, folder: Path, display: ProgressDisplay) -> Path:
    """The folder of the general student, distilled unless it is there.

    Args:
        data: folder with a folder per task.
        folder: of all models.
        display: where progress is shown.
    """
    texts = tuple(str(data / name / "train.jsonl") for name in TEXTS)
    with alone(folder / GENERAL):
        pretrain(PretrainSettings(texts=texts, columns=TEXT_COLUMNS, **PRETRAINING), folder / GENERAL, display)
    return folder / GENERAL


def general_figures(folder: Path) -> dict[str, Any]:
    """What is told of the general student: text, terms on held-out blocks before and after, seconds."""
    figures = json.loads((folder / GENERAL / FIGURES_FILE).read_text(encoding="utf-8"))
    kept = ("documents", "tokens_seen", "steps", "held_out", "seconds", "tokens_per_second", "machine")
    return {"texts": list(TEXTS), **PRETRAINING, **{name: figures[name] for name in kept}}


def standard_settings(task: str, arm: str) -> dict[str, Any]:
    """The settings of an arm on a task."""
    run = TASKS[task]
    if ARMS[arm].get("learn_from") == "labels":
        return dict(ARMS[arm])
    settings = {**ARMS[arm], **run.student}
    if (run.best if arm == "logits-only" else arm) == "distilled-projected":
        settings = {**settings, **run.projected}
        settings.pop("start", None)
    return settings


def own_rows_alone(task: str, arm: str) -> dict[str, Any]:
    """The changes by which a task that learns from more rows learns from its own, with the settings of the arm."""
    standard = standard_settings(task, arm)
    if "unlabeled" not in standard:
        return {}
    usual = {one.name: one.default for one in fields(DistilSettings)} | ARMS[arm] | {"unlabeled": []}
    return {name: usual[name] for name in (*TASKS[task].student, *TASKS[task].projected) if name in standard}


def table(runs: list[dict[str, Any]]) -> str:
    """The runs with the settings of their arm as tables in Markdown: what is kept of the teacher, and the scores.

    Below them what is had on the test rows without a model, for tasks whose runs tell.
    """
    standard = [run for run in runs if run["settings"] == standard_settings(run["task"], run["arm"])]
    arms = [arm for arm in ARMS if any(run["arm"] == arm for run in standard)]
    tasks = [task for task in TASKS if any(run["task"] == task for run in standard)]
    parts, notes = [], []
    for split in ("test", "validation"):
        kept = ["| task, metric | " + " | ".join(arms) + " |", "|---" * (len(arms) + 1) + "|"]
        scores = ["| task, metric | teacher | " + " | ".join(arms) + " |", "|---" * (len(arms) + 2) + "|"]
        for task in tasks:
            of_task = [run for run in standard if run["task"] == task and split in run["scores"]]
            if not of_task:
                continue
            groups = [[run for run in of_task if run["arm"] == arm] for arm in arms]
            metric = of_task[0]["main_metric"]
            teacher = of_task[0]["scores"][split]["teacher"][metric]
            scale = 1.0 if teacher > 1.0 else 100.0
            shares = [score_cell([100 * run["retention"][split][metric] for run in group]) for group in groups]
            values = [
                score_cell([scale * run["scores"][split]["student"][metric] for run in group]) for group in groups
            ]
            kept.append(f"| {task}, {metric} | " + " | ".join(shares) + " |")
            scores.append(f"| {task}, {metric} | {scale * teacher:.1f} | " + " | ".join(values) + " |")
            beside = next((run["without_model"][split] for run in of_task if "without_model" in run), {})
            if beside:
                told = ", ".join(f"{name} {scale * value[metric]:.1f}" for name, value in beside.items())
                notes.append(f"{task}, {metric} without a model, {split}: {told}.")
        parts += [f"% kept of the teacher's score, {split} split", "\n".join(kept)]
        parts += [f"Scores, {split} split", "\n".join(scores)]
    return "\n\n".join(parts + notes) + "\n"


def score_cell(values: list[float]) -> str:
    """Mean, and least to most of several seeds."""
    if not values:
        return ""
    mean = f"{statistics.fmean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.1f} to {max(values):.1f})"


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """By task, arm and settings: mean, least and most over the seeds of the main metric and its retention."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        standard = standard_settings(run["task"], run["arm"])
        names = sorted({*standard, *run["settings"]})
        own = {name: run["settings"].get(name) for name in names if standard.get(name) != run["settings"].get(name)}
        groups.setdefault(f"{run['task']} {run['arm']} {json.dumps(own) if own else ''}".strip(), []).append(run)
    summary = {}
    for name, group in groups.items():
        metric = group[0]["main_metric"]
        figures: dict[str, Any] = {"seeds": len(group), "metric": metric}
        for split in ("validation", "test"):
            scored = [run for run in group if split in run["scores"]]
            if scored:
                figures[split] = {
                    "teacher": spread(run["scores"][split]["teacher"][metric] for run in scored),
                    "student": spread(run["scores"][split]["student"][metric] for run in scored),
                    "retention": spread(run["retention"][split][metric] for run in scored),
                }
        figures["seconds"] = spread(run["seconds"]["total"] for run in group)
        summary[name] = figures
    return summary


if __name__ == "__main__":
    main()
