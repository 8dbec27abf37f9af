"""This package beside TextBrewer and torchdistill: the same teacher, rows, batches, steps and rate, from two starts.

The teacher is all-MiniLM-L6-v2, fine-tuned on the task, the student 4 x 312. Arms:

- `textbrewer`: its `GeneralDistiller` compares hidden states of mapped layers by linear projections and predictions at
  temperature 8, as its README gives for all its students; AdamW and a linear schedule;
- `torchdistill`: its `DistillationBox` compares predictions at temperature 3, a tenth of the loss, beside gold labels,
  as its samples for GLUE do; AdamW and a linear schedule;
- `hf_tinybert`: `DistillationTrainer` with its defaults, one joint phase; from random weights the recipe
  `tinybert-scratch`;

each from random weights (`-random`), and from `initialize_from_teacher` (`-projected`), which the others have not.

Batches are padded to their longest row on all sides; this package groups rows by length. All take the last
weights, and the test split is scored once. Seconds are those of the process on its threads, loading of batches
included, so that other work on the machine counts little; with a GPU they hold the waiting for it.

    pip install textbrewer==0.2.1.post1 torchdistill==1.1.5
    python benchmarks/beside_other_toolkits.py --data DATA            # rotten_tomatoes, 3 seeds
    python benchmarks/beside_other_toolkits.py --data DATA --device cuda
    python benchmarks/beside_other_toolkits.py --table                # the results as Markdown

DATA holds a folder per task. Runs that the result file holds are not repeated. torchdistill imports torchvision, which
has to be built for the torch that is there; no text is read by it.
"""

import argparse
import importlib
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from command_line import SEEDS, BenchmarkParser
from datasets import Dataset
from result_file import Run, add_run, holds, read_results, spread
from rich.console import Console
from tasks import TASKS, fine_tuned_teacher
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedModel,
    get_linear_schedule_with_warmup,
    set_seed,
)

from hf_tinybert import (
    DistillationArguments,
    DistillationTrainer,
    TinyBertConfig,
    TinyBertForSequenceClassification,
    initialize_from_teacher,
)
from hf_tinybert.distillation.layer_mapping import resolve_layer_mapping
from hf_tinybert.distillation.recipes import RecipeName
from hf_tinybert.machine import machine
from hf_tinybert.models.initialization import StudentInitialization
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow.task_data import read_data

RESULTS = Path(__file__).parent / "results" / "beside_other_toolkits.json"
TOOLKITS = ("textbrewer", "torchdistill", "hf_tinybert")
ARMS = tuple(f"{toolkit}-{start}" for toolkit in TOOLKITS for start in ("random", "projected"))
CLASSIFICATION = [name for name, run in TASKS.items() if run.kind == "text-classification"]
BATCH = 32
LEARNING_RATE = 3e-4
WARMUP = 0.1
TEMPERATURE = 8  # of TextBrewer's examples
SAMPLE = {"temperature": 3.0, "alpha": 0.9, "reduction": "batchmean"}  # of torchdistill's samples for GLUE
CALIBRATION = 256  # texts
_LOGITS = {"path": "classifier", "io": "output"}


def main() -> None:
    """Runs what the result file lacks and writes it after every run."""
    parser = BenchmarkParser(__doc__)
    parser.add_data(or_table=True)
    parser.add_argument("--task", choices=CLASSIFICATION, default="rotten_tomatoes", help="default rotten_tomatoes")
    parser.add_only("--arm", ARMS)
    parser.add_seeds()
    parser.add_argument("--epochs", type=int, default=4, help="passes over the rows (default 4)")
    parser.add_argument("--device", default="cpu", help="of teacher and student (default cpu)")
    parser.add_folder()
    parser.add_threads()
    parser.add_output(RESULTS)
    options = parser.parse_args()
    if not options.table:
        torch.set_num_threads(options.threads)
        for seed in options.seed or SEEDS:
            for arm in options.arm or ARMS:
                measure(arm, seed, options)
    sys.stdout.write(table(read_results(options.output)["runs"]))


