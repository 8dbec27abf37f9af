"""Whether what makes the engine fast costs quality: students distilled with it and without, over several seeds.

all-MiniLM-L6-v2 fine-tuned on the data set -> 4 layers x 312, initialised from its teacher, one joint phase. `padded`
pads every row to the maximum length, draws rows at random and compares score maps in float32; `grouped` groups rows by
length, pads to the longest of a batch, compares Gram matrices and computes in bfloat16 where the hardware does;
`cached` also reads the teacher's outputs from disk. Rows in another order are another sample of the noise between
seeds: the question is whether the arms differ by more than that.

Cost: 5 to 15 minutes an arm and seed on 2 cores. Runs that the result file holds already are not repeated.

    python benchmarks/engine_quality.py --dataset rotten_tomatoes                          # all arms, 3 seeds
    python benchmarks/engine_quality.py --dataset rotten_tomatoes --arm padded --seed 0    # one run
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from command_line import SEEDS, BenchmarkParser
from datasets import DatasetDict
from torch.utils.data import DataLoader
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    set_seed,
)

from hf_tinybert import (
    DistillationArguments,
    DistillationTrainer,
    TinyBertConfig,
    TinyBertForSequenceClassification,
    initialize_from_teacher,
)
from hf_tinybert.data.metrics import accuracy_from_logits
from hf_tinybert.data.packages import packaged_teacher
from hf_tinybert.data.preprocessing import label_names, tokenize_texts
from hf_tinybert.data.sources import load_task_data
from hf_tinybert.distillation.frozen_weights import weights_sha256
from hf_tinybert.machine import machine

RESULTS = Path(__file__).parent / "results" / "engine_quality.json"
BATCH_SIZE, CALIBRATION_ROWS = 32, 256
TEACHER_EPOCHS, TEACHER_LEARNING_RATE, LEARNING_RATE = 2, 5e-5, 3e-4
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
# arm -> arguments of DistillationArguments
ARMS: dict[str, dict[str, Any]] = {
    "padded": {"train_sampling_strategy": "random", "attention_form": "direct", "bf16_where_fast": False},
    "grouped": {"train_sampling_strategy": "group_by_length", "attention_form": "factored"},
    "cached": {"train_sampling_strategy": "group_by_length", "attention_form": "factored"},
}
LOSSES = ("embedding_loss", "hidden_states_loss", "attention_scores_loss", "prediction_loss")


def main() -> None:
    """Runs what the result file lacks and writes it after every run."""
    parser = BenchmarkParser(__doc__)
    parser.add_argument("--dataset", required=True, help="folder, file or Hub name")
    parser.add_only("--arm", ARMS)
    parser.add_seeds()
    parser.add_argument("--epochs", type=float, default=3.0, help="of the joint phase (default 3)")
    parser.add_argument("--max-length", type=int, default=64, help="tokens per row (default 64)")
    parser.add_argument("--rows", type=int, help="training rows at most; all by default")
    parser.add_threads()
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "engine_quality", help="teacher")
    parser.add_output(RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tokenizer = AutoTokenizer.from_pretrained(packaged_teacher())
    texts = load_task_data(arguments.dataset).splits
    if arguments.rows:
        texts["train"] = texts["train"].select(range(min(arguments.rows, len(texts["train"]))))
    rows = tokenize_texts(texts, tokenizer, arguments.max_length)
    teacher_folder = arguments.folder / f"teacher-{Path(arguments.dataset).name}-{len(rows['train'])}"
    if not (teacher_folder / "done").is_file():
        fine_tune(teacher_folder, rows, tokenizer, label_names(texts))
    results = _read(arguments.output, _setting(arguments, len(rows["train"]), teacher_folder))
    known = {(run["arm"], run["seed"]) for run in results["runs"]}
    for seed in arguments.seed or SEEDS:
        for arm in arguments.arm or ARMS:
            if (arm, seed) in known:
                continue
            results["runs"].append(measure(arm, seed, arguments, teacher_folder, rows, tokenizer))
            results["summary"] = _summary(results["runs"])
            _write(arguments.output, results)
    sys.stdout.write(json.dumps(results["summary"], indent=1) + "\n")


def measure(
    arm: str,
    seed: int,
    arguments: argparse.Namespace,
    teacher_folder: Path,
    rows: DatasetDict,
    tokenizer: PreTrainedTokenizerBase,
) -> dict[str, Any]:
    """One student: accuracy on validation and test, every loss on validation, seconds of training.

    Args:
        arm: key of `ARMS`.
        seed: of the student's start and the order of rows.
        arguments: of the command line.
        teacher_folder: the fine-tuned teacher.
        rows: tokenised splits.
        tokenizer: of both models.
    """
    teacher = AutoModelForSequenceClassification.from_pretrained(teacher_folder)
    set_seed(seed)
    student = TinyBertForSequenceClassification(TinyBertConfig.from_teacher(teacher.config, **NO_DROPOUT))
    dynamic = DataCollatorWithPadding(tokenizer)
    padded = DataCollatorWithPadding(tokenizer, padding="max_length", max_length=arguments.max_length)
    loader = DataLoader(
        rows["train"].select(range(min(CALIBRATION_ROWS, len(rows["train"])))),
        batch_size=BATCH_SIZE,
        collate_fn=dynamic,
    )
    initial = initialize_from_teacher(student, teacher, calibration=loader, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        trainer = DistillationTrainer(
            student,
            DistillationArguments(
                output_dir=folder,
                phases=["joint"],
                num_train_epochs=arguments.epochs,
                learning_rate=LEARNING_RATE,
                **_stock(seed),
                teacher_cache_dir=f"{folder}/cache" if arm == "cached" else None,
                teacher_cache_contents="all",  # refuses, where `auto` would train from the live teacher
                **ARMS[arm],
            ),
            teacher=teacher,
            initialization=initial,
            train_dataset=rows["train"],
            processing_class=tokenizer,
            data_collator=padded if arm == "padded" else dynamic,
            compute_metrics=accuracy_from_logits,
        )
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
        validation, test = trainer.evaluate(rows["validation"]), trainer.evaluate(rows["test"])
    return {
        "arm": arm,
        "seed": seed,
        "validation_accuracy": validation["eval_accuracy"],
        "test_accuracy": test["eval_accuracy"],
        **{name: round(validation[f"eval_{name}"], 5) for name in LOSSES},
        "seconds": round(seconds, 1),
    }


def fine_tune(folder: Path, rows: DatasetDict, tokenizer: PreTrainedTokenizerBase, labels: list[str]) -> None:
    """The teacher: all-MiniLM-L6-v2 on the gold labels, saved."""
    set_seed(0)
    names = {"id2label": dict(enumerate(labels)), "label2id": {name: label for label, name in enumerate(labels)}}
    model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(packaged_teacher(), **names)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(
            model,
            TrainingArguments(
                output_dir=scratch,
                num_train_epochs=TEACHER_EPOCHS,
                learning_rate=TEACHER_LEARNING_RATE,
                train_sampling_strategy="group_by_length",
                **_stock(0),
            ),
            train_dataset=rows["train"],
            processing_class=tokenizer,
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        trainer.train()
    model.save_pretrained(folder)
    (folder / "done").write_text("", encoding="utf-8")


def _stock(seed: int) -> dict[str, Any]:
    return {
        "per_device_train_batch_size": BATCH_SIZE,
        "per_device_eval_batch_size": BATCH_SIZE,
        "warmup_steps": 0.1,
        "logging_steps": 50,
        "save_strategy": "no",
        "report_to": "none",
        "dataloader_pin_memory": torch.accelerator.is_available(),
        "seed": seed,
    }


def _setting(arguments: argparse.Namespace, rows: int, teacher_folder: Path) -> dict[str, Any]:
    teacher = AutoModelForSequenceClassification.from_pretrained(teacher_folder)
    return {
        "teacher": "sentence-transformers/all-MiniLM-L6-v2, fine-tuned",
        "teacher_sha256": weights_sha256(teacher),
        "student": "4 layers x 312, 12 heads, 1200 units",
        "dataset": Path(arguments.dataset).name,
        "train_rows": rows,
        "epochs": arguments.epochs,
        "max_length": arguments.max_length,
        "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
    }


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean, least and most over the seeds of every figure, by arm."""
    figures = ("validation_accuracy", "test_accuracy", *LOSSES, "seconds")
    summary: dict[str, Any] = {}
    for arm in ARMS:
        own = [run for run in runs if run["arm"] == arm]
        if own:
            summary[arm] = {"seeds": len(own)} | {name: _spread(run[name] for run in own) for name in figures}
    return summary


def _spread(values: Iterable[float]) -> dict[str, float]:
    numbers = list(values)
    return {"mean": round(statistics.fmean(numbers), 5), "min": min(numbers), "max": max(numbers)}


def _read(file: Path, setting: dict[str, Any]) -> dict[str, Any]:
    facts = machine()
    if not file.exists():
        return {"setting": setting, "machine": facts, "summary": {}, "runs": []}
    results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if (results["setting"], results["machine"]) != (setting, facts):
        raise SystemExit(f"`{file}` holds runs of another setting or machine; give another `--output`")
    return results


def _write(file: Path, results: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".json.partial")
    temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, file)


if __name__ == "__main__":
    main()