def measure(arm: str, seed: int, options: argparse.Namespace) -> None:
    """One student, unless the result file holds it."""
    key = {"task": options.task, "arm": arm, "seed": seed, "epochs": options.epochs, "device": options.device}
    if holds(options.output, key):
        return
    display = ProgressDisplay(Console(stderr=True))
    display.line(f"{options.task}, {arm}, seed {seed}")
    folder = fine_tuned_teacher(options.task, options.data, options.folder, display)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = encoded(options.data / options.task, options.task, tokenizer)
    pad = DataCollatorWithPadding(tokenizer)
    set_seed(seed)
    teacher = AutoModelForSequenceClassification.from_pretrained(folder).to(options.device)
    student = TinyBertForSequenceClassification(TinyBertConfig.from_teacher(teacher.config, preset="4L-312"))
    student.to(options.device)
    before = time.process_time()
    start = None
    if arm.endswith("-projected"):
        texts = rows["train"].remove_columns("labels").shuffle(seed=seed).take(CALIBRATION)
        calibration = [dict(batch) for batch in DataLoader(texts, BATCH, collate_fn=pad)]
        start = initialize_from_teacher(student, teacher, calibration=calibration)
    started = time.process_time() - before
    before = time.process_time()
    if arm.startswith("textbrewer"):
        train_by_textbrewer(student, teacher, rows["train"], pad, options.epochs)
    elif arm.startswith("torchdistill"):
        train_by_torchdistill(student, teacher, rows["train"], pad, options.epochs)
    else:
        output = options.folder / f"beside-other-toolkits-{arm}-{seed}"
        train_here(student, teacher, start, rows["train"], pad, options.epochs, seed, output)
    figures = {
        "start_seconds": round(started, 1),
        "processor_seconds": round(time.process_time() - before, 1),
        "student": {split: accuracy(student, rows[split], pad) for split in ("validation", "test")},
        "teacher": {split: accuracy(teacher, rows[split], pad) for split in ("validation", "test")},
        "machine": machine(),
    }
    add_run(options.output, {**key, **figures}, summary)


def encoded(folder: Path, task: str, tokenizer: Any) -> dict[str, Dataset]:  # noqa: ANN401 (as Auto classes give it)
    """Token ids and labels of every split."""
    data = read_data(str(folder), TASKS[task].kind, {}, seed=0)

    def encode(batch: dict[str, list[Any]]) -> dict[str, Any]:
        tokens = tokenizer(batch["text"], truncation=True, max_length=TASKS[task].max_length)
        return {**tokens, "labels": batch["label"]}

    return {
        name: rows.map(encode, batched=True, remove_columns=rows.column_names) for name, rows in data.splits.items()
    }


def train_by_textbrewer(
    student: PreTrainedModel, teacher: PreTrainedModel, rows: Dataset, pad: DataCollatorWithPadding, epochs: int
) -> None:
    """Its own loop; the student is trained in place."""
    textbrewer = importlib.import_module("textbrewer")
    wide, narrow = teacher.config.hidden_size, student.config.hidden_size
    mapping = resolve_layer_mapping("uniform", student.config.num_hidden_layers, teacher.config.num_hidden_layers)
    matches = [
        {
            "layer_S": own,
            "layer_T": other,
            "feature": "hidden",
            "loss": "hidden_mse",
            "weight": 1,
            "proj": ["linear", narrow, wide],
        }
        for own, other in enumerate(mapping)
    ]

    def adapt(batch: dict[str, Tensor], output: Any) -> dict[str, Any]:  # noqa: ANN401 (a model's output)
        return {"logits": output.logits, "hidden": output.hidden_states, "inputs_mask": batch["attention_mask"]}

    def collate(batch: list[dict[str, Any]]) -> dict[str, Tensor]:
        return dict(pad(batch))

    loader = DataLoader(rows.remove_columns("labels"), BATCH, shuffle=True, collate_fn=collate)
    steps = len(loader) * epochs
    distiller = textbrewer.GeneralDistiller(
        train_config=textbrewer.TrainingConfig(device=str(student.device), ckpt_frequency=0),
        distill_config=textbrewer.DistillationConfig(temperature=TEMPERATURE, intermediate_matches=matches),
        model_T=teacher,
        model_S=student,
        adaptor_T=adapt,
        adaptor_S=adapt,
    )
    optimizer = torch.optim.AdamW(student.parameters(), lr=LEARNING_RATE)
    with distiller:
        distiller.train(
            optimizer,
            loader,
            num_epochs=epochs,
            scheduler_class=get_linear_schedule_with_warmup,
            scheduler_args={"num_warmup_steps": int(WARMUP * steps), "num_training_steps": steps},
            max_grad_norm=1.0,
            output_hidden_states=True,
        )


def train_by_torchdistill(
    student: PreTrainedModel, teacher: PreTrainedModel, rows: Dataset, pad: DataCollatorWithPadding, epochs: int
) -> None:
    """Its own box and the loop of its examples; the student is trained in place."""
    distillation = importlib.import_module("torchdistill.core.distillation")
    optim = importlib.import_module("torchdistill.optim.registry")
    data = importlib.import_module("torchdistill.datasets.registry")
    optim.register_scheduler(get_linear_schedule_with_warmup)
    data.register_collate_func(lambda batch: dict(pad(batch)), key="pad")
    steps = -(-len(rows) // BATCH) * epochs
    model = {"forward_proc": "forward_batch_only_as_kwargs", "forward_hook": {"input": [], "output": ["classifier"]}}
    loader = {
        "dataset_id": "rows",
        "sampler": {"class_or_func": RandomSampler},
        "collate_fn": "pad",
        "requires_supp": False,
        "kwargs": {"batch_size": BATCH},
    }
    logits = {f"{role}_module_{key}": value for role in ("student", "teacher") for key, value in _LOGITS.items()}
    criterion = {"key": "KDLoss", "kwargs": {**logits, **SAMPLE}}
    box = distillation.get_distillation_box(
        teacher,
        student,
        {"rows": rows.rename_column("labels", "gold")},
        {
            "num_epochs": epochs,
            "train_data_loader": loader,
            "teacher": {**model, "requires_grad": False},
            "student": model,
            "criterion": {
                "key": "WeightedSumLoss",
                "kwargs": {"sub_terms": {"kd": {"criterion": criterion, "weight": 1.0}}},
            },
            "optimizer": {"key": "AdamW", "kwargs": {"lr": LEARNING_RATE}, "max_grad_norm": 1.0},
            "scheduler": {
                "key": "get_linear_schedule_with_warmup",
                "kwargs": {"num_warmup_steps": int(WARMUP * steps), "num_training_steps": steps},
                "scheduling_step": 1,
            },
        },
        student.device,
        None,
        distributed=False,
        lr_factor=1,
    )
    for epoch in range(epochs):
        box.pre_epoch_process(epoch=epoch)
        for batch in box.train_data_loader:
            batch = {name: values.to(student.device) for name, values in batch.items()}
            labels = batch.pop("gold")
            box.post_forward_process(loss=box.forward_process(batch, labels, None))
        box.post_epoch_process()
    box.clean_modules()


def train_here(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    start: StudentInitialization | None,
    rows: Dataset,
    pad: DataCollatorWithPadding,
    epochs: int,
    seed: int,
    folder: Path,
) -> None:
    """`DistillationTrainer` with its defaults, from a random start those of that; the student is trained in place."""
    arguments = DistillationArguments(
        str(folder),
        recipe=RecipeName.TINYBERT_SCRATCH if start is None else RecipeName.TINYBERT_JOINT,
        num_train_epochs=epochs,
        learning_rate=LEARNING_RATE,
        warmup_steps=WARMUP,
        per_device_train_batch_size=BATCH,
        save_strategy="no",
        report_to="none",
        seed=seed,
        use_cpu=student.device.type == "cpu",
    )
    trainer = DistillationTrainer(
        student, arguments, teacher=teacher, initialization=start, train_dataset=rows, data_collator=pad
    )
    trainer.train()


def accuracy(model: PreTrainedModel, rows: Dataset, pad: DataCollatorWithPadding) -> float:
    """Share of rows whose highest logit is the label's."""
    model.eval()
    with torch.inference_mode():
        batches = _batches(rows, pad, model.device)
        right = sum(int((model(**batch).logits.argmax(-1) == labels).sum()) for batch, labels in batches)
    return right / len(rows)


def _batches(
    rows: Dataset, pad: DataCollatorWithPadding, device: torch.device
) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    for batch in DataLoader(rows, 4 * BATCH, collate_fn=lambda batch: pad(batch).to(device)):
        labels = batch.pop("labels")
        yield dict(batch), labels


def summary(runs: list[Run]) -> dict[str, Any]:
    """By task and arm: test accuracy of teacher and student, and seconds, over the seeds."""
    found: dict[str, Any] = {}
    for name, group in _grouped(runs):
        found[name] = {
            "seeds": len(group),
            "teacher": spread(run["teacher"]["test"] for run in group),
            "student": spread(run["student"]["test"] for run in group),
            "processor_seconds": spread(run["processor_seconds"] for run in group),
        }
    return found


def _grouped(runs: Iterable[Run]) -> list[tuple[str, list[Run]]]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(f"{run['task']} {run['arm']} {run['epochs']} epochs, {run['device']}", []).append(run)
    return sorted(groups.items())


def table(runs: list[Run]) -> str:
    """Means over the seeds as a table in Markdown; accuracies by 100, least and most in brackets."""
    lines = [
        "| arm | seeds | teacher | student, validation | student, test | seconds of a processor |",
        "|---" * 6 + "|",
    ]
    for name, group in _grouped(runs):
        cells = [
            _cell([100 * run["teacher"]["test"] for run in group]),
            _cell([100 * run["student"]["validation"] for run in group]),
            _cell([100 * run["student"]["test"] for run in group]),
            _cell([run["processor_seconds"] for run in group], digits=0),
        ]
        lines.append(f"| {name} | {len(group)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(values: list[float], digits: int = 1) -> str:
    mean, least, most = (f"{value:.{digits}f}" for value in (sum(values) / len(values), min(values), max(values)))
    return mean if len(values) == 1 else f"{mean} ({least} to {most})"


if __name__ == "__main__":
    main()
